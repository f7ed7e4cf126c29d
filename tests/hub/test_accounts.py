"""Accounts: random passwords kept as scrypt hashes, in a file that nobody else can read."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from types import ModuleType

import pytest
from hub_fixtures import prepare
from traitlets.config import Config

from pipeline.annotation.session import Progress
from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role, make_account, read_accounts, write_accounts
from pipeline.hub.launch import alone, prepare_hub
from pipeline.hub.people import gather_people
from pipeline.hub.sockets import sockets_path
from pipeline.project.folder import Project


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
    with pytest.raises(ProjectError, match="a name takes"):
        make_account(name, [], [])


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


def test_the_service_alone_gets_the_keys_of_a_store_and_no_file_holds_them(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, config = tmp_path / "hub", Config()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    prepared = prepare(project, state, {"ada": [Role.ANNOTATORS]})
    assert prepared.environment["AWS_SECRET_ACCESS_KEY"] == "a-secret"
    monkeypatch.setenv("MLF_HUB_STATE", str(state))
    exec((state / "jupyterhub_config.py").read_text(), {"get_config": lambda: config})
    [service] = [each for each in config.JupyterHub.services if each["name"] == "mlf"]
    assert service["environment"].pop("AWS_SECRET_ACCESS_KEY") == "a-secret"
    assert "a-secret" not in str(config)
    assert not any("a-secret" in path.read_text(errors="replace") for path in state.rglob("*") if path.is_file())


def test_a_port_that_is_taken_changes_no_account(project: Project, tmp_path: Path) -> None:
    state = tmp_path / "hub"
    people = {"ada": [Role.ANNOTATORS]}
    prepare(project, state, people)
    before = (state / "private" / "accounts.json").read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for renew in ((), ("ada",)):
            with pytest.raises(ProjectError, match="is taken"):
                prepare_hub(
                    project,
                    people | {"ben": [Role.ANNOTATORS]},
                    state=state,
                    port=taken.getsockname()[1],
                    proxy_command=["proxy"],
                    share_account=True,
                    renew=renew,
                )
    assert (state / "private" / "accounts.json").read_text() == before


def test_a_folder_for_sockets_that_is_somebody_elses_is_not_used(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path(tempfile.mkdtemp(prefix="m"))
    monkeypatch.setattr("pipeline.hub.sockets.os.access", lambda *_: False)
    monkeypatch.setattr("tempfile.tempdir", str(short))
    state = tmp_path / "hub"
    valuables = tmp_path / "valuables" / "61184"
    valuables.mkdir(parents=True)
    sockets_path(state).symlink_to(valuables.parent)
    with pytest.raises(ProjectError, match="another account"):
        prepare(project, state, {"ada": [Role.ANNOTATORS]})
    assert valuables.exists()
    shutil.rmtree(short)


@pytest.mark.parametrize("temporary", ["/tmp", "/scratch/local/jobs/1234567/of/somebody"])
def test_the_path_of_a_socket_fits_wherever_temporary_files_lie(
    temporary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", temporary)
    monkeypatch.setattr("pipeline.hub.sockets.os.access", lambda *_: False)
    connection = sockets_path(tmp_path) / "65519" / f"kernel-{uuid.uuid4()}-ipc-5"
    assert len(os.fsencode(connection)) <= 107


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


def test_who_is_unnamed_gets_the_new_password_that_was_asked_for(project: Project, tmp_path: Path) -> None:
    first = prepare(project, tmp_path / "hub", {"tom": [Role.REVIEWERS]})
    second = prepare(project, tmp_path / "hub", {}, renew=["tom"])
    assert second.accounts["tom"].accepts(second.passwords["tom"])
    assert not second.accounts["tom"].accepts(first.passwords["tom"])
    assert second.accounts["tom"].roles == (Role.REVIEWERS,)


@pytest.mark.parametrize(
    ("people", "options", "message"),
    [
        ({}, {"remove": ["dan"]}, r"no account 'dan' to remove; known are ada, ben"),
        ({}, {"renew": ["dan"]}, r"no account 'dan' to give a new password; known are ada, ben"),
        ({"ada": [Role.ANNOTATORS]}, {"remove": ["ada"]}, "'ada' is to be removed, and to stay"),
        ({}, {"remove": ["ada"], "renew": ["ada"]}, "'ada' is to be removed, and to stay"),
    ],
)
def test_names_that_cannot_be_removed_or_renewed_change_nothing(
    project: Project, tmp_path: Path, people: dict[str, list[Role]], options: dict[str, list[str]], message: str
) -> None:
    prepare(project, tmp_path / "hub", {name: [Role.ANNOTATORS] for name in ("ada", "ben")})
    before = (tmp_path / "hub" / "private" / "accounts.json").read_bytes()
    with pytest.raises(ProjectError, match=message):
        prepare(project, tmp_path / "hub", people, **options)
    assert (tmp_path / "hub" / "private" / "accounts.json").read_bytes() == before


def test_a_uid_is_nobody_elses_while_its_home_folder_is_there(
    needs_root: None, project: Project, tmp_path: Path
) -> None:
    state = tmp_path / "hub"
    uid = prepare(project, state, {"adaéx": [Role.ANNOTATORS]}).accounts["adaéx"].uid
    home = state / "homes" / "ada%C3%A9x"  # as the spawner names it
    home.mkdir()
    os.chown(home, uid, uid)
    prepare(project, state, {}, remove=["adaéx"])
    assert prepare(project, state, {"ben": [Role.ANNOTATORS]}).accounts["ben"].uid != uid
    assert prepare(project, state, {"adaéx": [Role.ANNOTATORS]}).accounts["adaéx"].uid == uid


def test_people_of_two_hubs_of_a_machine_share_no_uid(project: Project, tmp_path: Path) -> None:
    first = prepare(project, tmp_path / "first", {"ada": [Role.ANNOTATORS]})
    second = prepare(project, tmp_path / "second", {"ada": [Role.ANNOTATORS]})
    assert first.accounts["ada"].uid != second.accounts["ada"].uid


def test_a_uid_under_which_something_runs_is_given_to_nobody(needs_root: None) -> None:
    uid = make_account("ada", [], [])[0].uid
    with subprocess.Popen(["/bin/sleep", "600"], user=uid) as process:
        assert make_account("ben", [], [])[0].uid != uid
        process.kill()


def test_tasks_that_the_removed_had_bring_no_account_back_and_new_work_does() -> None:
    done, begun = Progress(5, 5, 0, 0), Progress(5, 4, 0, 0)
    named = {Role.RESEARCHERS: ["maria"], Role.REFINERS: ["eve"]}
    tasks = {Role.ANNOTATORS: {"ada": begun, "ben": done, "eve": done}, Role.REFINERS: {"cleo": begun, "ben": begun}}
    everyone = {
        "ada": [Role.ANNOTATORS],
        "ben": [Role.ANNOTATORS, Role.REFINERS],
        "eve": [Role.ANNOTATORS, Role.REFINERS],
        "cleo": [Role.REFINERS],
        "maria": [Role.RESEARCHERS],
    }
    assert gather_people(named, tasks) == everyone
    left = gather_people(named, tasks, removed=["ada", "ben", "cleo", "eve", "maria"])
    assert left == {name: everyone[name] for name in ("ada", "eve", "maria")}


def test_who_has_work_or_is_named_is_not_removed_and_the_message_says_what_to_do(
    hub_benchmark: ModuleType, tmp_path: Path
) -> None:
    project = hub_benchmark.make_project(tmp_path, 1, ["ada", "ben"])

    def refusal(*options: str) -> str:
        command = ["hub", str(project.root), "--state", str(tmp_path / "hub"), *options]
        run = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", *command], capture_output=True, text=True, check=False
        )
        assert run.returncode == 2
        return " ".join(run.stderr.split())

    assert "named by both --remove and --researchers" in refusal("--remove", "researcher")
    told = refusal("--remove", "ben")
    assert "Undecided images of theirs: 1" in told
    assert f"mlf assign {project.root} --from ben --to" in told
    assert not (tmp_path / "hub").exists()
