"""A hub of which a part hangs or is gone goes on, and finds itself again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest
from curious import AS_ROOT, hub_pid
from hub_fixtures import TOKEN_CACHE_S
from intruder import start_as
from playwright.sync_api import Browser
from serving import wait_until

from pipeline.store import open_project_store

pytestmark = AS_ROOT


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
            page.set_default_timeout(120_000)
            page.goto(place.hub.url + path)
        opened[0].get_by_role("heading", name="The hub is starting again").wait_for()
    finally:
        keeper.resume()
    for page, label in zip(opened, pages.values(), strict=True):
        page.get_by_label(label).wait_for()
        page.close()


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
    wait_until(lambda: {path: leads(path) for path in ways} == ways, 60, lambda: str({p: leads(p) for p in ways}))
