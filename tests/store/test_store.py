"""The store's promises: idempotent, refusing, derivable from its log, durable, and shared by processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import ImageState
from pipeline.annotation.session import Progress, TaskFilter
from pipeline.errors import StoreError
from pipeline.store import Assignment, SqlStore, open_store, task_lists
from pipeline.store.engine import open_engine
from pipeline.store.tables import metadata
from pipeline.votes.words import Round

N_CLASSES = 4
N_IMAGES = 3
PEOPLE = ("ann", "ben")


def fresh(url: str) -> SqlStore:
    store = open_store(url, N_CLASSES)
    store.add_annotators(PEOPLE)
    store.assign(Round.ANNOTATION, [Assignment(name, i) for name in PEOPLE for i in range(N_IMAGES)])
    return store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = fresh(f"sqlite:///{tmp_path / 'store.sqlite'}")
    yield opened
    opened.close()


def vote(event_id: str, image_index: int = 0, class_index: int = 0, word: str = "yes", annotator: str = "ann") -> Event:
    payload = {"class_index": class_index, "vote": word}
    return Event(event_id, Round.ANNOTATION, annotator, image_index, EventKind.VOTE, payload, shown=(class_index,))


def act(event_id: str, kind: EventKind, image_index: int = 0, **payload: object) -> Event:
    return Event(event_id, Round.ANNOTATION, "ann", image_index, kind, payload)


def replay(log: list[Event]) -> ImageState:  # noqa: C901 - plain on purpose, a second opinion on the fold
    """Replay a log as a person would: with a stack of actions, and without the fold's own code."""
    cancelled = set()
    for event in log:
        if event.kind is EventKind.UNDO:
            cancelled.add(event.payload["target"])
        elif event.kind is EventKind.REDO:
            cancelled.discard(event.payload["target"])
    state: dict[str, object] = {"none": False, "unsure": False, "comment": ""}
    votes: dict[int, str] = {}
    for event in log:
        if event.event_id in cancelled:
            continue
        if event.kind is EventKind.VOTE:
            votes[event.payload["class_index"]] = event.payload["vote"]
            if event.payload["vote"] == "yes":
                state["none"] = False
        elif event.kind is EventKind.NONE:
            state["none"] = event.payload["value"]
            if state["none"]:
                votes = {}
        elif event.kind is EventKind.UNSURE:
            state["unsure"] = event.payload["value"]
        elif event.kind is EventKind.COMMENT:
            state["comment"] = event.payload["text"]
    return ImageState(
        votes={c: word for c, word in votes.items() if word != "clear"},
        none=bool(state["none"]),
        unsure=bool(state["unsure"]),
        comment=str(state["comment"]),
        shown=tuple(sorted({c for event in log for c in event.shown})),
        active_ms=sum(event.active_ms for event in log),
        last_seq=max((event.seq for event in log), default=0),
    )


def test_saving_an_event_again_gives_its_seq_again_and_adds_nothing(store: SqlStore) -> None:
    first = store.append([vote("event-001")])
    assert store.append([vote("event-001"), vote("event-001")]) == first * 2
    twice = store.append([vote("event-002"), vote("event-002")])
    assert twice[0] == twice[1]
    assert [event.event_id for event in store.iter_events()] == ["event-001", "event-002"]


def test_an_id_that_is_used_for_another_event_is_refused(store: SqlStore) -> None:
    store.append([vote("event-001")])
    for other in (vote("event-001", word="no"), vote("event-001", 1), vote("event-001", annotator="ben")):
        result = store.append([other])[0]
        assert result.seq is None
        assert "another event" in result.error
    results = store.append([vote("event-002"), vote("event-002", 1)])
    assert [result.seq is None for result in results] == [False, True]


@pytest.mark.parametrize(
    "bad",
    [
        vote("short"),
        vote("bad id !!"),
        vote("event-bad", 99),
        vote("event-bad", 0, N_CLASSES),
        vote("event-bad", 0, -1),
        vote("event-bad", word="perhaps"),
        vote("event-bad", annotator="zoe"),
        replace(vote("event-bad"), round=Round.REFINEMENT),
        replace(vote("event-bad"), payload={"class_index": True, "vote": "yes"}),
        act("event-bad", EventKind.UNDO, target="event-000"),
        act("event-bad", EventKind.COMMENT, text="x" * 10_001),
        act("event-bad", EventKind.COMMENT, text="nul \x00"),
        act("event-bad", EventKind.COMMENT, text="half a character \ud83d"),
        replace(vote("event-bad"), order="\ud83d"),
        vote("event-bad", 2**70),
        act("event-bad", EventKind.REGION, class_index=0, regions=[{"kind": "point", "x": float("nan"), "y": 0}]),
    ],
)
def test_what_does_not_fit_is_refused_alone(store: SqlStore, bad: Event) -> None:
    before, result, after = store.append([vote("event-one"), bad, vote("event-two")])
    assert result.seq is None
    assert result.error
    assert result.is_final
    assert before.seq is not None
    assert after.seq is not None
    assert len(list(store.iter_events())) == 2


def test_undo_reaches_only_ones_own_actions_on_the_same_image(store: SqlStore) -> None:
    store.append(
        [vote("bens-vote", annotator="ben"), vote("anns-vote"), act("anns-undo", EventKind.UNDO, target="anns-vote")]
    )
    for target, image_index in (("bens-vote", 0), ("anns-vote", 1), ("anns-undo", 0)):
        assert store.append([act("undo-this", EventKind.UNDO, image_index, target=target)])[0].seq is None
    assert store.undo_stacks(Round.ANNOTATION, "ann")[1][-1].event_id == "anns-vote"


def test_progress_and_filters_follow_the_events(store: SqlStore) -> None:
    store.append(
        [vote("event-001", 1), act("event-002", EventKind.COMMENT, 2, text="odd"), vote("event-003", 1, 1, "unsure")]
    )
    assert store.progress(Round.ANNOTATION, "ann") == Progress(3, 1, 1, 1)
    found = {which: store.find(Round.ANNOTATION, "ann", which, 0, 1) for which in TaskFilter}
    assert found == {"all": 0, "not_done": 0, "done": 1, "unsure": 1, "commented": 2}
    assert store.find(Round.ANNOTATION, "ann", TaskFilter.NOT_DONE, 1, -1) == 0
    assert store.progress(Round.ANNOTATION, "ben") == Progress(3, 0, 0, 0)


class StoreMachine(RuleBasedStateMachine):
    """Anything a person may do, against a replay of what was acknowledged."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.path = self.folder / f"{os.urandom(8).hex()}.sqlite"
        self.store = fresh(f"sqlite:///{self.path}")
        self.log: list[Event] = []
        self.number = 0

    images = st.integers(0, N_IMAGES - 1)
    classes = st.integers(0, N_CLASSES - 1)

    def save(self, kind: EventKind, image: int, shown: list[int], **payload: object) -> None:
        self.number += 1
        event = Event(f"event-{self.number:05d}", Round.ANNOTATION, "ann", image, kind, payload, tuple(shown), 7)
        result = self.store.append([event])[0]
        assert result.seq is not None, result.error
        self.log.append(replace(event, seq=result.seq))

    @rule(
        image=images,
        c=classes,
        word=st.sampled_from(["yes", "no", "unsure", "clear"]),
        shown=st.lists(classes, max_size=3),
    )
    def votes(self, image: int, c: int, word: str, shown: list[int]) -> None:
        self.save(EventKind.VOTE, image, shown, class_index=c, vote=word)

    @rule(image=images, kind=st.sampled_from([EventKind.NONE, EventKind.UNSURE]), value=st.booleans())
    def flags(self, image: int, kind: EventKind, value: bool) -> None:
        self.save(kind, image, [], value=value)

    @rule(image=images, text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20))
    def comments(self, image: int, text: str) -> None:
        self.save(EventKind.COMMENT, image, [], text=text)

    @rule(is_redo=st.booleans())
    def undoes_or_redoes(self, is_redo: bool) -> None:
        undo, redo = self.store.undo_stacks(Round.ANNOTATION, "ann")
        stack, kind = (redo, EventKind.REDO) if is_redo else (undo, EventKind.UNDO)
        if stack:
            self.save(kind, stack[-1].image_index, [], target=stack[-1].event_id)

    @rule(data=st.data())
    def sends_again(self, data: st.DataObject) -> None:
        if self.log:
            event = data.draw(st.sampled_from(self.log))
            assert self.store.append([replace(event, seq=0)])[0].seq == event.seq

    @rule()
    def opens_anew(self) -> None:
        self.store.close()
        self.store = open_store(f"sqlite:///{self.path}", N_CLASSES)

    @rule()
    def rebuilds(self) -> None:
        before = list(self.store.iter_states(Round.ANNOTATION)), self.store.progress(Round.ANNOTATION, "ann")
        self.store.rebuild()
        after = list(self.store.iter_states(Round.ANNOTATION)), self.store.progress(Round.ANNOTATION, "ann")
        assert before == after

    @invariant()
    def states_are_the_replay_of_the_log(self) -> None:
        states = self.store.states(Round.ANNOTATION, "ann", range(N_IMAGES))
        assert states == {i: replay([e for e in self.log if e.image_index == i]) for i in range(N_IMAGES)}
        decided = sum(state.is_decided for state in states.values())
        assert self.store.progress(Round.ANNOTATION, "ann").n_done == decided

    def teardown(self) -> None:
        assert [e.event_id for e in self.store.iter_events()] == [e.event_id for e in self.log]
        self.store.close()


@pytest.mark.hypothesis
def test_whatever_people_do_the_state_is_the_replay_of_the_log(tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    StoreMachine.folder = tmp_path
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(max_examples=25, stateful_step_count=20, suppress_health_check=list(HealthCheck)),
    )


_WRITER = """
import sys
sys.path.insert(0, {tests!r})
from test_store import open_store, vote, N_CLASSES
store = open_store({url!r}, N_CLASSES)
for i in range(int(sys.argv[2])):
    assert store.append([vote(f"{{sys.argv[1]}}-{{i:05d}}", i % 3, annotator=sys.argv[1])])[0].seq
    print(f"{{sys.argv[1]}}-{{i:05d}}", flush=True)
"""


def start_writer(url: str, name: str, n_events: int) -> subprocess.Popen[str]:
    code = _WRITER.format(tests=str(Path(__file__).parent), url=url)
    return subprocess.Popen([sys.executable, "-c", code, name, str(n_events)], stdout=subprocess.PIPE, text=True)


def test_a_writer_killed_between_any_two_statements_loses_nothing_acknowledged(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    fresh(url).close()
    writer = start_writer(url, "ann", 100_000)
    assert writer.stdout is not None
    told = [writer.stdout.readline().strip() for _ in range(60)]
    writer.send_signal(signal.SIGKILL)
    told += writer.stdout.read().split()
    writer.wait()
    store = open_store(url, N_CLASSES)
    kept = [event.event_id for event in store.iter_events()]
    assert len(kept) == len(set(kept))
    assert set(told) <= set(kept)
    assert len(kept) - len(told) <= 1
    before = list(store.iter_states(Round.ANNOTATION))
    store.rebuild()
    assert list(store.iter_states(Round.ANNOTATION)) == before


def test_two_processes_that_write_at_once_wait_for_each_other(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    fresh(url).close()
    writers = [start_writer(url, name, 80) for name in PEOPLE]
    told = [line for writer in writers for line in writer.communicate(timeout=600)[0].split()]
    assert [writer.returncode for writer in writers] == [0, 0]
    store = open_store(url, N_CLASSES)
    assert sorted(event.event_id for event in store.iter_events()) == sorted(told)


def test_the_migrations_make_exactly_the_tables_of_the_code(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="upgrade multilabelfy"):
        open_engine(url)


def test_every_commit_reaches_the_disk(store: SqlStore) -> None:
    with store._engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(sa.text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_place_that_cannot_be_opened_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open the store"):
        open_store(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.sqlite'}", 1)
    with pytest.raises(StoreError) as raised:
        open_store("postgresql+psycopg://me:secret@127.0.0.1:9/none", 1)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("n_people", [1, 2, 400])
def test_a_save_of_many_people_asks_once_and_through_whole_indices(tmp_path: Path, n_people: int) -> None:
    from pipeline.store.deriving import rows_of
    from pipeline.store.tables import events, states, tasks

    engine = open_engine(f"sqlite:///{tmp_path / 'store.sqlite'}")
    keys = [("annotation", f"person {i}", i) for i in range(n_people)]
    asked: list[tuple[str, tuple[str, ...]]] = []
    with engine.connect() as connection:
        connection.begin()
        sa.event.listen(
            connection, "before_cursor_execute", lambda _c, _k, text, values, *_: asked.append((text, values))
        )
        for table in (tasks, events, states):
            assert list(rows_of(connection, table, keys, sa.select(table))) == []
        assert len(asked) == 3
        for text, values in asked.copy():
            plan = [row.detail for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
            assert [line for line in plan if "SCAN" in line] == ["SCAN k VIRTUAL TABLE INDEX 1:"]
            assert "round=?" in plan[-1]
            assert "annotator=?" in plan[-1]
            assert "image_index=?" in plan[-1]


def test_a_list_that_somebody_changes_between_two_parts_is_read_again(store: SqlStore) -> None:
    known: dict[str, set[int]] = {}
    assert store.assign(Round.ANNOTATION, [Assignment("ann", 2), Assignment("ann", 7)], known) == 1
    store.assign(Round.ANNOTATION, [Assignment("ann", 8)])
    assert store.assign(Round.ANNOTATION, [Assignment("ann", image) for image in (7, 8, 9)], known) == 1
    assert known == {"ann": {0, 1, 2, 7, 8, 9}}
    tasks = store.tasks(Round.ANNOTATION, "ann", range(7))
    assert [(task.position, task.image_index) for task in tasks] == list(enumerate([0, 1, 2, 7, 8, 9]))


def test_who_has_many_images_is_read_from_end_to_end(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.assign(Round.ANNOTATION, [Assignment("ben", 9)])
    looked_up = store.annotators_of_images(Round.ANNOTATION, [0, 9, 11])
    monkeypatch.setattr(task_lists, "_MANY_TASKS", 1)
    assert store.annotators_of_images(Round.ANNOTATION, [0, 9, 11]) == looked_up
    assert looked_up == {0: {"ann", "ben"}, 9: {"ben"}, 11: set()}
    assert store.annotators_of_images(Round.REFINEMENT, [0]) == {0: set()}
