"""Accounts: random passwords kept as scrypt hashes, in a file that nobody else can read."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role, make_account, read_accounts, write_accounts
from pipeline.hub.authenticator import AccountsAuthenticator
from pipeline.hub.launch import alone, prepare_hub
from pipeline.labelspace import label_space_from_keys
from pipeline.project import Project, create_project
from pipeline.settings import Settings


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return create_project(tmp_path / "project", Settings(), label_space_from_keys(["a", "b"]))


def test_an_account_takes_its_own_password_and_no_other() -> None:
    account, password = make_account("ada", [Role.ANNOTATORS], [])
    _, another = make_account("ada", [Role.ANNOTATORS], [])
    assert account.accepts(password)
    assert not account.accepts(another)
    assert not account.accepts("")


def test_the_file_holds_a_scrypt_hash_and_not_the_password(tmp_path: Path) -> None:
    account, password = make_account("ada", [Role.ANNOTATORS], [])
    path = tmp_path / "accounts.json"
    write_accounts({"ada": account}, path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert password not in path.read_text()
    row = json.loads(path.read_text())["accounts"][0]
    expected = hashlib.scrypt(password.encode(), salt=bytes.fromhex(row["salt"]), n=2**15, r=8, p=1, maxmem=2**26)
    assert row["hash"] == expected.hex()
    assert read_accounts(path) == {"ada": account}


def test_accounts_that_others_could_read_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    write_accounts({}, path)
    path.chmod(0o644)
    with pytest.raises(ProjectError, match="chmod 600"):
        read_accounts(path)


@pytest.mark.parametrize("name", ["", "a/b", "../root", "..", ".", " ada", "a\nb", "a,b", "x" * 101])
def test_a_name_that_is_no_login_name_is_refused(name: str) -> None:
    with pytest.raises(ProjectError, match="account name"):
        make_account(name, [], [])


def prepare(project: Project, state: Path, people: dict[str, list[Role]], **options: object):
    return prepare_hub(project, people, state=state, port=0, proxy_command=["proxy"], share_account=True, **options)


def test_passwords_are_given_out_once_and_stay_the_same_after(project: Project, tmp_path: Path) -> None:
    people = {"ada": [Role.ANNOTATORS], "tom": [Role.REVIEWERS]}
    first = prepare(project, tmp_path / "hub", people)
    second = prepare(project, tmp_path / "hub", people | {"ben": [Role.ANNOTATORS]})
    assert set(first.passwords) == {"ada", "tom"}
    assert set(second.passwords) == {"ben"}
    assert second.accounts["ada"].accepts(first.passwords["ada"])
    assert len({account.uid for account in second.accounts.values()}) == 3


def test_a_forgotten_password_is_replaced_and_the_uid_stays(project: Project, tmp_path: Path) -> None:
    first = prepare(project, tmp_path / "hub", {"ada": [Role.ANNOTATORS]})
    second = prepare(project, tmp_path / "hub", {"ada": [Role.ANNOTATORS]}, renew=["ada"])
    assert not second.accounts["ada"].accepts(first.passwords["ada"])
    assert second.accounts["ada"].accepts(second.passwords["ada"])
    assert second.accounts["ada"].uid == first.accounts["ada"].uid


def test_a_hub_that_runs_keeps_its_accounts(project: Project, tmp_path: Path) -> None:
    prepare(project, tmp_path / "hub", {"ada": [Role.ANNOTATORS]})
    before = read_accounts(tmp_path / "hub" / "private" / "accounts.json")
    with alone(tmp_path / "hub"), pytest.raises(ProjectError, match="running already"):
        prepare(project, tmp_path / "hub", {"ben": [Role.ANNOTATORS]}, renew=["ada"])
    assert read_accounts(tmp_path / "hub" / "private" / "accounts.json") == before


def test_a_hub_that_starts_again_keeps_its_inner_ports(project: Project, tmp_path: Path) -> None:
    def ports() -> list[int]:
        hub = json.loads((tmp_path / "hub" / "private" / "hub.json").read_text())
        return [hub[name] for name in ("hub_port", "proxy_port", "service_port")]

    prepare(project, tmp_path / "hub", {})
    before = ports()
    prepare(project, tmp_path / "hub", {})
    assert ports() == before


def test_secrets_lie_in_a_folder_that_is_closed_to_others(project: Project, tmp_path: Path) -> None:
    prepare(project, tmp_path / "hub", {"ada": [Role.ANNOTATORS]})
    assert (tmp_path / "hub" / "private").stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "project").rglob("accounts*"))


def test_an_administrators_own_configuration_is_kept(project: Project, tmp_path: Path) -> None:
    prepare(project, tmp_path / "hub", {})
    config = tmp_path / "hub" / "jupyterhub_config.py"
    config.write_text(config.read_text() + "\nc.JupyterHub.active_server_limit = 5\n")
    prepare(project, tmp_path / "hub", {})
    assert "active_server_limit = 5" in config.read_text()


def test_who_loses_a_role_loses_the_hubs_group(project: Project, tmp_path: Path) -> None:
    from jupyterhub import orm
    from jupyterhub.app import JupyterHub

    state = tmp_path / "state"
    url = f"sqlite:///{state / 'private' / 'hub.sqlite'}"

    async def start(groups: dict[str, list[str]]) -> dict[str, set[str]]:
        app = JupyterHub(
            db_url=url,
            load_groups={name: {"users": users} for name, users in groups.items()},
            authenticator_class="pipeline.hub.authenticator.AccountsAuthenticator",
        )
        app.init_db()
        await app.init_role_creation()
        app.authenticator = app.authenticator_class(parent=app)
        await app.init_groups()
        return {user.name: {group.name for group in user.groups} for user in app.db.query(orm.User)}

    prepare(project, state, {"ada": [Role.ANNOTATORS, Role.RESEARCHERS], "ben": [Role.ANNOTATORS]})
    both = {"annotators": ["ada", "ben"]}
    assert asyncio.run(start(both | {"researchers": ["ada"]}))["ada"] == {"annotators", "researchers"}
    prepare(project, state, {"ada": [Role.ANNOTATORS], "ben": [Role.ANNOTATORS]})
    assert asyncio.run(start(both)) == {"ada": {"annotators"}, "ben": {"annotators"}}


def test_a_new_password_ends_the_old_ones_log_ins(project: Project, tmp_path: Path) -> None:
    from jupyterhub import orm

    people = {name: [Role.ANNOTATORS] for name in ("ada", "ben")}
    prepare(project, tmp_path / "state", people)
    open_hub = orm.new_session_factory(f"sqlite:///{tmp_path / 'state' / 'private' / 'hub.sqlite'}")
    with open_hub() as hub:
        hub.add_all([orm.User(name=name) for name in people])
        hub.commit()
        cookies = {user.name: user.cookie_id for user in hub.query(orm.User)}
        for user in hub.query(orm.User):
            for note in (f"Server at /user/{user.name}/", "Requested via token page", ""):
                hub.add(orm.APIToken(user=user, note=note))
        hub.commit()
    prepare(project, tmp_path / "state", people, renew=["ada"])
    with open_hub() as hub:
        kept = {user.name: user.cookie_id for user in hub.query(orm.User)}
        tokens = {user.name: sorted(token.note for token in user.api_tokens) for user in hub.query(orm.User)}
    assert kept["ada"] != cookies["ada"]
    assert kept["ben"] == cookies["ben"]
    assert tokens["ada"] == ["Server at /user/ada/"]
    assert len(tokens["ben"]) == 3


@pytest.fixture
def login(tmp_path: Path) -> Iterator[Callable[[str, str], Awaitable[str | None]]]:
    account, _ = make_account("ada", [Role.ANNOTATORS], [])
    right = replace(account, password_hash="right")
    write_accounts({"ada": right}, tmp_path / "accounts.json")
    authenticator = AccountsAuthenticator(accounts_path=str(tmp_path / "accounts.json"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.hub.accounts._hash", lambda password, _salt: password)  # scrypt takes its time
        yield lambda name, password: authenticator.authenticate(None, {"username": name, "password": password})


def test_guesses_sent_all_at_once_are_counted_like_others(login: Callable[[str, str], Awaitable[str | None]]) -> None:
    async def guess() -> list[str | None]:
        return await asyncio.gather(*(login("ada", "wrong") for _ in range(20)), *(login("ada", "right"),))

    assert asyncio.run(guess())[-1] is None


def test_made_up_names_do_not_switch_the_counting_off(
    login: Callable[[str, str], Awaitable[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.hub.authenticator._MAX_NAMES", 30)

    async def guess() -> str | None:
        for i in range(40):
            await login(f"nobody-{i}", "wrong")
        for _ in range(10):
            await login("ada", "wrong")
        return await login("ada", "right")

    assert asyncio.run(guess()) is None
