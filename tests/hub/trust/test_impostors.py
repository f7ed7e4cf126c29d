"""Can anyone pose as a part of a hub that is away?"""

from __future__ import annotations

import json
import os
import signal
import socket
import textwrap
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest
from curious import AS_ROOT, hub_pid
from intruder import run_as, session_process, start_as
from serving import wait_until

from pipeline.hub.sockets import HubSockets, socket_url

pytestmark = AS_ROOT


def service_process(place: SimpleNamespace) -> psutil.Process | None:
    root = str(place.project.root.resolve())
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or [""]  # it may just have ended
        if command[-1] == root and "-c" in command[1:3]:
            return process
    return None


def answers(place: SimpleNamespace) -> bool:
    try:
        return httpx.get(place.hub.url + "services/mlf/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


#: Keeps trying to take addresses until it is stopped: by listening there, and by putting its own socket there.
SQUATTER = """
import json, os, socket, sys, urllib.parse
addresses = [urllib.parse.urlsplit(url) for url in ({urls},)]
taken = []
def attempt(family, address, *options):
    one = socket.socket(family)
    try:
        for option in options:
            one.setsockopt(socket.SOL_SOCKET, option, 1)
        one.bind(address)
        one.listen()
        taken.append(repr(address))
    except OSError:
        pass
    one.close()
def take(parts):
    if parts.scheme == "http+unix":
        path = urllib.parse.unquote(parts.netloc)
        folder = os.path.dirname(path)
        for change in (os.unlink, lambda p: os.rename(p, p + ".old"), lambda p: os.rename(folder, "/tmp/x")):
            try:
                change(path)
                taken.append("changed " + path)
            except OSError:
                pass
        attempt(socket.AF_UNIX, path)
    else:
        for options in ((), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,), (socket.SO_REUSEADDR, socket.SO_REUSEPORT)):
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ""), (socket.AF_INET6, "::1")):
                attempt(family, (host, parts.port), *options)
print("ready", flush=True)
while not os.path.exists({stop!r}) and not taken:
    for parts in addresses:
        take(parts)
print("RESULT" + json.dumps(taken))
"""


def squat(place: SimpleNamespace, disturb: Any, tmp_path: Path, *urls: str) -> list[str]:
    """Let Maria try to take addresses while `disturb` does its worst; returns what she could take."""
    tmp_path.chmod(0o755)
    stop = Path("/tmp") / f"stop-{os.getpid()}-{tmp_path.name}"
    squatter = start_as(place.hub, "maria", SQUATTER.format(urls=", ".join(urls), stop=str(stop)))
    try:
        assert squatter.stdout is not None
        assert squatter.stdout.readline() == "ready\n"
        disturb()
        stop.touch()
        printed, complaint = squatter.communicate(timeout=60)
        assert squatter.returncode == 0, complaint
        return json.loads(printed.split("RESULT", 1)[1])
    finally:
        squatter.kill()
        stop.unlink(missing_ok=True)


def test_nobody_takes_the_place_of_a_service_that_is_started_again(
    place: SimpleNamespace, people: dict[str, Any], tmp_path: Path
) -> None:
    def disturb() -> None:
        process = service_process(place)
        assert process is not None
        process.kill()
        wait_until(lambda: service_process(place) not in {None, process}, 180, lambda: "no service")
        wait_until(lambda: answers(place), 180, lambda: "no service")

    assert squat(place, disturb, tmp_path, "os.environ['MLF_SERVICE_URL']") == []


def test_nobody_takes_the_front_door_nor_the_hubs_own_while_a_hub_is_started_again(
    place: SimpleNamespace, people: dict[str, Any], tmp_path: Path
) -> None:
    def disturb() -> None:
        before = hub_pid(place)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: hub_pid(place) not in {0, before}, 180, lambda: "no hub")
        wait_until(lambda: answers(place), 180, lambda: "no hub")

    assert squat(place, disturb, tmp_path, repr(place.hub.url), "os.environ['JUPYTERHUB_API_URL']") == []
    assert people["ada"].client.get("user/ada/api").status_code == 200  # the session kept running


def test_nobody_takes_the_place_of_anothers_session(
    place: SimpleNamespace, people: dict[str, Any], tmp_path: Path
) -> None:
    url = session_process(place.hub, "ada").environ()["JUPYTERHUB_SERVICE_URL"]
    reached = socket_url(HubSockets(place.hub.sockets).reached(place.hub.accounts["ada"].uid))  # by Hub and proxy

    def disturb() -> None:
        session_process(place.hub, "ada").kill()
        wait_until(
            lambda: people["ada"].client.get("user/ada/api").status_code != 200, 180, lambda: "the session lives on"
        )

    assert squat(place, disturb, tmp_path, repr(url), repr(reached)) == []
    people["ada"].start_session()


def test_what_an_earlier_session_left_listening_is_not_taken_for_the_one_that_starts(
    place: SimpleNamespace, people: dict[str, Any]
) -> None:
    sockets, uid = HubSockets(place.hub.sockets), place.hub.accounts["ada"].uid
    session_process(place.hub, "ada").kill()
    wait_until(lambda: people["ada"].client.get("user/ada/api").status_code != 200, 180, lambda: "the session lives on")
    with socket.socket(socket.AF_UNIX) as left:
        sockets.session(uid).unlink(missing_ok=True)
        left.bind(str(sockets.session(uid)))
        os.chown(sockets.session(uid), uid, uid)
        left.listen()
        left.setblocking(False)
        people["ada"].start_session()
        assert people["ada"].client.get("user/ada/api").status_code == 200
        with pytest.raises(BlockingIOError):
            left.accept()


def test_a_sessions_second_name_is_given_back_when_something_has_cleaned_it_away(
    place: SimpleNamespace, people: dict[str, Any]
) -> None:
    sockets, uid = HubSockets(place.hub.sockets), place.hub.accounts["ada"].uid
    sockets.reached(uid).unlink()
    wait_until(sockets.reached(uid).exists, 180, lambda: "no second name")
    assert sockets.reached(uid).samefile(sockets.session(uid))
    assert people["ada"].client.get("user/ada/api").status_code == 200


def test_a_link_in_place_of_a_sessions_socket_leads_the_proxy_nowhere(
    place: SimpleNamespace, people: dict[str, Any]
) -> None:
    """The proxy may open any socket; what a researcher puts in place of theirs must not lead it to a closed one.

    The Hub cannot name it, either, and says so in its log with what it would need.
    """
    log, told = place.hub.state / "private" / "hub.log", "The server of maria cannot be given the name by which"
    own = str(HubSockets(place.hub.sockets).session(place.hub.accounts["maria"].uid))
    closed = place.project.root / "closed.sock"
    put = f"import os; os.rename({own!r}, {own!r} + 'et'); os.symlink({str(closed)!r}, {own!r}); print('RESULT1')"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}  # for these the proxy makes a connection of their own
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(closed))
        listening.listen()
        listening.setblocking(False)
        run_as(place.hub, "maria", put)
        try:
            with suppress(httpx.ReadTimeout):
                asking = {"headers": upgrade, "follow_redirects": False, "timeout": 60}
                answer = people["maria"].client.get("user/maria/api", **asking)
                assert answer.status_code == 200, answer.text  # her own server, by the name that she cannot change
            wait_until(lambda: told in log.read_text(), 120, lambda: log.read_text()[-2000:])
        finally:
            closed.unlink()
            run_as(place.hub, "maria", f"import os; os.rename({own!r} + 'et', {own!r}); print('RESULT1')")
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_vote_goes_to_nobody_but_the_hubs_own_account(place: SimpleNamespace, people: dict[str, Any]) -> None:
    """A socket with the right name, in a folder that was cleaned away and made again by somebody else."""
    code = """
        import http.server, json, os, socketserver, sys, tempfile
        folder = tempfile.mkdtemp(); os.chmod(folder, 0o755)
        path = folder + "/service.sock"
        got = []
        class Liar(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                got.append(self.headers["Authorization"])
                body = b'{"name": "ada", "groups": []}'
                self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
                self.wfile.write(body)
            def address_string(self): return ""
            def log_message(self, *args): pass
        server = socketserver.UnixStreamServer(path, Liar); os.chmod(path, 0o777)
        print(path, flush=True)
        server.timeout = 30
        server.handle_request()
        print("RESULT" + json.dumps(got))
    """
    liar = start_as(place.hub, "maria", textwrap.dedent(code))
    assert liar.stdout is not None
    path = liar.stdout.readline().strip()
    ask = (
        "import json, os; from pipeline.hub.sockets import socket_url; from pathlib import Path\n"
        "from pipeline.service.client import RemoteSession\n"
        f"url = socket_url(Path({path!r})) + {place.reports.removesuffix('/reports')!r}\n"
        "try:\n    answer = RemoteSession(url).annotator\n"
        "except Exception as error:\n    answer = str(error)\n"
        "print('RESULT' + json.dumps(answer))\n"
    )
    assert "answers in place of the annotation service" in run_as(place.hub, "ada", ask)
    assert json.loads(liar.communicate(timeout=60)[0].split("RESULT", 1)[1]) == []
