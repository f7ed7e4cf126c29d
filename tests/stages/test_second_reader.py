"""Half of the states are read by a second process; whatever becomes of it, the votes are the same."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import psutil
import pytest
from test_votes_of_project import N_IMAGES, PEOPLE, event, random_events, save

from pipeline.annotation.events import EventKind
from pipeline.stages import second_reader
from pipeline.stages.round_states import Comment
from pipeline.stages.second_reader import read_round
from pipeline.store import Assignment, SqlStore, open_store
from pipeline.votes.words import Round

BY_STATE = ("image", "annotator", "active_ms", "last_seq", "searched", "none", "unsure", "n_shown", "n_given")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}", 6, frozenset({4}), {1: (0,)}) as opened:
        opened.add_annotators(PEOPLE)
        opened.assign(Round.ANNOTATION, [Assignment(name, image) for name in PEOPLE for image in range(N_IMAGES)])
        save(opened, random_events(3, Round.ANNOTATION))
        save(opened, [event("ben", image, EventKind.COMMENT, text="look") for image in range(4)])
        yield opened


def read(store: SqlStore) -> tuple[set[tuple[object, ...]], list[Comment], int]:
    """Return what everybody said, in whatever order it was read, and the comments."""
    states = read_round(store, Round.ANNOTATION, ["ada"], PEOPLE, {3})
    shown, classes, votes = map(iter, (states.shown, states.given_class, states.given_vote))
    found = set()
    for own in zip(*(getattr(states, name) for name in BY_STATE), strict=True):
        n_shown, n_given = own[-2:]
        given = zip(islice(classes, n_given), islice(votes, n_given), strict=True)
        found.add((*own, tuple(islice(shown, n_shown)), tuple(given)))
    assert next(shown, None) is next(classes, None) is None
    assert len(found) == len(states.image)
    return found, states.comments, states.n_comments


@pytest.fixture
def expected(store: SqlStore) -> tuple[set[tuple[object, ...]], list[Comment], int]:
    return read(store)


@pytest.fixture
def two_readers(expected, monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(second_reader, "_MANY_STATES", 0)
    monkeypatch.setattr(second_reader, "n_cores", lambda: 2)
    before = children()  # such as the browser of another test
    yield
    assert children() <= before, "a second process is left, or nobody waited for its end"


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


def test_two_processes_read_what_one_does(store, expected, two_readers, monkeypatch):
    asked = []
    reading = SqlStore.iter_state_texts
    monkeypatch.setattr(SqlStore, "iter_state_texts", lambda *given: asked.append(given[-1]) or reading(*given))
    assert read(store) == expected
    assert asked == [0]
    assert expected[2] >= 3


@pytest.mark.parametrize(
    "fate",
    [
        "import os; os.kill(os.getpid(), 9)",
        "import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write(b'\\x80\\x05')",
        "print('a greeting')",
        "print('Info: x')",
        "import sys; sys.stdin.buffer.read(); sys.stdout.buffer.write(b'N.')",
        "raise MemoryError",
    ],
)
def test_the_half_of_a_process_that_fails_is_read_here(store, expected, two_readers, monkeypatch, fate):
    monkeypatch.setattr(second_reader, "_COMMAND", fate)
    assert read(store) == expected


def test_where_no_process_can_be_started_everything_is_read_here(store, expected, two_readers, monkeypatch):
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert read(store) == expected


def test_on_one_core_no_process_is_started(store, expected, two_readers, monkeypatch):
    monkeypatch.setattr(second_reader, "n_cores", lambda: 1)
    monkeypatch.setattr("sys.executable", None)
    assert read(store) == expected


def test_a_state_that_cannot_be_read_is_the_same_error(store, two_readers, tmp_path, monkeypatch):
    with closing(sqlite3.connect(tmp_path / "store.sqlite")) as connection, connection:
        connection.execute("UPDATE states SET state = '{' WHERE image_index = 5 AND annotator = 'ben'")
    with pytest.raises(ValueError, match="Expecting property name") as two:
        read(store)
    monkeypatch.setattr(second_reader, "n_cores", lambda: 1)
    with pytest.raises(ValueError, match="Expecting property name") as one:
        read(store)
    assert str(one.value) == str(two.value)


def test_an_interrupt_ends_the_second_process_too(store, two_readers, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(second_reader, "_COMMAND", "import time; time.sleep(600)")
    monkeypatch.setattr(SqlStore, "iter_state_texts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read(store)
