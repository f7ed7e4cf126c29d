"""An experiment and search probes from end to end: settings, what is shown, what is logged, what the report says."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from toy_projects import Toys, copy_of

from pipeline.demo.annotator import SimulatedAnnotator
from pipeline.demo.behaviour import Behaviour
from pipeline.project.folder import open_project
from pipeline.project.presentation import CONTROL, Presentation
from pipeline.project.settings import write_settings
from pipeline.reports import experiments_report, headlines
from pipeline.sessions.local import LocalSession
from pipeline.stages.analyze import ProjectAnalysis, analyze_project
from pipeline.stages.assign import assign_project

N_PROPOSALS = 4


@pytest.fixture(scope="module")
def tried(proposed: Toys, tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """Return a project with few proposals, an experiment and probes, that two faultless programs have labelled."""
    toys = copy_of(proposed, tmp_path_factory.mktemp("tried") / "project")
    settings = toys.project.settings.with_changes("proposals", n_proposals=N_PROPOSALS)
    settings = settings.with_changes("experiment", share=0.5, conditions=["shuffled", "scores-shown"], probe_share=0.4)
    write_settings(settings, toys.project.root / "mlf.toml")
    project = open_project(toys.project.root)
    assign_project(project, ["ada", "ben"], 2, kind="simulated")
    truth = dict(enumerate(toys.truth[image_id] for image_id in toys.image_ids))
    faultless = Behaviour(miss=0, false_alarm=0, unsure=0, adds=0, searches=1, slip=0)
    for name in ("ada", "ben"):
        SimulatedAnnotator(LocalSession(project, name), faultless, truth, {}).work(images_at_once=20)
    return Toys(project, toys.truth)


@pytest.fixture(scope="module")
def analysis(tried: Toys) -> ProjectAnalysis:
    """Return its stage 3."""
    return analyze_project(tried.project, n_resamples=0)


def test_each_task_is_shown_as_drawn_and_stays_so(tried: Toys) -> None:
    proposals = pq.read_table(tried.project.proposals_path).column("class_index").to_pylist()
    seen = {}
    for name in ("ada", "ben"):
        session = LocalSession(tried.project, name)
        tasks = session.tasks(range(session.open().progress.n_tasks))
        again = LocalSession(open_project(tried.project.root), name).tasks(range(len(tasks)))
        assert [(t.proposals, t.order, t.is_probe) for t in tasks] == [
            (t.proposals, t.order, t.is_probe) for t in again
        ]
        for task in tasks:
            shown = Presentation.parse(task.order)
            assert shown is not None
            seen.setdefault(shown.condition, []).append(task)
            offered = [proposal.class_index for proposal in task.proposals]
            ranked = proposals[task.image_index][:N_PROPOSALS]
            assert sorted(offered) == sorted(ranked)
            assert shown.order == ("shuffled" if shown.condition == "shuffled" else "score")
            if shown.order == "score":
                assert offered == ranked
            assert shown.shows_scores == (shown.condition == "scores-shown")
            assert shown.is_probe == task.is_probe
    assert set(seen) == {CONTROL, "shuffled", "scores-shown"}
    orders = [[p.rank for p in task.proposals] for task in seen["shuffled"]]
    assert len(set(map(tuple, orders))) > 3


def test_the_log_says_how_each_vote_was_asked_for(tried: Toys) -> None:
    session = LocalSession(tried.project, "ada")
    order = {task.image_index: task.order for task in session.tasks(range(session.open().progress.n_tasks))}
    log = list(session._store.iter_events(annotator="ada"))
    assert {event.image_index for event in log} == set(order)
    assert all(event.order == order[event.image_index] for event in log)


def test_searching_finds_what_the_proposals_lack_exactly_where_searchers_are_faultless(
    tried: Toys, analysis: ProjectAnalysis
) -> None:
    session = LocalSession(tried.project, "ada")
    probed = [task for task in session.tasks(range(session.open().progress.n_tasks)) if task.is_probe]
    truth = {task.image_index: tried.truth[tried.image_ids[task.image_index]] for task in probed}
    proposed = {task.image_index: {proposal.class_index for proposal in task.proposals} for task in probed}
    found = analysis.experiments.probes
    assert found is not None
    assert (found.n_images, found.n_searched, found.n_asked) == (len(probed), 2 * len(probed), 2 * len(probed))
    assert found.n_proposed == sum(len(truth[i] & proposed[i]) for i in truth)
    assert found.n_unproposed == sum(len(truth[i] - proposed[i]) for i in truth) > 0
    assert (found.n_by_one, found.n_by_more) == (0, found.n_unproposed)
    assert found.found_anyway is not None
    assert found.found_anyway.value == 0  # these annotators add nothing unless they are asked to search
    n_missing = sum(
        len(tried.truth[tried.image_ids[i]] - {p.class_index for p in session.tasks([position])[0].proposals})
        for position in range(session.open().progress.n_tasks)
        for i in [session.tasks([position])[0].image_index]
    )
    missing = found.missing_in(len(tried.image_ids))
    assert missing.low <= n_missing <= missing.high


def test_effects_are_none_where_annotators_see_what_is_there_and_every_task_is_counted_once(
    tried: Toys, analysis: ProjectAnalysis
) -> None:
    found = analysis.experiments
    assert sum(found.n_tasks.values()) == 2 * len(tried.image_ids)
    assert found.n_mixed == 0
    assert found.anchoring is not None
    everything = found.anchoring[found.anchoring["last_rank"].isna() & (found.anchoring["first_rank"] == 1)]
    assert set(everything["condition"]) == {"shuffled", "scores-shown"}
    assert ((everything["low"] <= 0) & (everything["high"] >= 0)).all()
    assert (everything["n_votes"] == [N_PROPOSALS * found.n_tasks[name] for name in everything["condition"]]).all()


def test_the_report_shows_both_with_their_denominators(analysis: ProjectAnalysis) -> None:
    missed = experiments_report.missed_by_proposals(analysis).text
    assert "somebody could find" in missed
    assert any("somebody could find" in line for line in headlines.disagreement_headline(analysis.summary))
    shown = experiments_report.way_of_showing(analysis).text
    assert "proposals shuffled" in shown
    assert "scores shown" in shown


def test_a_task_seen_in_two_ways_is_left_out_and_said(tried: Toys, tmp_path: Path) -> None:
    toys = copy_of(tried, tmp_path / "project")
    write_settings(toys.project.settings.with_changes("experiment", share=0.0), toys.project.root / "mlf.toml")
    session = LocalSession(open_project(toys.project.root), "ada")
    task = session.tasks([0])[0]
    assert Presentation.parse(task.order).condition == ""
    session.save([event_again(session, task)])
    found = analyze_project(open_project(toys.project.root), n_resamples=0).experiments
    assert found.n_mixed == 1
    assert sum(found.n_tasks.values()) == 2 * len(toys.image_ids) - 1


def event_again(session: LocalSession, task):
    """Return one more decision on a task, shown as it is now."""
    from pipeline.annotation.events import Event, EventKind

    return Event(
        "decided-again-1", session.round, "ada", task.image_index, EventKind.UNSURE, {"value": True}, order=task.order
    )
