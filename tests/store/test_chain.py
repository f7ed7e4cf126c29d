"""The log shows if somebody has changed it: each event is chained to the same person's previous event."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import ImageState, fold, fold_onto
from pipeline.store import Assignment, SqlStore, open_store
from pipeline.store.engine import SCHEMA_REVISION
from pipeline.votes.words import Round

N_CLASSES = 5
PEOPLE = ("ann", "ben", "cleo")


def vote(number: int, annotator: str = "ann", image_index: int = 0) -> Event:
    payload = {"class_index": number % N_CLASSES, "vote": "yes"}
    return Event(f"event-{annotator}-{number:04}", Round.ANNOTATION, annotator, image_index, EventKind.VOTE, payload)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    with open_store(f"sqlite:///{path}", N_CLASSES) as opened:
        opened.add_annotators(PEOPLE)
        opened.assign(Round.ANNOTATION, [Assignment(name, image) for name in PEOPLE for image in range(3)])
        for number in range(6):
            opened.append([vote(number, name, number % 3) for name in PEOPLE])
        yield opened


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def test_a_log_that_nobody_touched_is_sound(store: SqlStore) -> None:
    found = store.verify()
    assert found.is_sound
    assert found.n_events == 18
    assert {key: head.n_events for key, head in found.heads.items()} == {("annotation", name): 6 for name in PEOPLE}


def test_the_digest_is_sha256_of_the_one_before_and_of_all_that_the_event_says(store: SqlStore, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM events WHERE annotator = 'ben' ORDER BY seq").fetchall()
    said = "event_id round annotator image_index kind payload shown active_ms proposal_order client_time server_time"
    previous = ""
    for position, row in enumerate(rows, start=1):
        content = json.dumps([previous, *(row[name] for name in said.split())], separators=(",", ":"))
        previous = hashlib.sha256(content.encode()).hexdigest()
        assert (row["chain_position"], row["digest"]) == (position, previous)


SECOND = "event_id = 'event-ben-0002'"
COPIED = "round, annotator, image_index, kind, payload, shown, active_ms, proposal_order, client_time, server_time"
TOUCHED: list[tuple[str, str]] = [
    (f"""UPDATE events SET payload = '{{"class_index":4,"vote":"yes"}}' WHERE {SECOND}""", "was changed"),
    (f"UPDATE events SET server_time = '2020-01-01T00:00:00.000+00:00' WHERE {SECOND}", "was changed"),
    (f"UPDATE events SET shown = '[1,2]' WHERE {SECOND}", "was changed"),
    (f"DELETE FROM events WHERE {SECOND}", "1 event was removed before"),
    ("DELETE FROM events WHERE event_id = 'event-ben-0005'", "the last 1 event was removed"),
    ("DELETE FROM events WHERE annotator = 'ben'", "the last 6 events were removed"),
    (
        f"INSERT INTO events SELECT 1000, 'event-by-hand', {COPIED}, 7, 'x' FROM events WHERE {SECOND}",
        "was changed",
    ),
    (f"UPDATE events SET annotator = 'cleo' WHERE {SECOND}", "was inserted or moved"),
]


@pytest.mark.parametrize(("statement", "told"), TOUCHED)
def test_a_changed_removed_or_inserted_event_is_found_and_named(
    store: SqlStore, path: Path, statement: str, told: str
) -> None:
    change(path, statement)
    breaks = store.verify().breaks
    assert any(told in found.what for found in breaks)
    assert {found.annotator for found in breaks} <= {"ben", "cleo"}


def test_a_log_whose_digests_were_all_made_anew_is_found_by_a_head_that_was_kept(store: SqlStore, path: Path) -> None:
    kept = store.verify().heads
    change(path, f"""UPDATE events SET payload = '{{"class_index":4,"vote":"no"}}' WHERE {SECOND}""")
    from pipeline.store.chain import Head, linked

    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM events ORDER BY seq")]
        heads: dict[tuple[str, str], Head] = {}
        for row in linked(rows, heads):
            connection.execute("UPDATE events SET digest = ? WHERE seq = ?", (row["digest"], row["seq"]))
        for (round_, name), head in heads.items():
            key = (head.digest, round_, name)
            connection.execute("UPDATE chains SET digest = ? WHERE round = ? AND annotator = ?", key)
        connection.commit()
    assert store.verify().breaks == ()
    [lost] = store.lost_heads(kept)
    assert lost.startswith("ben, annotation: event 6 ")
    store.append([vote(9, "ann")])
    assert [line.split(",")[0] for line in store.lost_heads(kept)] == ["ben"]


def test_an_event_that_was_chained_by_hand_is_found_by_the_end_that_the_store_keeps(
    store: SqlStore, path: Path
) -> None:
    """Its place and its digest are right, so nothing within the chain tells."""
    from pipeline.store.chain import Head, linked

    def last() -> dict[str, object]:
        return dict(connection.execute("SELECT * FROM events WHERE annotator = 'ben' ORDER BY seq DESC").fetchone())

    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        end = Head(6, str(last()["digest"]))
        [row] = linked([last() | {"event_id": "event-by-hand", "seq": 1000}], {("annotation", "ben"): end})
        connection.execute(
            f"INSERT INTO events ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()]
        )
        connection.commit()
        assert [str(found) for found in store.verify().breaks] == [
            "ben, annotation, event 7 of the chain: 1 event was added by hand"
        ]
        connection.execute("DELETE FROM events WHERE seq = 1000")
        before = connection.execute("SELECT digest FROM events WHERE event_id = 'event-ben-0004'").fetchone()[0]
        [row] = linked(
            [last() | {"payload": '{"class_index":4,"vote":"no"}'}], {("annotation", "ben"): Head(5, before)}
        )
        written = (row["payload"], row["digest"], row["event_id"])
        connection.execute("UPDATE events SET payload = ?, digest = ? WHERE event_id = ?", written)
        connection.commit()
    assert [str(found) for found in store.verify().breaks] == [
        "ben, annotation, event 6 of the chain: the last event is not the one that was kept as the last"
    ]


def test_a_state_that_does_not_follow_from_the_events_is_named_and_rebuilt(store: SqlStore, path: Path) -> None:
    change(path, "UPDATE states SET state = replace(state, 'yes', 'no') WHERE annotator = 'ann' AND image_index = 1")
    assert store.verify().stale_states == (("annotation", "ann", 1),)
    store.rebuild()
    assert store.verify().is_sound


def test_a_store_of_the_first_schema_gets_its_chain(tmp_path: Path, store: SqlStore, path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from pipeline.store import engine as module
    from pipeline.store.engine import open_engine

    before = store.verify()
    engine = open_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
    engine.dispose()
    with open_store(f"sqlite:///{path}", N_CLASSES) as again:
        assert SCHEMA_REVISION != "0001"
        assert again.verify() == before
        again.append([vote(7)])
        assert again.verify().is_sound


ACTIONS: st.SearchStrategy[tuple[EventKind, dict[str, object]]] = st.one_of(
    st.tuples(
        st.just(EventKind.VOTE),
        st.fixed_dictionaries(
            {"class_index": st.integers(0, N_CLASSES - 1), "vote": st.sampled_from(["yes", "no", "unsure", "clear"])}
        ),
    ),
    st.tuples(st.sampled_from([EventKind.NONE, EventKind.UNSURE]), st.fixed_dictionaries({"value": st.booleans()})),
    st.tuples(st.just(EventKind.COMMENT), st.fixed_dictionaries({"text": st.sampled_from(["", "a", "b"])})),
    st.tuples(st.just(EventKind.VIEW), st.just({})),
    st.tuples(
        st.just(EventKind.REGION),
        st.fixed_dictionaries(
            {
                "class_index": st.integers(0, N_CLASSES - 1),
                "regions": st.sampled_from([[], [{"kind": "point", "x": 0.5, "y": 0.5}]]),
            }
        ),
    ),
)


@given(
    st.lists(st.tuples(ACTIONS, st.lists(st.integers(0, N_CLASSES - 1), max_size=3)), max_size=12), st.integers(0, 12)
)
def test_carrying_a_state_on_is_folding_all_events(
    made: list[tuple[tuple[EventKind, dict[str, object]], list[int]]], cut: int
) -> None:
    events = [
        Event(f"event-{i:04}", Round.ANNOTATION, "ann", 0, kind, payload, shown=tuple(shown), active_ms=i, seq=i + 1)
        for i, ((kind, payload), shown) in enumerate(made)
    ]
    state = fold(events[:cut])
    assert fold_onto(state, events[cut:]) == fold(events)
    for event in events[cut:]:
        state = fold_onto(state, [event])
    assert state == fold(events) if events else state == ImageState()


def test_an_undo_cannot_be_carried_on(store: SqlStore) -> None:
    undo = Event("undo-0001", Round.ANNOTATION, "ann", 0, EventKind.UNDO, {"target": "event-ann-0000"}, seq=9)
    with pytest.raises(ValueError, match="fold the whole history"):
        fold_onto(ImageState(), [undo])


@pytest.fixture
def rows_read(store: SqlStore) -> Callable[[], int]:
    """Return a function that counts the rows that SQLite has been asked for since the function's last call."""
    import sqlalchemy as sa

    counted = [0]

    @sa.event.listens_for(store._engine, "after_cursor_execute")
    def count(connection, cursor, statement, parameters, context, executemany) -> None:  # type: ignore[no-untyped-def]
        if statement.startswith("SELECT"):
            plain = connection.connection.dbapi_connection.execute(statement, parameters)
            counted[0] += len(plain.fetchall())

    def taken() -> int:
        n_rows, counted[0] = counted[0], 0
        return n_rows

    return taken


def test_a_save_on_an_image_with_a_long_history_reads_no_more_than_on_a_new_one(
    store: SqlStore, rows_read: Callable[[], int]
) -> None:
    rows_read()
    store.append([vote(500, image_index=2)])
    n_first = rows_read()
    for number in range(600, 1000, 100):
        store.append([vote(number + i, image_index=2) for i in range(100)])
    rows_read()
    store.append([vote(501, image_index=2)])
    assert rows_read() == n_first


def test_an_image_takes_so_many_events_and_bytes_and_no_more(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.store.appending.MAX_EVENTS_AN_IMAGE", 10)
    results = [store.append([vote(100 + i, "ann", 1)])[0] for i in range(10)]
    assert [result.seq is not None for result in results] == [True] * 8 + [False] * 2
    assert "image 1 has 10 events" in results[-1].error
    together = store.append([vote(200 + i, "ben", 1) for i in range(10)])
    assert sum(result.seq is not None for result in together) == 8
    monkeypatch.setattr("pipeline.store.appending.MAX_BYTES_AN_IMAGE", 400)
    long = Event("comment-0001", Round.ANNOTATION, "cleo", 2, EventKind.COMMENT, {"text": "x" * 350})
    assert "at most 400 are taken" in store.append([long])[0].error
    assert store.append([vote(300, "cleo", 2)])[0].seq
