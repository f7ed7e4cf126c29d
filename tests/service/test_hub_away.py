"""A Hub that hangs: known people go on working, others are told so, and nobody waits long."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import ServiceError
from pipeline.service import identity
from pipeline.service.identity import HubIdentity

PATIENCE_S = 0.05


class Hub:
    """A Hub that answers, hangs, or says that a token is nobody's; it counts how often it is asked."""

    def __init__(self) -> None:
        self.hangs = False
        self.known = {"ada's": "ada", "ben's": "ben"}
        self.n_asked = 0

    async def user_for_token(self, token: str, **_settings: Any) -> dict[str, Any] | None:
        self.n_asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        name = self.known.get(token)
        return name and {"kind": "user", "name": name, "groups": [], "scopes": ["access:services!service=mlf"]}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the time, which only moves when it is told to."""
    time = [1000.0]
    monkeypatch.setattr(identity, "time", SimpleNamespace(monotonic=lambda: time[0]))
    return time


def caller(known: HubIdentity, token: str = "ada's") -> Any:
    return known.caller(token)


def test_who_is_known_goes_on_for_some_minutes_and_no_longer(now: list[float]) -> None:
    async def go() -> None:
        hub = Hub()
        known = HubIdentity(hub, patience_s=PATIENCE_S)
        assert (await caller(known)).name == "ada"
        hub.hangs = True
        for minutes in range(1, 5):
            now[0] = 1000 + 60 * minutes
            assert (await caller(known)).name == "ada"
        now[0] = 1000 + identity.KEPT_ANSWER_S + 1
        with pytest.raises(ServiceError, match="Hub does not answer"):
            await caller(known)
        hub.hangs = False
        assert (await caller(known)).name == "ada"

    asyncio.run(go())


def test_who_is_not_known_is_told_and_not_let_in(now: list[float]) -> None:
    async def go() -> None:
        hub = Hub()
        hub.hangs = True
        known = HubIdentity(hub, patience_s=PATIENCE_S)
        for token in ("ada's", "made up"):
            with pytest.raises(ServiceError, match="your work is kept"):
                await caller(known, token)
        hub.hangs = False
        assert await caller(known, "made up") is None
        hub.hangs = True
        now[0] += 60
        with pytest.raises(ServiceError):  # the answer "nobody's token" is not cached
            await caller(known, "made up")

    asyncio.run(go())


def test_nobody_waits_for_a_hub_that_was_away_a_moment_ago(now: list[float]) -> None:
    async def go() -> None:
        hub = Hub()
        known = HubIdentity(hub, patience_s=PATIENCE_S)
        await caller(known)
        await caller(known, "ben's")
        hub.hangs = True
        now[0] += identity.TOKEN_CACHE_S + 1
        await caller(known)  # this one has waited
        known._patience_s = 1e9  # anyone who waited now would wait for ever
        async with asyncio.timeout(10):
            assert [(await caller(known, token)).name for token in ("ada's", "ben's") for _ in range(20)]

    asyncio.run(go())


def test_a_token_that_was_revoked_ends_as_soon_as_the_hub_answers_again(now: list[float]) -> None:
    async def go() -> None:
        hub = Hub()
        known = HubIdentity(hub, patience_s=PATIENCE_S)
        await caller(known)
        hub.hangs = True
        now[0] += 30
        await caller(known)
        hub.hangs, hub.known = False, {}
        now[0] += 6
        assert await caller(known) is None

    asyncio.run(go())


def test_many_requests_of_one_page_ask_once(now: list[float]) -> None:
    async def go() -> None:
        hub = Hub()
        known = HubIdentity(hub, patience_s=PATIENCE_S)
        callers = await asyncio.gather(*(caller(known) for _ in range(50)))
        assert {one.name for one in callers} == {"ada"}
        assert hub.n_asked == 1

    asyncio.run(go())
