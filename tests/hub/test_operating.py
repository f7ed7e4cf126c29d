"""What an operator does with a running hub: watching it, copying it, letting idle sessions end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace

import httpx
import psutil
import pytest
import yaml
from hub_fixtures import SOURCE_ROOT, fetch
from prometheus_client.parser import text_string_to_metric_families
from serving import wait_until
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.hub.accounts import FIRST_UID, read_accounts
from pipeline.hub.backup import back_up_hub, restore_hub
from pipeline.project.folder import open_project
from pipeline.project.notices import notices_to

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]

MONITORING = SOURCE_ROOT / "deploy" / "monitoring"


def monitor_token(hub: SimpleNamespace) -> str:
    path = hub.state / "private" / "monitor_token"
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text()


def names_in_dashboard() -> set[str]:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return {name for text in asked for name in re.findall(r"\b(?:mlf|jupyterhub)_\w+", text)}


def test_every_metric_of_the_dashboard_is_exported_to_the_token_for_prometheus(
    hub_benchmark: ModuleType, running: SimpleNamespace
) -> None:
    cleo = hub_benchmark.Person(running.hub, "cleo")
    cleo.log_in()
    cleo.start_session()  # a spawn, a save and a refusal: counters with labels appear when something is counted
    asyncio.run(_open_and_save(hub_benchmark, cleo))
    headers = {"Authorization": f"token {monitor_token(running.hub)}"}
    assert fetch(f"{running.hub.url}services/mlf/metrics").status_code == 401
    exported = set()
    for job in yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"]:
        path = re.sub(r"^/birds-3f2a/", "", job["metrics_path"])
        answer = fetch(running.hub.url + path, headers=headers)
        assert answer.status_code == 200, answer.text
        for family in text_string_to_metric_families(answer.text):
            exported |= {sample.name for sample in family.samples}
            assert not any("cleo" in str(sample.labels) for sample in family.samples), "metrics name nobody"
    named = names_in_dashboard()
    assert len(named) >= 10
    assert named <= exported


async def _open_and_save(tools: ModuleType, person: SimpleNamespace) -> None:
    link = tools.WidgetLink(person.client, tools.PAGE.format(name=person.name))
    await link.open()
    info = await link.request("open")
    task = (await link.request("tasks", positions=[0]))[0]
    label = task["proposals"][0]["class_index"]
    (result,) = await link.request("save", events=[tools.vote_message(info, task, label)])
    assert result["seq"] is not None
    link.close()


def test_the_token_for_prometheus_opens_nothing_else(running: SimpleNamespace) -> None:
    headers = {"Authorization": f"token {monitor_token(running.hub)}"}
    closed = (
        "services/mlf/api/rounds/annotation/open",
        "services/mlf/api/rounds/annotation/board",
        "services/mlf/reports",
        "hub/api/users",
        "hub/api/users/cleo",
        "user/cleo/api/status",
    )
    assert {path: fetch(running.hub.url + path, headers=headers).status_code for path in closed} == dict.fromkeys(
        closed, 403
    )


def test_a_backup_taken_meanwhile_brings_back_accounts_log_ins_and_home_folders(
    hub_benchmark: ModuleType, running: SimpleNamespace, hub_folder: Path, proxy: str
) -> None:
    maria = hub_benchmark.Person(running.hub, "maria")
    maria.log_in()
    maria.start_session()
    home = running.hub.state / "homes" / "maria"
    (home / "notes.txt").write_text("what I found")
    (home / "link").unlink(missing_ok=True)
    (home / "link").symlink_to(
        running.hub.state / "private" / "cookie_secret"
    )  # it must stay a link that leads nowhere
    place = hub_folder / "elsewhere"
    place.mkdir(mode=0o711)
    state = place / "hub"
    for words in (
        ["backup", str(running.project.root), str(place / "copy"), "--hub", str(running.hub.state)],
        ["restore", str(place / "copy"), str(place / "project"), "--hub", str(state)],
    ):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
    assert not (place / "project" / "hub-state").exists()
    assert (place / "copy" / "hub-state").stat().st_mode & 0o077 == 0
    assert (state / "private").stat().st_mode & 0o077 == 0
    assert read_accounts(state / "private" / "accounts.json") == read_accounts(
        running.hub.state / "private" / "accounts.json"
    )
    assert (state / "homes" / "maria" / "notes.txt").read_text() == "what I found"
    assert (state / "homes" / "maria" / "link").is_symlink()
    assert (state / "homes" / "maria").stat().st_uid == home.stat().st_uid
    again = CliRunner().invoke(app, ["restore", str(place / "copy"), str(place / "second"), "--hub", str(state)])
    assert again.exit_code == 2
    assert "exists already" in again.output
    project = open_project(place / "project")
    people = {name: list(account.roles) for name, account in running.hub.accounts.items()}
    with hub_benchmark.running_hub(project, people, state, proxy) as hub:
        assert not hub.passwords, "everybody keeps their password"
        before, now = httpx.URL(running.hub.url), httpx.URL(hub.url)
        assert now.path == before.path, "addresses stay, but for the port"
        answer = fetch(f"{hub.url}hub/home", cookies=maria.client.cookies.jar, follow_redirects=True)
        assert answer.url == f"{hub.url}hub/home", "who was logged in still is"


@pytest.mark.parametrize("mode", [0o700, 0, 0o300, 0o600])
def test_no_home_folder_stops_or_swells_a_backup(hub_folder: Path, mode: int) -> None:
    """What its owner has closed is left out and told; what takes no room there takes none in the copy."""
    place = hub_folder / f"odd-{mode:o}"
    home, back = (place / state / "homes" / "maria" for state in ("hub", "back"))
    for folder in (place / "hub" / "private", home / "closed"):
        folder.mkdir(parents=True)
    for folder in (place, place / "hub", place / "hub" / "homes"):
        folder.chmod(0o711)
    (place / "hub" / "private" / "accounts.json").write_text("{}")
    for name, closed in (("notes.txt", 0o600), ("vast", 0o600), ("secret", 0), ("closed", 0)):
        path = home / name
        if name != "closed":
            path.write_text("what I found")
        path.chmod(closed)
    os.truncate(home / "vast", 2**30)
    if os.geteuid() == 0:
        for path in (home, *home.iterdir()):
            os.chown(path, FIRST_UID, FIRST_UID)
    home.chmod(mode)
    told: list[str] = []
    try:
        with notices_to(told.append):
            back_up_hub(place / "hub", place / "copy")
        assert all(word in "".join(told) for word in ("maria", "secret", "closed"))
        assert (place / "copy" / "homes" / "maria.tar").stat().st_size < 100_000
        restore_hub(place / "copy", place / "back")
        assert (back / "notes.txt").read_text() == "what I found"
        assert (back / "vast").stat().st_size == 2**30
        assert (back / "vast").stat().st_blocks < 100
    finally:
        for folder in (home, home / "closed", back / "closed"):
            if folder.exists():
                folder.chmod(0o700)  # or it could not be removed


def test_who_backs_up_is_told_how_much_cannot_be_read_and_nothing_of_what_is_usual(
    hub_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = hub_folder / "much"
    home = place / "hub" / "homes" / "maria"
    for folder in (place / "hub" / "private", home):
        folder.mkdir(parents=True)
    for folder in (place, place / "hub", place / "hub" / "homes"):
        folder.chmod(0o711)
    with monkeypatch.context() as there, socket.socket(socket.AF_UNIX) as listening:
        there.chdir(home)  # a socket's path must be short
        listening.bind("a.sock")
    for number in range(40):
        (home / f"{'long' * 30}{number}").touch(mode=0)
    if os.geteuid() == 0:
        for path in (home, *home.iterdir()):
            os.chown(path, FIRST_UID, FIRST_UID)
    told: list[str] = []
    with notices_to(told.append):
        back_up_hub(place / "hub", place / "copy")
    [notice] = told
    assert "and 35 more lines" in notice
    assert notice.count("Cannot open") == 5
    assert "a.sock" not in notice


def test_a_session_that_nobody_uses_ends_and_its_owner_goes_on_where_they_were(
    hub_benchmark: ModuleType, running: SimpleNamespace
) -> None:
    """The hub's own command, with its own rights, but with another patience: all sessions are idle for long enough."""
    cleo = hub_benchmark.Person(running.hub, "cleo")
    cleo.log_in()
    cleo.start_session()
    asyncio.run(_open_and_save(hub_benchmark, cleo))
    found: list[psutil.Process] = []

    def is_found() -> bool:
        found.extend(process for process in psutil.process_iter() if _is_culler_of(process, running.hub.port))
        return bool(found)

    wait_until(is_found, 90, lambda: "nothing ends idle sessions")
    culler = found[0]
    assert "--timeout=3600" in culler.cmdline()
    command = [word if not word.startswith("--timeout") else "--timeout=1" for word in culler.cmdline()]
    with subprocess.Popen([*command, "--cull-every=1"], env=culler.environ(), stderr=subprocess.DEVNULL) as impatient:
        gone = running.hub.url + "user/cleo/api"
        wait_until(lambda: fetch(gone).status_code != 200, 90, lambda: "the session lives on")
        impatient.terminate()
    cleo.start_session()
    asyncio.run(_find_done(hub_benchmark, cleo))


def _is_culler_of(process: psutil.Process, port: int) -> bool:
    try:
        words = process.cmdline()
        own = f":{port}/" in process.environ().get("JUPYTERHUB_API_URL", "")
    except psutil.Error:
        return False
    return own and "jupyterhub_idle_culler" in words and "pipeline.hub.keeper" not in words


async def _find_done(tools: ModuleType, person: SimpleNamespace) -> None:
    link = tools.WidgetLink(person.client, tools.PAGE.format(name=person.name))
    await link.open()
    assert (await link.request("open"))["progress"]["n_done"] >= 1
    link.close()
