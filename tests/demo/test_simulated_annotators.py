"""Simulated annotators: error rates as set, errors where classes are confused, events as a widget makes them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from pipeline.annotation.events import EventKind
from pipeline.datasets.create import init_project
from pipeline.demo.annotator import SimulatedAnnotator
from pipeline.demo.behaviour import Behaviour, judge
from pipeline.demo.live import Colleagues
from pipeline.demo.toybox_truth import confusable_classes, toybox_truth
from pipeline.errors import DatasetError, StoreError
from pipeline.project.folder import Project
from pipeline.sessions.local import LocalSession
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions
from pipeline.store import open_project_store
from pipeline.toybox import ToyboxPaths, write_toybox
from pipeline.votes.words import Round

N_SCENES, N_PROPOSALS = 12, 9
FAULTLESS = Behaviour(miss=0, false_alarm=0, unsure=0, adds=1, slip=0)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> ToyboxPaths:
    root = tmp_path_factory.mktemp("simulation") / "box"
    return write_toybox(root, seed=2, n_scenes=N_SCENES, n_reference=1)


@pytest.fixture
def project(box: ToyboxPaths, tmp_path: Path) -> Project:
    """Return a project whose proposals hold all true classes of each image except the last."""
    made = init_project(tmp_path / "project", str(box.scenes_csv), str(box.classes))
    truth = toybox_truth(made, box.truth)
    rows = []
    for image in range(N_SCENES):
        known = sorted(truth[image])[:-1]
        others = [c for c in range(56) if c not in truth[image]]
        rows.append((known + Random(image).sample(others, len(others)))[:N_PROPOSALS])
    np.savez(tmp_path / "m.npz", model=np.array(rows, dtype=np.int16))
    propose_from_predictions(made, tmp_path / "m.npz")
    assign_project(made, ["robin", "sasha"], 2, kind="simulated")
    return made


def _annotator(
    project: Project, box: ToyboxPaths, name: str, behaviour: Behaviour, **options: object
) -> SimulatedAnnotator:
    truth = toybox_truth(project, box.truth)
    round_ = options.pop("round_", Round.ANNOTATION)
    session = LocalSession(project, name, round_)
    return SimulatedAnnotator(session, behaviour, truth, confusable_classes(project.label_space), **options)


def test_errors_come_at_the_rates_that_were_set_and_mostly_where_classes_are_confused() -> None:
    behaviour = Behaviour(miss=0.2, false_alarm=0.03, confusion=10, unsure=0)
    truth = frozenset({0, 1, 2})
    confusable = {0: frozenset({5}), 5: frozenset({0})}
    rng = Random(0)
    n, missed, alarmed = 20_000, np.zeros(20), np.zeros(20)
    for _ in range(n):
        said = judge(behaviour, range(20), truth, confusable, rng)
        for c in range(20):
            missed[c] += c in truth and c not in said
            alarmed[c] += c not in truth and c in said
    assert missed.sum() / (3 * n) == pytest.approx(0.2, rel=0.03)
    assert alarmed.sum() / (17 * n) == pytest.approx(0.03, rel=0.03)
    assert missed[0] / missed[1] == pytest.approx(10, rel=0.15)
    assert alarmed[5] / np.mean(np.delete(alarmed, [0, 1, 2, 5])) == pytest.approx(10, rel=0.1)


def test_unsure_takes_the_place_of_errors_and_classes_not_proposed_are_added_at_their_rate() -> None:
    rng = Random(1)
    behaviour = Behaviour(miss=0.5, false_alarm=0.5, confusion=1, unsure=1.0, adds=0.25)
    says = [judge(behaviour, [0, 1], frozenset({0, 9}), {}, rng) for _ in range(4000)]
    assert not any(said.get(1) == "yes" for said in says)
    assert all(said[0] in {"yes", "unsure"} for said in says)
    assert np.mean([said[0] == "unsure" for said in says]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([9 in said for said in says]) == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("wrong", [{"miss": 1.5}, {"false_alarm": -0.1}, {"confusion": 0.5}])
def test_rates_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Behaviour(**wrong)


def test_a_faultless_annotator_labels_the_truth_and_has_seen_every_proposal(project: Project, box: ToyboxPaths) -> None:
    assert _annotator(project, box, "robin", FAULTLESS).work() == N_SCENES
    session, truth = LocalSession(project, "robin"), toybox_truth(project, box.truth)
    tasks = session.tasks(range(N_SCENES))
    assert len(tasks) == N_SCENES
    for task in tasks:
        assert frozenset(task.state.label_set) == truth[task.image_index]
        proposed = {proposal.class_index for proposal in task.proposals}
        assert set(task.state.shown) == proposed | truth[task.image_index]
        assert 500 < task.state.active_ms < 120_000
    assert session.open().is_simulated


def test_events_show_pages_one_after_the_other_as_the_widget_does(project: Project, box: ToyboxPaths) -> None:
    annotator = _annotator(project, box, "sasha", dataclasses.replace(FAULTLESS, slip=1.0))
    (task,) = LocalSession(project, "sasha").tasks([0])
    events = annotator.events(task)
    page = [proposal.class_index for proposal in task.proposals][:5]
    assert [event.kind for event in events[:2]] == [EventKind.VOTE, EventKind.UNDO]
    assert events[1].payload["target"] == events[0].event_id
    assert list(events[0].shown) == page
    sizes = [len(event.shown) for event in events]
    assert sizes == sorted(sizes)
    assert sizes[-1] >= N_PROPOSALS
    assert {event.order for event in events} == {"score"}


def test_the_same_seed_makes_the_same_events_so_working_again_changes_nothing(
    project: Project, box: ToyboxPaths
) -> None:
    behaviour = Behaviour(miss=0.3, false_alarm=0.1)
    (task,) = LocalSession(project, "robin").tasks([3])
    first, again, other = (_annotator(project, box, "robin", behaviour, seed=seed).events(task) for seed in (4, 4, 5))
    assert [event.event_id for event in first] == [event.event_id for event in again]
    assert [event.payload for event in first] == [event.payload for event in again]
    assert {event.event_id for event in first}.isdisjoint(event.event_id for event in other)
    session = LocalSession(project, "robin")
    seqs = [result.seq for result in session.save(first)]
    assert [result.seq for result in session.save(again)] == seqs


def test_a_refiner_says_a_word_on_every_disputed_label(
    project: Project, box: ToyboxPaths, give_to_refiners: Callable[..., None]
) -> None:
    _annotator(project, box, "robin", FAULTLESS).work()
    _annotator(project, box, "sasha", Behaviour(miss=0.6, false_alarm=0.2, unsure=0)).work()
    give_to_refiners(project, range(N_SCENES), "kim", kind="simulated")
    disputed = {
        t.image_index: t.open_labels for t in LocalSession(project, "kim", Round.REFINEMENT).tasks(range(N_SCENES))
    }
    assert any(disputed.values())
    assert _annotator(project, box, "kim", FAULTLESS, round_=Round.REFINEMENT).work() == N_SCENES
    truth = toybox_truth(project, box.truth)
    for task in LocalSession(project, "kim", Round.REFINEMENT).tasks(range(N_SCENES)):
        for class_index in disputed[task.image_index]:
            assert task.state.votes[class_index] == ("yes" if class_index in truth[task.image_index] else "no")


def test_a_program_does_not_vote_under_the_name_of_a_person(project: Project, box: ToyboxPaths) -> None:
    with open_project_store(project) as store:
        store.add_annotators(["ada"], kind="human")
    with pytest.raises(StoreError, match="'ada' is not registered as simulated"):
        _annotator(project, box, "ada", FAULTLESS)


def test_images_that_are_not_of_the_toybox_are_refused_by_name(project: Project, tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text('{"other.jpg": []}')
    with pytest.raises(DatasetError, match=r"scenes/0000\.jpg"):
        toybox_truth(project, tmp_path / "truth.json")


def test_colleagues_decide_images_while_somebody_else_works_and_stop_when_told(
    project: Project, box: ToyboxPaths
) -> None:
    people = [_annotator(project, box, name, FAULTLESS) for name in ("robin", "sasha")]
    with Colleagues(people, every_s=0.02) as colleagues:
        deadline = time.monotonic() + 600
        while min(LocalSession(project, name).progress().n_done for name in ("robin", "sasha")) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    done = [LocalSession(project, name).progress().n_done for name in ("robin", "sasha")]
    assert colleagues.failures == {}
    time.sleep(0.2)
    assert [LocalSession(project, name).progress().n_done for name in ("robin", "sasha")] == done
