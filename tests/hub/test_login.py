"""Guessing passwords: slowed by name and address, with nobody locked out and a known browser let in at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.hub.accounts import Role, make_account, read_accounts, write_accounts
from pipeline.hub.authenticator import AccountsAuthenticator
from pipeline.hub.throttle import Failures, Turns

NAMES = ("ada", "ben")


class Browser:
    """What the authenticator sees of a browser: its address, and the cookies that the Hub has signed."""

    def __init__(self, address: str) -> None:
        self.request = SimpleNamespace(remote_ip=address, protocol="http")
        self.hub = SimpleNamespace(base_url="/hub/")
        self.cookies: dict[str, bytes] = {}

    def get_signed_cookie(self, name: str, **_settings: object) -> bytes | None:
        return self.cookies.get(name)

    def set_signed_cookie(self, name: str, value: str, **_settings: object) -> None:
        self.cookies[name] = value.encode()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """Return a door with two accounts whose password is `right`, and the seconds that each log-in had to wait."""
    accounts = {}
    for name in NAMES:
        account, _ = make_account(name, [Role.ANNOTATORS], [])
        accounts[name] = replace(account, password_hash="right")
    write_accounts(accounts, tmp_path / "accounts.json")
    authenticator = AccountsAuthenticator(accounts_path=str(tmp_path / "accounts.json"))
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.hub.accounts._hash", lambda password, _salt: password)  # scrypt is slow
        patch.setattr(authenticator, "_wait", wait)

        async def log_in(browser: Browser, name: str, password: str) -> str | None:
            return await authenticator.authenticate(browser, {"username": name, "password": password})

        yield SimpleNamespace(log_in=log_in, waits=waits)


def try_all(door: SimpleNamespace, *attempts: tuple[Browser, str, str]) -> list[str | None]:
    async def go() -> list[str | None]:
        return [await door.log_in(*attempt) for attempt in attempts]

    return asyncio.run(go())


def test_wrong_passwords_are_slowed_more_and_more_and_the_right_one_is_let_in(door: SimpleNamespace) -> None:
    stranger = Browser("10.0.0.9")
    answers = try_all(door, *[(stranger, "ada", "wrong")] * 30, (stranger, "ada", "right"))
    assert answers == [None] * 30 + ["ada"]
    assert len(door.waits) == 26  # the first five cost nothing
    assert door.waits == sorted(door.waits)
    assert max(door.waits) == 8


def test_a_stranger_slows_neither_other_addresses_nor_other_names(door: SimpleNamespace) -> None:
    stranger = Browser("10.0.0.9")
    try_all(door, *[(stranger, "ada", "wrong")] * 20)
    door.waits.clear()
    assert try_all(door, (Browser("10.0.0.2"), "ada", "right"), (stranger, "ben", "right")) == ["ada", "ben"]
    assert door.waits == []


def test_a_browser_from_which_somebody_has_logged_in_is_let_in_beside_a_guesser_at_its_address(
    door: SimpleNamespace,
) -> None:
    office = "10.0.0.2"
    known = Browser(office)
    assert try_all(door, (known, "ada", "right")) == ["ada"]
    try_all(door, *[(Browser(office), "ada", "wrong")] * 20)
    door.waits.clear()
    assert try_all(door, (known, "ada", "right")) == ["ada"]
    assert door.waits == []
    # The browser is known for her only: a mark for one name opens no fast lane for another.
    try_all(door, *[(known, "ben", "wrong")] * 6)
    assert len(door.waits) == 1


def test_who_waits_for_their_turn_while_their_password_changes_needs_the_new_one(
    door: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "accounts.json"

    def change(password: str, _salt: str) -> str:
        write_accounts({n: replace(a, password_hash="new") for n, a in read_accounts(path).items()}, path)
        return password

    monkeypatch.setattr("pipeline.hub.accounts._hash", change)

    async def go() -> list[str | None]:
        return list(
            await asyncio.gather(*(door.log_in(Browser(f"10.0.0.{i}"), name, "right") for i, name in enumerate(NAMES)))
        )

    # The first one's changes while it is looked at, the second one's while they wait for their turn.
    assert asyncio.run(go()) == [None, None]
    assert try_all(door, (Browser("10.0.0.2"), "ada", "new")) == ["ada"]


def test_made_up_names_are_slowed_by_their_address(door: SimpleNamespace) -> None:
    try_all(door, *[(Browser("10.0.0.9"), f"nobody-{i}", "wrong") for i in range(60)])
    assert len(door.waits) == 10


def test_guesses_sent_all_at_once_are_counted_like_others(door: SimpleNamespace) -> None:
    async def go() -> None:
        await asyncio.gather(*(door.log_in(Browser("10.0.0.9"), "ada", "wrong") for _ in range(20)))

    asyncio.run(go())
    assert len(door.waits) == 15


def test_failures_are_forgotten_after_five_minutes() -> None:
    now = [1000.0]
    failures = Failures(2, clock=lambda: now[0])
    assert [failures.count("ada") for _ in range(4)] == [0, 0, 0.5, 1]
    now[0] += 301
    assert failures.count("ada") == 0


@pytest.mark.parametrize("n_at_once", [1, 2])
def test_who_asks_a_hundred_times_does_not_keep_another_waiting(n_at_once: int) -> None:
    async def go() -> list[str]:
        turns, done = Turns(n_at_once), []
        gate = asyncio.Event()

        async def ask(group: str) -> None:
            async with turns.turn(group):
                await gate.wait()
                done.append(group)

        asked = [asyncio.create_task(ask("many")) for _ in range(100)]
        await asyncio.sleep(0)
        asked.append(asyncio.create_task(ask("one")))
        await asyncio.sleep(0)
        for task in asked[50:60]:
            task.cancel()
        gate.set()
        await asyncio.gather(*asked, return_exceptions=True)
        async with asyncio.timeout(60), turns.turn("later"):  # no turn was lost with those who left
            return done

    done = asyncio.run(go())
    assert len(done) == 91
    assert done.index("one") <= 2 * n_at_once
