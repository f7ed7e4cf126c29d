"""`mlf store`: a log that was tampered with is reported, two copies are joined, and nothing is taken for granted."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from command_line import run_mlf

from pipeline.annotation.events import Event, EventKind
from pipeline.project.folder import Project, create_project, open_project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.settings import Settings
from pipeline.store import Assignment, SqlStore, open_store
from pipeline.store.standing import write_mark
from pipeline.votes.words import Round

N_CLASSES = 3


def vote(number: int, annotator: str = "ann", image_index: int = 0) -> Event:
    payload = {"class_index": number % N_CLASSES, "vote": "yes"}
    return Event(f"event-{annotator}-{number:03}", Round.ANNOTATION, annotator, image_index, EventKind.VOTE, payload)


def store_of(project: Project) -> SqlStore:
    return open_store(project.store_url, N_CLASSES)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = create_project(tmp_path / "birds", Settings(), label_space_from_keys(["a", "b", "c"]))
    store = store_of(made)
    store.add_annotators(["ann", "ben"])
    store.assign(Round.ANNOTATION, [Assignment(name, i) for name in ("ann", "ben") for i in range(4)])
    store.append([vote(i, name, i) for i in range(3) for name in ("ann", "ben")])
    store.close()
    return made


def mlf(*arguments: object, code: int = 0) -> str:
    return run_mlf("store", *arguments, code=code)


def change(project: Project, statement: str) -> None:
    with closing(sqlite3.connect(project.root / "store.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_store_that_nobody_touched_is_verified(project: Project) -> None:
    assert "6 events in 2 chains: whole and unchanged" in mlf("verify", project.root)


def test_a_changed_event_is_named_and_ends_with_status_2(project: Project) -> None:
    change(project, "UPDATE events SET payload = replace(payload, 'yes', 'no') WHERE event_id = 'event-ben-001'")
    told = mlf("verify", project.root, code=2)
    assert "ben, annotation, event 2 of the chain: event 'event-ben-001' was changed" in told


def test_ends_of_chains_that_were_kept_are_compared(project: Project, tmp_path: Path) -> None:
    heads = tmp_path / "heads.json"
    mlf("verify", project.root, "--keep", heads)
    assert "unchanged" in mlf("verify", project.root, "--against", heads)
    heads.write_text(heads.read_text().replace('"digest": "', '"digest": "0'))
    assert "event 3 of the chain is not the one that was kept" in mlf(
        "verify", project.root, "--against", heads, code=2
    )
    heads.write_text("{}")
    assert "holds no chain" in mlf("verify", project.root, "--against", heads, code=2)
    assert "no file that" in mlf("verify", project.root, "--against", tmp_path / "missing.json", code=2)


def test_two_copies_that_went_separate_ways_are_joined_and_nothing_is_lost(project: Project, tmp_path: Path) -> None:
    path = project.root / "store.sqlite"
    older = shutil.copy(path, tmp_path / "older.sqlite")
    store = store_of(project)
    store.append([vote(10, "ann", 3), vote(11, "ben", 0)])
    undo = Event("undo-ann-01", Round.ANNOTATION, "ann", 3, EventKind.UNDO, {"target": "event-ann-010"})
    store.append([undo])
    times = {event.event_id: event.server_time for event in store.iter_events()}
    write_mark(project.root, store.last)
    store.close()
    shutil.copy(path, tmp_path / "newer.sqlite")
    shutil.copy(older, path)  # the mistake
    store = store_of(project)
    store.add_annotators(["cleo"])
    store.assign(Round.ANNOTATION, [Assignment("cleo", 1)])
    store.append([vote(20, "cleo", 1), vote(21, "ben", 0)])
    store.close()
    assert "lacks event 9, which was acknowledged" in mlf("verify", project.root, code=2)
    told = mlf("merge", project.root, tmp_path / "newer.sqlite")
    assert "3 events taken, there already: 6" in told
    assert "ben, annotation, image 0: worked on in both copies" in told
    assert "image 3" not in told
    assert "0 events taken, there already: 9" in mlf("merge", project.root, tmp_path / "newer.sqlite")
    store = store_of(project)
    kept = {event.event_id: event.server_time for event in store.iter_events()}
    assert set(kept) == set(times) | {"event-cleo-020", "event-ben-021"}
    assert {name: kept[name] for name in times} == times
    assert not store.states(Round.ANNOTATION, "ann", [3])[3].votes, "undone in the other copy"
    store.close()
    mlf("accept", project.root)
    assert "11 events in 3 chains: whole and unchanged" in mlf("verify", project.root)


def test_a_store_of_another_project_is_not_joined(project: Project, tmp_path: Path) -> None:
    other = create_project(tmp_path / "other", Settings(), label_space_from_keys(["a", "b", "c"]))
    store = store_of(other)
    store.add_annotators(["ann"])
    store.assign(Round.ANNOTATION, [Assignment("ann", 0)])
    store.append([vote(50)])
    store.close()
    assert "no event in common" in mlf("merge", project.root, other.root, code=2)
    assert "does not exist" in mlf("merge", project.root, tmp_path / "nothing.sqlite", code=2)
    assert open_project(project.root)
