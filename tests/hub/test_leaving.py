"""A real JupyterHub that is killed: anyone who then gets a new password or is removed keeps no session and no token."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest
from hub_fixtures import fetch
from intruder import session_process
from serving import wait_until

from pipeline.hub.leftovers import LeftServer, end_left_over, end_servers

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]


@contextmanager
def mlf_hub(project: Path, state: Path, proxy: str, *options: str) -> Iterator[SimpleNamespace]:
    """Run `mlf hub`; yields what it printed, the address and passwords in that, and its process."""
    environment = os.environ | {"PATH": f"{Path(proxy).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-u", "-m", "pipeline.cli", "hub", str(project), "--state", str(state), "--port", "0"]
    with subprocess.Popen([*command, *options], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = ""
        while "Log in at" not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        found = re.search(r"http://\S+", printed)
        assert found
        passwords = dict(re.findall(r"^  (\S+) +(\w{4}-\w{4}-\w{4}-\w{4})  \(", printed, re.MULTILINE))
        hub = SimpleNamespace(url=found[0], passwords=passwords, printed=printed, process=process, state=state)
        try:
            wait_until(lambda: answers(hub.url), 180, lambda: (state / "private" / "hub.log").read_text()[-4000:])
            yield hub
        finally:
            process.send_signal(signal.SIGINT)


def answers(url: str) -> bool:
    try:
        return httpx.get(url + "hub/health", verify=False).status_code == 200  # plain HTTP: no certificates to read
    except httpx.TransportError:
        return False


def kill(hub: SimpleNamespace) -> None:
    """Kill `mlf hub` and its Hub, so that neither has time to end the sessions."""
    its_hub = psutil.Process(int((hub.state / "private" / "hub.pid").read_text()))
    its_hub.suspend()
    hub.process.kill()
    its_hub.kill()
    hub.process.wait(60)
    wait_until(lambda: not answers(hub.url) and not its_hub.is_running(), 60, lambda: "the Hub lives on")


def begin(person: Any) -> list[str]:
    """Log in and start a session; returns its token, and a researcher's own, which pretends to be a session's."""
    person.log_in()
    person.start_session()
    if person.name == "maria":
        person.new_kernel()
    else:
        person.client.get(f"user/{person.name}/voila/render/2_annotate.ipynb", timeout=240)  # this starts a kernel
    token = session_process(person.hub, person.name).environ()["JUPYTERHUB_API_TOKEN"]
    made = person.client.post(
        f"hub/api/users/{person.name}/tokens",
        json={"note": f"Server at /user/{person.name}/"},
        headers={"X-XSRFToken": person._token("/hub/"), "Referer": person.hub.url + "hub/token"},
    )
    return [token, made.json()["token"]] if person.name == "maria" else [token]


def processes_of(state: Path, name: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == str(state / "homes" / name):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_a_new_password_and_a_removal_end_what_outlived_a_killed_hub(
    hub_benchmark: ModuleType, hub_folder: Path, proxy: str
) -> None:
    folder = hub_folder / "leaving"
    folder.mkdir(mode=0o711)
    state = folder / "hub"
    project = hub_benchmark.make_project(folder, 4, ["ada", "ben"]).root
    try:
        with mlf_hub(project, state, proxy, "--researchers", "maria") as hub:
            assert set(hub.passwords) == {"ada", "ben", "maria", "reviewer"}
            people = {name: hub_benchmark.Person(hub, name) for name in ("ada", "ben", "maria")}
            with ThreadPoolExecutor() as threads:
                tokens = dict(zip(people, threads.map(begin, people.values()), strict=True))
            kill(hub)
        assert all(len(processes_of(state, name)) >= 2 for name in people)  # a server and its kernel
        bens = {process.pid for process in processes_of(state, "ben")}
        changes = ("--new-password", "ada", "--remove", "maria", "--researchers", "tom")
        with mlf_hub(project, state, proxy, *changes) as hub:
            assert set(hub.passwords) == {"ada", "tom"}
            assert (
                f"Removed: maria. Votes stay in the store, the home folder at {state / 'homes' / 'maria'}"
                in hub.printed
            )
            assert (state / "homes" / "maria").is_dir()
            assert not processes_of(state, "ada")
            assert not processes_of(state, "maria")
            assert bens <= {process.pid for process in processes_of(state, "ben")}

            def asked(token: str) -> int:
                headers = {"Authorization": f"token {token}"}
                url = hub.url + "services/mlf/api/rounds/annotation/open"
                # A request that comes before the service has started waits at its socket, which its keeper holds.
                return fetch(url, headers=headers).status_code

            wait_until(lambda: asked(tokens["ben"][0]) == 200, 90, lambda: "the service does not answer")
            assert [asked(token) for name in ("ada", "maria") for token in tokens[name]] == [401] * 3
            landed = {
                name: fetch(hub.url + "hub/home", cookies=person.client.cookies.jar, follow_redirects=True).url.path
                for name, person in people.items()
            }
            assert {name: path.rpartition("/")[2] for name, path in landed.items()} == {
                "ada": "login",
                "maria": "login",
                "ben": "home",
            }
            for name in ("ada", "maria"):
                assert hub_benchmark.Person(hub, name).log_in(people[name].hub.passwords[name]).status_code == 403
            ada = hub_benchmark.Person(hub, "ada")
            ada.log_in()
            ada.start_session()
        assert hub.process.wait(60) == 0
    finally:
        if (state / "private").exists():
            end_left_over(state)
        end_servers([LeftServer(name, state / "homes" / name) for name in ("ada", "ben", "maria")])
