"""What would outlive a password or an account, and does not: log-ins, sessions, what the Hub keeps of a person."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub_fixtures import prepare

from pipeline.hub.accounts import Role, read_accounts, read_removed
from pipeline.project.folder import Project


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
    assert tokens["ada"] == []  # anybody can give a token a note that says it is a session's
    assert len(tokens["ben"]) == 3


@pytest.fixture
def outliving() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts a stand-in for a session's process, with the environment that the Hub gives one."""
    processes = []

    def start(name: str, home: Path) -> subprocess.Popen[bytes]:
        environment = os.environ | {"JUPYTERHUB_USER": name, "HOME": str(home)}
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env=environment)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(timeout=60 if process.poll() is None else 0) != 0
    except subprocess.TimeoutExpired:
        return False


@pytest.mark.parametrize("change", ["renew", "remove"])
def test_a_session_that_outlived_its_hub_ends_and_no_other(
    project: Project, tmp_path: Path, outliving: Callable[..., subprocess.Popen[bytes]], change: str
) -> None:
    from jupyterhub import orm

    state = tmp_path / "state"
    prepare(project, state, {name: [Role.ANNOTATORS] for name in ("ada", "ben", "cleo")})
    homes = {name: state / "homes" / name for name in ("ada", "ben", "cleo")}
    homes["ada"].mkdir()
    kernel, bens = (outliving(name, homes[name]) for name in ("ada", "ben"))
    elsewhere = outliving("ada", tmp_path)  # under another spawner: known only by its number and name
    of_another_hub = outliving("ada", tmp_path)
    with orm.new_session_factory(f"sqlite:///{state / 'private' / 'hub.sqlite'}")() as hub:
        for name, pid in (("ada", elsewhere.pid), ("cleo", bens.pid)):  # Cleo's has ended, and Ben's has its number
            user = orm.User(name=name)
            server = orm.Server(ip="127.0.0.1", port=1)
            hub.add(orm.Spawner(user=user, name="", state={"pid": pid}, server=server))
        hub.commit()
    people = {"ben": [Role.ANNOTATORS]}
    prepare(project, state, people, **{change: ["ada", "cleo"]})
    assert has_ended(kernel)
    assert has_ended(elsewhere)
    assert bens.poll() is None
    assert of_another_hub.poll() is None
    with orm.new_session_factory(f"sqlite:///{state / 'private' / 'hub.sqlite'}")() as hub:
        assert not [spawner for spawner in hub.query(orm.Spawner) if spawner.server or spawner.state]
        assert not hub.query(orm.Server).all()


def test_who_is_removed_is_nobody_to_the_hub(project: Project, tmp_path: Path) -> None:
    from jupyterhub import orm

    state = tmp_path / "state"
    first = prepare(project, state, {name: [Role.ANNOTATORS] for name in ("ada", "ben")})
    assert first.unnamed == ()
    (state / "homes" / "ada").mkdir()
    open_hub = orm.new_session_factory(f"sqlite:///{state / 'private' / 'hub.sqlite'}")
    with open_hub() as hub:
        for name in ("ada", "ben"):
            user = orm.User(name=name)
            hub.add(orm.APIToken(user=user, note="Requested via token page"))
            client = orm.OAuthClient(identifier=f"jupyterhub-user-{name}")
            hub.add(orm.Spawner(user=user, name="", oauth_client=client))
            hub.add(orm.OAuthCode(user=user, client=client, code="code"))
            hub.add(orm.Group(name=f"friends-of-{name}", users=[user]))
        hub.commit()
    second = prepare(project, state, {"ben": [Role.ANNOTATORS]}, remove=["ada"])
    assert set(second.accounts) == set(read_accounts(state / "private" / "accounts.json")) == {"ben"}
    assert second.kept_homes == {"ada": state / "homes" / "ada"}
    assert second.kept_homes["ada"].is_dir()
    assert read_removed(state / "private" / "accounts.json") == ("ada",)
    with open_hub() as hub:
        assert [user.name for user in hub.query(orm.User)] == ["ben"]
        assert [token.user.name for token in hub.query(orm.APIToken)] == ["ben"]
        assert [spawner.user.name for spawner in hub.query(orm.Spawner)] == ["ben"]
        assert [code.user.name for code in hub.query(orm.OAuthCode)] == ["ben"]
        assert [client.identifier for client in hub.query(orm.OAuthClient)] == ["jupyterhub-user-ben"]
    third = prepare(project, state, {})
    assert (set(third.accounts), third.unnamed) == ({"ben"}, ("ben",))
    assert read_removed(state / "private" / "accounts.json") == ("ada",)
    prepare(project, state, {"ada": [Role.REVIEWERS]})
    assert read_removed(state / "private" / "accounts.json") == ()
