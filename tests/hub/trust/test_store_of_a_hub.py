"""A store that somebody changed, or put in the place of the hub's own, is found out."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from curious import AS_ROOT
from hub_fixtures import fetch
from intruder import run_as
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.project.folder import Project

pytestmark = AS_ROOT


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
    health = fetch(place.hub.url + "services/mlf/health")
    assert health.status_code == 503, health.text


def copied_store(project: Project, to: Path) -> None:
    """Copy a store that is in use."""
    with closing(sqlite3.connect(project.root / "store.sqlite")) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
