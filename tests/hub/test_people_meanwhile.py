"""A real hub whose people change while it runs: who joins can log in, who leaves is logged out, nobody else notices."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hub_fixtures import fetch
from intruder import session_process
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.hub.accounts import Role, read_accounts
from pipeline.hub.config_file import PEOPLE_FILE
from pipeline.hub.projects import HubProject
from pipeline.hub.running import change_people, is_running

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]

ROW = re.compile(r"^  (\S+) +(\w{4}-\w{4}-\w{4}-\w{4})  \(", re.MULTILINE)


@pytest.fixture
def mlf_hub(running: SimpleNamespace, tmp_path: Path) -> Callable[..., str]:
    """Return a function that gives the command of the running hub once more; its projects are told apart by folders."""
    fish, finch = tmp_path / "fish", tmp_path / "finch"
    shutil.copytree(running.fish.root, fish)
    shutil.copytree(running.light.root, finch)

    def give(*options: str, code: int = 0) -> str:
        roots = [str(running.project.root), str(fish), str(finch)]
        words = ["hub", *roots, "--state", str(running.hub.state), *options]
        done = CliRunner().invoke(app, words)
        assert done.exit_code == code, done.output
        return done.output

    return give


def asked(hub: SimpleNamespace, token: str) -> int:
    headers = {"Authorization": f"token {token}"}
    return fetch(f"{hub.url}hub/api/user", headers=headers).status_code


def test_who_joins_can_log_in_at_once_and_who_leaves_is_logged_out_at_once(
    hub_benchmark: ModuleType, running: SimpleNamespace, mlf_hub: Callable[..., str]
) -> None:
    hub = running.hub
    ada = hub_benchmark.Person(hub, "Ada")
    ada.log_in()
    before = read_accounts(hub.state / "private" / "accounts.json")
    joined = dict(ROW.findall(mlf_hub("--annotators", "project:gus", "--reviewers", "fish:gus,pia")))
    assert set(joined) == {"gus"}
    now = read_accounts(hub.state / "private" / "accounts.json")
    assert (now["gus"].roles, dict(now["gus"].further)) == ((Role.ANNOTATORS,), {"fish": (Role.REVIEWERS,)})
    # Whoever is named loses nothing; without a project, they are named for all.
    assert set(now["pia"].roles) == {Role.ANNOTATORS, Role.REVIEWERS}
    assert set(now["pia"].further) == {"fish", "finch"}
    assert {name: now[name] for name in before if name != "pia"} == {
        name: account for name, account in before.items() if name != "pia"
    }
    gus = hub_benchmark.Person(hub, "gus")
    gus.log_in(joined["gus"])
    gus.start_session()
    assert gus.client.get("services/mlf-fish/reports").status_code == 200
    people = {"Authorization": f"token {(hub.state / 'private' / PEOPLE_FILE).read_text()}"}
    assert fetch(f"{hub.url}hub/api/users/gus", headers=people).json()["servers"], "so its end can be waited for"
    token = session_process(hub, "gus").environ()["JUPYTERHUB_API_TOKEN"]
    assert asked(hub, token) == 200

    renewed = dict(ROW.findall(mlf_hub("--new-password", "gus")))
    assert set(renewed) == {"gus"}
    assert asked(hub, token) == 403
    assert "hub/login" in str(gus.client.get("hub/home").url)
    with pytest.raises(LookupError):
        session_process(hub, "gus")
    assert hub_benchmark.Person(hub, "gus").log_in(joined["gus"]).status_code == 403
    gus = hub_benchmark.Person(hub, "gus")
    assert gus.log_in(renewed["gus"]).status_code == 200
    assert gus.client.get("services/mlf-fish/reports").status_code == 200  # their roles are as before

    assert "Removed: gus" in mlf_hub("--remove", "gus")
    assert "hub/login" in str(gus.client.get("hub/home").url)
    assert hub_benchmark.Person(hub, "gus").log_in(renewed["gus"]).status_code == 403
    assert "Removed already" in mlf_hub("--remove", "gus")
    assert "hub/login" not in str(ada.client.get("hub/home").url), "nobody else notices"


def test_what_left_its_session_is_named_when_its_owner_is_removed(
    running: SimpleNamespace, mlf_hub: Callable[..., str], needs_root: None
) -> None:
    mlf_hub("--researchers", "hedi", "--annotators", "ian")
    accounts = read_accounts(running.hub.state / "private" / "accounts.json")
    with subprocess.Popen(["/bin/sleep", "600"], user=accounts["hedi"].uid, env={}) as left:
        told = " ".join(mlf_hub("--remove", "hedi,ian").split())
        assert left.poll() is None
        left.kill()
    assert (
        f"Still running under the number of hedi's account, {accounts['hedi'].uid}: {left.pid} /bin/sleep 600" in told
    )
    assert f"pkill -U {accounts['hedi'].uid}" in told
    assert "A stage that hedi started on the board goes on" in told
    assert "ian's account" not in told


def test_people_of_other_projects_or_of_an_earlier_version_are_not_changed(
    running: SimpleNamespace, mlf_hub: Callable[..., str], tmp_path: Path
) -> None:
    hub = running.hub
    accounts = (hub.state / "private" / "accounts.json").read_bytes()
    words = ["hub", str(running.project.root), "--state", str(hub.state), "--annotators", "gus"]
    alone = CliRunner().invoke(app, words)
    assert alone.exit_code == 2
    assert "this hub is running, and serves: project, project, project" in " ".join(alone.output.split())
    assert "no account 'nobody' to remove" in mlf_hub("--remove", "nobody", code=2)
    token = hub.state / "private" / PEOPLE_FILE
    token.rename(tmp_path / "token")
    try:
        assert "started by an earlier version" in " ".join(mlf_hub("--annotators", "gus", code=2).split())
    finally:
        (tmp_path / "token").rename(token)
    assert (hub.state / "private" / "accounts.json").read_bytes() == accounts
    assert is_running(hub.state)
    assert not is_running(tmp_path)


def test_what_was_cut_off_before_the_hub_was_told_is_finished_by_the_next_command(
    hub_benchmark: ModuleType, running: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = running.hub
    others = [HubProject("fish", "", running.fish, {}), HubProject("finch", "", running.light, {})]
    projects = [HubProject("", "", running.project, {"hal": [Role.REVIEWERS]}), *others]
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.hub.running._Hub.take_in", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            change_people(projects, state=hub.state)
    password = change_people(projects, state=hub.state, renew=["hal"]).passwords["hal"]
    hal = hub_benchmark.Person(hub, "hal")
    assert str(hal.log_in(password).url).endswith("services/mlf/reports")
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.hub.running._Hub.forget", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            change_people([HubProject("", "", running.project, {}), *others], state=hub.state, remove=["hal"])
    assert hub_benchmark.Person(hub, "hal").log_in(password).status_code == 403, "the account is gone already"
    change_people([HubProject("", "", running.project, {}), *others], state=hub.state)
    assert "hub/login" in str(hal.client.get("hub/home").url)
