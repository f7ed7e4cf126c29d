"""A real hub with curious people: can anyone pose as a part that is away, or make a page act for somebody else?"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from hub_fixtures import TOKEN_CACHE_S, configure
from intruder import run_as, session_process, start_as
from playwright.sync_api import Browser, Page
from serving import wait_until
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.hub.accounts import Role
from pipeline.project.folder import Project
from pipeline.store import open_project_store

pytestmark = [
    pytest.mark.hub,
    pytest.mark.slow,
    pytest.mark.xdist_group("hub"),
    pytest.mark.skipif(os.geteuid() != 0, reason="sessions get accounts of their own only where the hub runs as root"),
]

ANNOTATORS = ("ada", "ben", "cleo", "dan")
#: Fewer than by default: each takes seconds to start.
MAX_KERNELS = 3

#: Files of a home that Python, IPython, Jupyter or Voilà run, and what each of them does when it is run.
MARK = "import pathlib; pathlib.Path({home!r}, 'ran {name}').touch()\n"
IN_A_HOME = (
    ".jupyter/jupyter_server_config.py",
    ".jupyter/jupyter_config.py",
    ".jupyter/voila.py",
    "voila.py",
    "jupyter_server_config.py",
    ".ipython/profile_default/startup/00.py",
    ".ipython/profile_default/ipython_kernel_config.py",
    ".ipython/profile_default/ipython_config.py",
    ".local/lib/python{python}/site-packages/usercustomize.py",
    ".local/lib/python{python}/site-packages/mark.pth",
    ".local/lib/python{python}/site-packages/httpx.py",
    "ipykernel_launcher.py",
    "httpx.py",
)
KERNEL = {"argv": ["/bin/sh", "-c", "touch {home}/ran-kernel; exit 1"], "display_name": "x", "language": "python"}


@pytest.fixture(scope="module")
def place(annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    """Return a hub with annotators, a researcher and a reviewer."""
    folder = hub_folder / "trust"
    folder.mkdir(mode=0o711)
    project = hub_benchmark.make_project(folder, 12, ANNOTATORS)
    project.reports_dir.mkdir(exist_ok=True)
    (project.reports_dir / "findings.html").write_text("<h1>the findings</h1>")
    people = {name: [Role.ANNOTATORS] for name in ANNOTATORS}
    people |= {"maria": [Role.RESEARCHERS], "tom": [Role.REVIEWERS]}
    # However slow this machine is, no page counts as lost while a test looks at its kernel.
    patience = "c.SessionSpawner.kernel_patience_s = 900"
    configure(folder / "hub", f"c.SessionSpawner.max_kernels = {MAX_KERNELS}", patience)
    with hub_benchmark.running_hub(project, people, folder / "hub", proxy) as hub:
        yield SimpleNamespace(
            hub=hub, project=project, tools=hub_benchmark, reports=f"{urlsplit(hub.url).path}services/mlf/reports"
        )


@pytest.fixture(scope="module")
def people(place: SimpleNamespace) -> dict[str, Any]:
    """Return Ada and Maria, logged in, with running sessions."""
    found = {name: place.tools.Person(place.hub, name) for name in ("ada", "maria")}

    def enter(person: Any) -> None:
        person.log_in()
        person.start_session()

    with ThreadPoolExecutor() as threads:
        list(threads.map(enter, found.values()))
    return found


def hub_pid(place: SimpleNamespace) -> int:
    """Return the Hub's process id, or 0 while the Hub is still writing it."""
    return int((place.hub.state / "private" / "hub.pid").read_text() or 0)


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

    def disturb() -> None:
        session_process(place.hub, "ada").kill()
        wait_until(
            lambda: people["ada"].client.get("user/ada/api").status_code != 200, 180, lambda: "the session lives on"
        )

    assert squat(place, disturb, tmp_path, repr(url)) == []
    people["ada"].start_session()


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


def test_a_session_holds_no_descriptor_of_a_file_of_the_hubs(place: SimpleNamespace, people: dict[str, Any]) -> None:
    code = (
        "import json, os\nfound = {}\n"
        "for pid in filter(str.isdecimal, os.listdir('/proc')):\n"
        "    try:\n"
        "        if os.stat(f'/proc/{pid}').st_uid == os.getuid() and int(pid) != os.getpid():\n"
        "            for fd in os.listdir(f'/proc/{pid}/fd'):\n"
        "                found[f'{pid} {fd}'] = os.readlink(f'/proc/{pid}/fd/{fd}')\n"
        "    except OSError:\n        pass\n"
        "print('RESULT' + json.dumps(found))"
    )
    found = run_as(place.hub, "maria", code)
    assert len(found) > 3
    state = str(place.hub.state)
    own = f"{state}/homes/maria/"
    assert [to for to in found.values() if to.startswith(state) and not to.startswith(own)] == []
    assert [to for to in found.values() if to.startswith(("/dev/pts", "/dev/tty"))] == []
    assert (place.hub.state / "private" / "hub.log").stat().st_size > 0
    assert "maria" in log_of_session(place, "maria")


def log_of_session(place: SimpleNamespace, name: str) -> str:
    return (place.hub.state / "private" / "sessions" / f"{name}.log").read_text()


def plant(place: SimpleNamespace, name: str) -> Path:
    """Put files that would be run into somebody's home, as an earlier role or version may have let them do."""
    home = place.hub.state / "homes" / name
    for path in IN_A_HOME:
        file = home / path.format(python=f"{sys.version_info.major}.{sys.version_info.minor}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(MARK.format(home=str(home), name=path.replace("/", "-")))
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True, exist_ok=True)
    kernel.write_text(json.dumps(KERNEL).replace("{home}", str(home)))
    uid = place.hub.accounts[name].uid
    for path in (home, *home.rglob("*")):
        os.chown(path, uid, uid)
    return home


def test_an_annotators_session_runs_nothing_of_what_lies_in_their_home(place: SimpleNamespace) -> None:
    home = plant(place, "cleo")
    cleo = place.tools.Person(place.hub, "cleo")
    cleo.log_in()
    cleo.start_session()

    async def work() -> str:
        link = place.tools.WidgetLink(cleo.client, place.tools.PAGE.format(name="cleo"))
        await link.open()
        name = (await link.request("open"))["annotator"]
        link.close()
        return str(name)

    assert asyncio.run(work()) == "cleo"
    assert [path.name for path in home.iterdir() if path.name.startswith("ran")] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "api/contents"),
        ("PUT", "api/contents/evil.html"),
        ("POST", "api/contents"),
        ("DELETE", "api/contents/2_annotate.ipynb"),
        ("GET", "files/2_annotate.ipynb"),
        ("POST", "api/kernels"),
        ("GET", "api/kernels"),
        ("POST", "api/sessions"),
        ("POST", "api/kernels/12345678-1234-1234-1234-123456789012/restart"),
        ("DELETE", "api/kernels/12345678-1234-1234-1234-123456789012"),
        ("GET", "api/terminals"),
        ("POST", "api/terminals"),
        ("GET", "terminals/websocket/1"),
        ("PUT", "api/config/notebook"),
        ("POST", "api/shutdown"),
        ("POST", "nbconvert/html"),
        ("GET", "nbconvert/html/2_annotate.ipynb"),
        ("GET", "lab"),
        ("GET", "tree"),
        ("GET", "doc"),
        ("GET", "voila/tree"),
        ("GET", "voila/files/2_annotate.ipynb"),
        ("GET", "voila/api/contents/"),
        ("GET", "voila/render/4_refine.ipynb"),
        ("GET", "voila/execution/12345678-1234-1234-1234-123456789012"),
        ("GET", "api/events/subscribe"),
        ("POST", "api/events"),
        ("GET", "lsp/status"),
        ("PATCH", "api"),
    ],
)
def test_an_annotators_session_serves_its_page_and_nothing_else(
    place: SimpleNamespace, people: dict[str, Any], method: str, path: str
) -> None:
    client = people["ada"].client
    headers = {"X-XSRFToken": people["ada"]._token("/user/ada/")}
    base = httpx.URL(place.hub.url + "user/ada/")
    url = base.copy_with(raw_path=base.raw_path + path.encode())
    assert client.request(method, url, headers=headers, json={}, follow_redirects=False).status_code == 404


def test_an_annotators_kernel_is_told_nothing_that_runs_code(place: SimpleNamespace, people: dict[str, Any]) -> None:
    ada = people["ada"]
    mark = place.hub.state / "homes" / "ada" / "told to run"
    code = f"import pathlib; pathlib.Path({str(mark)!r}).touch()"
    told = {
        "execute_request": {"code": code, "silent": True, "user_expressions": {"x": "1"}},
        "debug_request": {"type": "request", "command": "evaluate", "arguments": {"expression": code}},
        "complete_request": {"code": "import o", "cursor_pos": 8},
        "inspect_request": {"code": "print", "cursor_pos": 5, "detail_level": 1},
        "input_reply": {"value": code},
        "create_subshell_request": {},
        "shutdown_request": {"restart": False},
    }

    async def talk() -> str:
        link = place.tools.WidgetLink(ada.client, place.tools.PAGE.format(name="ada"))
        await link.open()
        for kind, content in told.items():
            for channel in ("shell", "control", "stdin"):
                await link.send(kind, content, channel)
        name = (await link.request("open"))["annotator"]  # the kernel answers, so it has read what came before
        link.close()
        return str(name)

    assert asyncio.run(talk()) == "ada"
    assert not mark.exists()


#: What a researcher may run: a server that shows pages of her own to anybody, logged in or not.
OWN_PAGES = '''
import sys
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.auth.decorator import allow_unauthenticated
WORKER = """
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  if (event.request.url.includes('/services/mlf/'))
    event.respondWith(fetch(event.request).then(async (answer) => {
      const copy = answer.clone();
      const text = await copy.text();
      const found = text.includes('findings') ? text : '';
      return new Response('STOLEN:' + found, {headers: {'content-type': 'text/html'}});
    }));
});
"""
class Page(JupyterHandler):
    @allow_unauthenticated
    def get(self):
        if self.request.path.endswith("worker.js"):
            self.set_header("Content-Type", "text/javascript")
            self.set_header("Service-Worker-Allowed", "/")
            self.finish(WORKER)
        else:
            self.set_header("Content-Type", "text/html")
            self.finish("<h1>nothing to see here</h1>")
def add(server):
    base = server.web_app.settings["base_url"]
    server.web_app.add_handlers(".*$", [(base + "evil/.*", Page)])
import types
module = types.ModuleType("evil_pages")
module._jupyter_server_extension_points = lambda: [{"module": "evil_pages"}]
module._load_jupyter_server_extension = add
sys.modules["evil_pages"] = module
c.ServerApp.jpserver_extensions = {"evil_pages": True}
'''
STEAL = """async (reports) => {
  const stolen = [];
  for (const how of [{}, {mode: 'no-cors'}, {headers: {accept: 'text/html'}}, {credentials: 'include'}]) {
    const text = await fetch(reports + '/findings.html', how).then((a) => a.text(), () => '');
    if (text.includes('the findings')) stolen.push('fetched');
  }
  const frame = document.createElement('iframe');
  frame.src = reports + '/findings.html';
  document.body.append(frame);
  await new Promise((done) => { frame.onload = done; setTimeout(done, 3000); });
  try { if (frame.contentDocument.body.innerText.includes('the findings')) stolen.push('framed'); } catch {}
  return stolen;
}"""


@pytest.fixture(scope="module")
def evil(place: SimpleNamespace, people: dict[str, Any]) -> None:
    """Let Maria's server show pages of her own making."""
    home = place.hub.state / "homes" / "maria"
    (home / ".jupyter").mkdir(exist_ok=True)
    (home / ".jupyter" / "jupyter_server_config.py").write_text(OWN_PAGES)
    uid = place.hub.accounts["maria"].uid
    for path in (home / ".jupyter", home / ".jupyter" / "jupyter_server_config.py"):
        os.chown(path, uid, uid)
    maria = people["maria"]
    headers = {"X-XSRFToken": maria._token("/hub/"), "Referer": place.hub.url + "hub/home"}
    maria.client.delete("hub/api/users/maria/server", headers=headers)
    wait_until(lambda: maria.client.get("user/maria/api").status_code != 200, 180, lambda: "the session lives on")
    maria.start_session()
    assert "nothing to see here" in httpx.get(place.hub.url + "user/maria/evil/page").text


def enter(browser: Browser, place: SimpleNamespace, name: str) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(60_000)
    page.goto(place.hub.url)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(place.hub.passwords[name])
    page.keyboard.press("Enter")
    return page


@pytest.mark.browser
def test_pages_asked_for_while_the_hub_is_away_open_once_it_is_back(
    place: SimpleNamespace, people: dict[str, Any], browser: Browser
) -> None:
    before = psutil.Process(hub_pid(place))
    keeper = before.parent()
    assert keeper is not None
    pages = {"hub/login": "Username", "user/ada/voila/render/2_annotate.ipynb": "Username"}
    keeper.suspend()  # so that the Hub stays away for as long as it takes to look
    try:
        before.kill()
        opened = [browser.new_page() for _ in pages]
        for page, path in zip(opened, pages, strict=True):
            page.goto(place.hub.url + path)
        opened[0].get_by_role("heading", name="The hub is starting again").wait_for()
    finally:
        keeper.resume()
    for page, label in zip(opened, pages.values(), strict=True):
        page.get_by_label(label).wait_for(timeout=60_000)
        page.close()


@pytest.mark.browser
def test_another_sessions_page_cannot_read_reports(place: SimpleNamespace, evil: None, browser: Browser) -> None:
    tom = enter(browser, place, "tom")
    tom.get_by_role("link", name="findings").click()
    tom.get_by_role("heading", name="the findings").wait_for()
    tom.goto(place.hub.url + "user/maria/evil/page")
    assert tom.evaluate(STEAL, place.reports) == []
    with tom.expect_popup() as opened:
        tom.evaluate("(url) => { window.other = window.open(url); }", f"{place.reports}/findings.html")
    opened.value.get_by_role("heading", name="the findings").wait_for()  # Tom himself may read it
    read = "() => { try { return window.other.document.body.innerText; } catch (error) { return error.name; } }"
    assert "the findings" not in str(tom.evaluate(read))
    tom.context.close()


@pytest.mark.browser
def test_a_worker_of_another_sessions_page_cannot_read_reports(
    place: SimpleNamespace, evil: None, browser: Browser
) -> None:
    """A server can put its own script between a browser and all pages of its origin."""
    tom = enter(browser, place, "tom")
    tom.get_by_role("link", name="findings").wait_for()
    tom.goto(place.hub.url + "user/maria/evil/page")
    tom.evaluate(
        "(url) => navigator.serviceWorker.register(url, {scope: '/'}).then(() => navigator.serviceWorker.ready)",
        place.hub.url + "user/maria/evil/worker.js",
    )
    tom.goto(place.hub.url + "services/mlf/reports/findings.html")
    assert "STOLEN:" in tom.content()  # the worker does stand in between
    assert "the findings" not in tom.content()
    tom.context.close()


#: Keeps saving until the Hub's last answer about the token is too old to be used while the Hub answers.
SAVE_ON = """
import json, os, threading, time, uuid
from pipeline.annotation.events import Event, EventKind
from pipeline.votes.words import Round
from pipeline.service.client import RemoteSession
session = RemoteSession()
session.open()
task = session.tasks([0])[0]
label = task.proposals[0].class_index
print("ready", flush=True)
pause = threading.Event()
while not os.path.exists({go!r}):
    pause.wait(0.01)
began, seqs = time.monotonic(), []
while time.monotonic() < began + {seconds} or len(seqs) < 3:
    payload = {{"class_index": label, "vote": ("yes", "no")[len(seqs) % 2]}}
    event = Event(uuid.uuid4().hex, Round.ANNOTATION, "ada", task.image_index, EventKind.VOTE, payload, shown=(label,))
    seqs.append(session.save([event])[0].seq)
    pause.wait(0.5)
print("RESULT" + json.dumps(seqs))
"""


def test_saves_go_on_while_the_hub_hangs(place: SimpleNamespace, people: dict[str, Any]) -> None:
    go = Path("/tmp") / f"go-{os.getpid()}"
    worker = start_as(place.hub, "ada", SAVE_ON.format(go=str(go), seconds=TOKEN_CACHE_S + 2))
    hub = psutil.Process(hub_pid(place))
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        hub.suspend()
        go.touch()
        printed, complaint = worker.communicate(timeout=120)
    finally:
        hub.resume()
        go.unlink(missing_ok=True)
    assert worker.returncode == 0, complaint
    seqs = json.loads(printed.split("RESULT", 1)[1])
    store = open_project_store(place.project)
    kept = {event.seq for event in store.iter_events(annotator="ada")}
    store.close()
    assert None not in seqs
    assert set(seqs) <= kept


def test_a_strangers_wrong_passwords_lock_nobody_out(place: SimpleNamespace) -> None:
    ben = place.tools.Person(place.hub, "ben")
    assert "/hub/login" not in str(ben.log_in().url)
    with ThreadPoolExecutor(12) as threads:
        guesses = [threads.submit(place.tools.Person(place.hub, "ben").log_in, "wrong") for _ in range(12)]
        assert {guess.result().status_code for guess in guesses} == {403}
    ben.client.get("hub/logout")
    assert "/hub/login" in str(ben.client.get("hub/home").url)
    assert "/hub/login" not in str(ben.log_in().url)


def test_one_person_has_only_so_many_pages_and_one_server(place: SimpleNamespace) -> None:
    dan = place.tools.Person(place.hub, "dan")  # whom no other test uses: each page of his is opened here
    page = place.tools.PAGE.format(name="dan")
    opened = [dan.log_in()]  # leads to the page already if the server starts fast enough
    dan.start_session()
    opened.append(dan.client.get(page))
    with ThreadPoolExecutor(5) as threads:  # at once: those that are starting count as well
        opened += threads.map(lambda _: dan.client.get(page), range(MAX_KERNELS + 2))
    kernels = [found.group(1) for answer in opened if (found := re.search(r'"kernelId": ?"([^"]+)"', answer.text))]
    told = [f"{answer.status_code} from {answer.url}: …{answer.text[-300:]}" for answer in opened]
    assert len(set(kernels)) == MAX_KERNELS, "\n\n".join((*told, log_of_session(place, "dan")[-3000:]))
    stranger = httpx.get(place.hub.url + page, follow_redirects=True)
    assert "/hub/login" in str(stranger.url), "nobody else is told"
    more = dan.client.get(page)
    assert more.status_code == 429
    assert f"You have {MAX_KERNELS} pages or kernels open" in more.text
    headers = {"X-XSRFToken": dan._token("/hub/"), "Referer": place.hub.url + "hub/home"}
    assert dan.client.post("hub/api/users/dan/servers/second", headers=headers).status_code in {400, 403, 404}


def test_a_researcher_has_only_so_many_kernels(place: SimpleNamespace, people: dict[str, Any]) -> None:
    maria = people["maria"]
    headers = {"X-XSRFToken": maria._token("/user/maria/")}
    answers = [maria.client.post("user/maria/api/kernels", json={}, headers=headers) for _ in range(MAX_KERNELS + 1)]
    for kernel in maria.client.get("user/maria/api/kernels").json():
        maria.client.delete(f"user/maria/api/kernels/{kernel['id']}", headers=headers)
    codes = [answer.status_code for answer in answers]
    assert codes.count(201) <= MAX_KERNELS
    assert codes[-1] == 429
    assert "as many as one person may have" in answers[-1].json()["message"]


def test_a_proxy_that_was_killed_finds_every_way_again(place: SimpleNamespace, people: dict[str, Any]) -> None:
    """The way to the service, too: without it nobody could read reports for minutes."""
    pid = int((place.hub.state / "private" / "proxy.pid").read_text().split()[0])
    psutil.Process(pid).kill()
    ways = {"hub/health": 200, "services/mlf/health": 200, "user/ada/api": 200}

    def leads(path: str) -> int:
        try:
            return people["ada"].client.get(path, follow_redirects=False).status_code
        except httpx.TransportError:
            return 0

    wait_until(lambda: leads("hub/health") == 200, 180, lambda: "no proxy")
    wait_until(lambda: {path: leads(path) for path in ways} == ways, 20, lambda: str({p: leads(p) for p in ways}))


#: Saves one vote, and says what came of it.
SAVE_ONE = """
import json, uuid
from pipeline.annotation.events import Event, EventKind
from pipeline.votes.words import Round
from pipeline.service.client import RemoteSession
session = RemoteSession()
session.open()
task = session.tasks([0])[0]
payload = {"class_index": task.proposals[0].class_index, "vote": "yes"}
event = Event(uuid.uuid4().hex, Round.ANNOTATION, "ada", task.image_index, EventKind.VOTE, payload)
try:
    told = session.save([event])[0].seq
except Exception as error:
    told = str(error)
print("RESULT" + json.dumps([event.event_id, told]))
"""


def test_a_vote_that_somebody_changed_is_named_and_a_label_is_traced_to_its_votes(
    place: SimpleNamespace, people: dict[str, Any], tmp_path: Path
) -> None:
    event_id, seq = run_as(place.hub, "ada", SAVE_ONE)
    assert isinstance(seq, int), seq
    assert CliRunner().invoke(app, ["store", "verify", str(place.project.root)]).exit_code == 0
    changed = tmp_path / "changed"
    shutil.copytree(place.project.root, changed, ignore=shutil.ignore_patterns("store.sqlite*"))
    copied_store(place.project, changed / "store.sqlite")
    with closing(sqlite3.connect(changed / "store.sqlite")) as store, store:
        store.execute("UPDATE events SET payload = replace(payload, 'yes', 'no') WHERE event_id = ?", (event_id,))
        (image_index,) = store.execute("SELECT image_index FROM events WHERE event_id = ?", (event_id,)).fetchone()
    told = CliRunner().invoke(app, ["store", "verify", str(changed)])
    assert told.exit_code != 0
    assert event_id in told.output
    assert "was changed" in told.output
    traced = CliRunner().invoke(app, ["why", str(place.project.root), str(image_index)])
    assert traced.exit_code == 0, traced.output
    assert "ada" in traced.output


def test_a_store_in_the_place_of_the_hubs_own_acknowledges_nothing(
    place: SimpleNamespace, people: dict[str, Any], tmp_path: Path
) -> None:
    """The last test of this hub: its operator would have to put the store back."""
    copied_store(place.project, tmp_path / "older.sqlite")
    _, seq = run_as(place.hub, "ada", SAVE_ONE)
    assert isinstance(seq, int), seq
    for file in place.project.root.glob("store.sqlite-*"):
        file.unlink()
    (tmp_path / "older.sqlite").replace(place.project.root / "store.sqlite")
    _, told = run_as(place.hub, "ada", SAVE_ONE)
    assert "mlf store" in str(told), "who looks after the hub is told what to do"
    health = httpx.get(place.hub.url + "services/mlf/health")
    assert health.status_code == 503, health.text


def copied_store(project: Project, to: Path) -> None:
    """Copy a store that is in use."""
    with closing(sqlite3.connect(project.root / "store.sqlite")) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
