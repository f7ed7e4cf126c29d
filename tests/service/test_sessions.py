"""One suite for every way to the store: the folder, the service on SQLite, the service on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PIL import Image
from serving import ServiceProcess, StubHub, assign_small, make_project, vote, with_store

from pipeline.annotation.events import EventKind
from pipeline.annotation.folding import ImageState
from pipeline.annotation.session import AnnotationSession, TaskFilter, Unreadable
from pipeline.errors import DatasetError, StoreError
from pipeline.examples.reader import ExampleReader
from pipeline.project.folder import Project, open_project
from pipeline.project.settings import write_settings
from pipeline.service.client import RemoteSession
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round

pytestmark = pytest.mark.xdist_group("service")  # each place is started once

KINDS = ["local", "service-sqlite", pytest.param("service-postgres", marks=pytest.mark.postgres)]


class Place:
    """A project (with or without blind-first refiners) and the way to its sessions."""

    def __init__(self, project: Project, url: str = "") -> None:
        self.project, self._url = project, url

    def session(self, name: str = "ann", round_: Round = Round.ANNOTATION) -> AnnotationSession:
        if self._url:
            return RemoteSession(self._url, f"token-{name}", round_)
        return LocalSession(self.project, name, round_)


@pytest.fixture(scope="module", params=KINDS)
def open_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Yield one kind of place, started once; each test uses different images."""
    project = make_project(tmp_path_factory.mktemp("place"))
    settings = project.settings.with_changes("annotation", own_progress="pace and gold")
    write_settings(settings.with_changes("refinement", blind_first=True), project.root / "mlf.toml")
    project = open_project(project.root)
    if request.param == "local":
        yield Place(project)
        return
    if request.param == "service-postgres":
        project = with_store(project, request.getfixturevalue("postgres").new_database())
        assign_small(project)
    with StubHub() as hub, ServiceProcess(project, hub) as service:
        yield Place(project, service.url)


def test_a_session_opens_with_its_own_tasks(open_place: Place) -> None:
    session = open_place.session("cleo", Round.REFINEMENT)
    info = session.open()
    assert (info.annotator, info.round, info.n_classes) == ("cleo", Round.REFINEMENT, 6)
    assert info.progress.n_tasks == 4
    assert session.annotator == "cleo"


def test_classes_tasks_pictures_and_grids_are_those_of_the_folder(open_place: Place) -> None:
    session, local = open_place.session("ben"), LocalSession(open_place.project, "ben")
    sources = ExampleReader(open_place.project.examples_path).sources
    assert session.label_space() == local.label_space()
    assert session.tasks([3, 1, 99]) == local.tasks([3, 1, 99])
    assert session.image(2, 40) == local.image(2, 40)
    assert session.image(2, None) == local.image(2, None)
    assert session.sprite(1) == local.sprite(1)
    assert session.sprite(1).n_examples == 0  # its images are its examples, and these are for no task in particular
    for class_index, group in [(c, g) for c in range(6) for g in "0123" if local.sprite(c, g).n_examples]:
        assert session.sprite(class_index, group) == local.sprite(class_index, group)
        assert session.example(class_index, 0, group) == local.example(class_index, 0, group)
        own = {task.image_index for task in local.tasks(range(10)) if task.example_group == group}
        assert own.isdisjoint(int(source.split(".")[0]) for source in sources(class_index, group))
    assert session.grid(0, 1, 2) == local.grid(0, 1, 2)
    assert session.images([4, 99, 0], 40) == local.images([4, 99, 0], 40)


def test_guidelines_their_lines_and_their_pictures_are_those_of_the_folder(open_place: Place) -> None:
    root = open_place.project.root
    keys = open_place.project.label_space.keys
    (root / "guidelines.md").write_text(f"Look. ![](stripes.png)\n## Classes\n- {keys[0]} / {keys[1]}: Not the same.")
    Image.new("RGB", (9, 7)).save(root / "stripes.png")
    session = open_place.session("ben")
    info = session.open()
    assert info.annotation.guidelines.startswith("Look.")
    assert [(line.class_indices, line.text) for line in info.class_lines] == [((0, 1), "Not the same.")]
    assert (session.guideline_picture(0).width_px, session.guideline_picture(0).height_px) == (9, 7)
    with pytest.raises(DatasetError, match="no picture 1"):
        session.guideline_picture(1)


def test_ones_own_progress_is_that_of_the_folder(open_place: Place) -> None:
    session = open_place.session("ben")
    before = session.own_progress()
    assert session.save([replace(vote("progress-vote-1", 2, 1), annotator="ben", active_ms=1200)])[0].seq
    own = session.own_progress()
    assert own == LocalSession(open_place.project, "ben").own_progress()
    assert (own.n_timed, own.progress.n_done) == (before.n_timed + 1, before.progress.n_done + 1)


def test_a_saved_vote_is_read_back_and_saving_it_again_changes_nothing(open_place: Place) -> None:
    session = open_place.session()
    event = vote("same-vote-1", 0, 2)
    first, again = session.save([event]), session.save([event, event])
    assert first[0].seq is not None
    assert {result.seq for result in again} == {first[0].seq}
    assert session.tasks([0])[0].state.votes == {2: "yes"}
    changes = session.changes(first[0].seq - 1)
    assert changes.states[0].votes == {2: "yes"}
    assert changes.last_seq == first[0].seq


def test_every_kind_of_event_arrives_as_it_was_made(open_place: Place) -> None:
    session = open_place.session()
    base = vote("kind-vote-1", 1, 1)
    comment = "<script>alert(1)</script>'; DROP TABLE events; -- \u202e\u2028 ünï \U0001f426\x1b[31m"
    region = {"kind": "box", "x": 0.25, "y": 0.5, "width": 0.125, "height": 1}
    events = [
        base,
        replace(base, event_id="kind-comment", kind=EventKind.COMMENT, payload={"text": comment}),
        replace(base, event_id="kind-region", kind=EventKind.REGION, payload={"class_index": 1, "regions": [region]}),
        replace(base, event_id="kind-unsure", kind=EventKind.UNSURE, payload={"value": True}),
        replace(base, event_id="kind-undo-1", kind=EventKind.UNDO, payload={"target": "kind-unsure"}),
    ]
    results = session.save(events)
    assert [result.error for result in results] == [""] * 5
    seqs = [result.seq or 0 for result in results]
    assert seqs == sorted(seqs)
    expected = ImageState(
        votes={1: "yes"}, comment=comment, regions={1: [region]}, shown=(1,), active_ms=50, last_seq=seqs[-1]
    )
    assert session.tasks([1])[0].state == expected
    assert session.find(TaskFilter.COMMENTED, 0, 1) == 1
    assert session.open().redo[-1] == ("kind-unsure", 1)


def test_what_does_not_fit_is_refused_alone(open_place: Place) -> None:
    session = open_place.session()
    refused = [
        vote("bad-image-1", 11),
        vote("bad-class-1", 2, 6),
        vote("bad-word-01", 2, word="maybe"),
        vote("short", 2),
        vote("bad-owner-1", 2, annotator="ben"),
        vote("bad-round-1", 2, round=Round.REFINEMENT),
        vote("bad-shown-1", 2, shown=(77,)),
        vote("bad-time-01", 2, active_ms=-1),
    ]
    results = session.save([*refused, vote("good-vote-1", 2)])
    assert [result.seq is None for result in results] == [True] * len(refused) + [False]
    assert all(result.error for result in results[:-1])
    assert session.save(refused) == LocalSession(open_place.project, "ann").save(refused)


def test_what_cannot_be_kept_keeps_no_other_from_being_saved(open_place: Place) -> None:
    session = open_place.session()
    halved = replace(vote("half-char-1", 8), kind=EventKind.COMMENT, payload={"text": "cut \ud83d"})
    endless = replace(vote("endless-01", 8), kind=EventKind.COMMENT, payload={"text": "x" * 1_100_000})
    aeons = vote("too-long-1", 8, active_ms=2**31)
    results = session.save([halved, vote("beside-001", 8), endless, aeons, vote("beside-002", 8, 1)])
    assert [result.seq is None for result in results] == [True, False, True, True, False]
    assert [session.save([event])[0] for event in (halved, endless, aeons)] == [results[i] for i in (0, 2, 3)]
    local = LocalSession(open_place.project, "ann")
    assert local.save([halved, endless, aeons]) == [results[i] for i in (0, 2, 3)]


def test_an_undo_of_anothers_event_is_refused(open_place: Place) -> None:
    open_place.session("ben").save([vote("bens-vote-1", 3, annotator="ben")])
    undo = replace(vote("undo-of-ben", 3), kind=EventKind.UNDO, payload={"target": "bens-vote-1"})
    assert open_place.session().save([undo])[0].seq is None
    assert open_place.session("ben").tasks([3])[0].state.votes == {0: "yes"}


def test_two_tabs_with_clocks_apart_agree_on_the_stores_order(open_place: Place) -> None:
    one, other = open_place.session(), open_place.session()
    one.save([vote("tab-one-001", 4, 0, "yes", client_time="2030-01-01T00:00:00+14:00")])
    other.save([vote("tab-two-001", 4, 0, "no", client_time="1999-12-31T23:00:00-11:00")])
    for session in (one, other):
        assert session.tasks([4])[0].state.votes == {0: "no"}
        assert session.changes(0).states[4].votes == {0: "no"}


def test_refiners_see_votes_without_names(open_place: Place) -> None:
    open_place.session().save([vote("evidence-01", 0, 5)])
    decisions = [vote(f"evidence-1{c}", 0, c, annotator="cleo", round=Round.REFINEMENT) for c in range(6)]
    open_place.session("cleo", Round.REFINEMENT).save(decisions)
    task = open_place.session("cleo", Round.REFINEMENT).tasks([0])[0]
    assert task.evidence is not None
    assert set(task.evidence.votes[5]) <= {"A", "B"}
    assert "ann" not in repr(task.evidence)
    assert open_place.session("ben").tasks([0])[0].evidence is None


def test_several_pictures_come_at_once_and_one_that_is_not_there_keeps_none_of_the_others(open_place: Place) -> None:
    session = open_place.session("ben")
    first, missing, last = session.images([7, 99, 3], 40)
    assert [first, last] == [session.image(7, 40), session.image(3, 40)]
    assert isinstance(missing, Unreadable)
    assert "99" in missing.reason
    assert session.images([], 40) == []
    with pytest.raises(StoreError, match="at most 100"):
        session.images(range(101), 40)


def test_a_grid_holds_the_tasks_that_propose_a_class_and_pass_the_filter(open_place: Place) -> None:
    session = open_place.session("ben")
    proposing = [i for i in range(10) if 3 in [(i + rank) % 6 for rank in range(4)]]  # as `make_project` ranks them
    assert session.grid(3, 0, 100).positions == tuple(proposing)
    assert session.grid(None, 2, 3).positions == (2, 3, 4)
    assert session.grid(None, 0, 1).n_total == 10
    unsure = replace(vote("grid-unsure", 8, 3, "unsure"), annotator="ben")
    session.save([unsure])
    for class_index, expected in ((3, (8,)), (None, (8,)), (5, (8,)), (0, ())):
        page = session.grid(class_index, 0, 100, TaskFilter.UNSURE)
        assert (page.positions, page.n_total) == (expected, len(expected))


def test_a_blind_refiner_is_told_the_questions_and_gets_the_answers_after_deciding(open_place: Place) -> None:
    open_place.session().save([vote("blind-ann-1", 2, 2), vote("blind-ann-2", 2, 3), vote("blind-ann-3", 2, 4)])
    open_place.session("ben").save([vote("blind-ben-1", 2, 3, annotator="ben")])
    refiner = open_place.session("cleo", Round.REFINEMENT)
    task = refiner.tasks([2])[0]
    assert task.evidence is None
    assert {2, 4} <= set(task.open_labels)
    assert 3 not in task.open_labels
    comment = replace(
        vote("blind-cleo-0", 2), annotator="cleo", round=Round.REFINEMENT, kind=EventKind.COMMENT, payload={"text": "?"}
    )
    refiner.save([comment])
    assert refiner.tasks([2])[0].evidence is None
    none = replace(
        comment, event_id="blind-cleo-none", kind=EventKind.NONE, payload={"value": True}, shown=(0, 1, 2, 3, 4, 5)
    )
    refiner.save([none])
    assert refiner.tasks([2])[0].evidence is None
    first, *others = [
        vote(f"blind-cleo-{c}x", 2, c, "no", annotator="cleo", round=Round.REFINEMENT) for c in task.open_labels
    ]
    refiner.save([first])
    assert refiner.tasks([2])[0].evidence is None, "one vote does not buy it"
    refiner.save(others)
    evidence = refiner.tasks([2])[0].evidence
    assert evidence is not None
    assert sorted(evidence.votes[3].values()) == ["yes", "yes"]
    assert evidence.voices == ("A", "B")


def test_what_is_not_there_is_a_data_set_error(open_place: Place) -> None:
    session = open_place.session()
    for ask in (
        lambda: session.image(99, None),
        lambda: session.sprite(6),
        lambda: session.example(0, 99),
        lambda: session.grid(6, 0, 1),
    ):
        with pytest.raises(DatasetError):
            ask()
    with pytest.raises(StoreError, match="at most 500"):
        session.tasks(range(501))


def test_many_events_are_saved_in_one_call(open_place: Place) -> None:
    session = open_place.session()
    text = "x" * 9_000
    events = [
        replace(vote(f"bulk-{i:06d}", 5 + i % 4), kind=EventKind.COMMENT, payload={"text": text}) for i in range(250)
    ]
    results = session.save(events)
    assert [result.event_id for result in results] == [event.event_id for event in events]
    assert len({result.seq for result in results} - {None}) == 250
