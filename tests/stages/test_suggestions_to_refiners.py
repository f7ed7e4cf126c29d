"""What models believe in and nobody was shown goes to refiners, unmarked, and counts by their vote alone."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from simulation import decide
from toy_projects import Toys, copy_of

from pipeline.annotation.session import Task
from pipeline.project.folder import open_project
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.project.settings import write_settings
from pipeline.sessions.local import LocalSession
from pipeline.sessions.messages import task_message
from pipeline.sessions.suggested import write_suggestions
from pipeline.stages.assign import assign_project
from pipeline.stages.settle import settle_project
from pipeline.votes.words import Round

N_PROPOSALS = 3


@pytest.fixture
def toys(proposed: Toys, tmp_path: Path) -> Toys:
    """Return a project with few proposals, that ada and ben (simulated) have labelled without any search."""
    toys = copy_of(proposed, tmp_path / "project")
    settings = toys.project.settings.with_changes("proposals", n_proposals=N_PROPOSALS)
    write_settings(settings.with_changes("consensus", evidence="models"), toys.project.root / "mlf.toml")
    project = open_project(toys.project.root)
    assign_project(project, ["ada", "ben"], 2, kind="simulated")
    for name in ("ada", "ben"):
        decide(project, name, lambda task: dict.fromkeys(true_of(toys, task) & offered(task), "yes"))
    return Toys(project, toys.truth)


def true_of(toys: Toys, task: Task) -> frozenset[int]:
    return toys.truth[toys.image_ids[task.image_index]]


def offered(task: Task) -> set[int]:
    return {proposal.class_index for proposal in task.proposals}


def tasks_of(toys: Toys, name: str, round_: Round) -> list[Task]:
    session = LocalSession(open_project(toys.project.root), name, round_)
    return session.tasks(range(session.open().progress.n_tasks))


def test_suggestions_are_refined_and_settled_from_end_to_end(toys: Toys) -> None:
    before = settle_project(toys.project)
    printed = run_mlf("refine", toys.project.root, "--refiners", "dora", "--simulated", "--rule", "suggested")
    assert "Also asked about, unmarked: " in printed
    proposed = pq.read_table(toys.project.proposals_path).column("class_index").to_pylist()
    tasks = tasks_of(toys, "dora", Round.REFINEMENT)
    suggested = {(task.image_index, c) for task in tasks for c in offered(task) - set(proposed[task.image_index][:3])}
    assert suggested
    assert suggested == set(zip(before.suggestions["image_index"], before.suggestions["class_index"], strict=True))
    for task in tasks:
        asked = {c for image, c in suggested if image == task.image_index}
        assert asked <= set(task.open_labels)
        assert task.evidence is not None
        assert not asked & set(task.evidence.votes)
        message = task_message(task, ImageNumbers(bytes(32)))
        assert {tuple(sorted(p)) for p in message["proposals"]} == {("class_index", "model", "score", "view")}
        assert {(p["score"], p["model"], p["view"]) for p in message["proposals"]} == {(None, "", None)}
    truth = {(image, c) for image, c in suggested if c in toys.truth[toys.image_ids[image]]}
    assert len(truth) > 0
    decide(
        toys.project,
        "dora",
        lambda task: {c: "yes" if c in true_of(toys, task) else "no" for c in offered(task) | set(task.open_labels)},
        round_=Round.REFINEMENT,
        shown=lambda task: tuple(sorted(offered(task) | set(task.open_labels))),
    )
    settled = settle_project(toys.project)
    rows = settled.labels.to_pylist()
    sources = {(row["image_index"], row["class_index"]): row["source"] for row in rows}
    assert {pair for pair in suggested if pair in sources} == truth
    assert {sources[pair] for pair in truth} == {"refined"}
    n_classes = len(toys.project.label_space)
    n_lacking = sum(len(toys.truth[name] - set(proposed[i][:3])) for i, name in enumerate(toys.image_ids))
    by_chance = n_lacking / (len(toys.image_ids) * (n_classes - N_PROPOSALS))
    assert len(truth) / len(suggested) > 5 * by_chance
    again = run_mlf("refine", toys.project.root, "--refiners", "dora", "--simulated", "--rule", "suggested")
    assert "0 images with labels that models believe in and nobody was asked about newly given" in again


def test_without_models_as_evidence_nothing_is_suggested_and_the_command_says_what_to_set(toys: Toys) -> None:
    settings = toys.project.settings.with_changes("consensus", evidence="votes")
    write_settings(settings, toys.project.root / "mlf.toml")
    told = run_mlf("refine", toys.project.root, "--refiners", "dora", "--simulated", "--rule", "suggested", code=2)
    assert 'evidence = "models"' in " ".join(told.split())


def test_a_running_session_sees_what_was_suggested_meanwhile_and_a_blind_refiner_must_answer_it(toys: Toys) -> None:
    write_settings(
        toys.project.settings.with_changes("refinement", blind_first=True, audit_share=1.0),
        toys.project.root / "mlf.toml",
    )
    run_mlf("refine", toys.project.root, "--refiners", "dora", "--simulated")
    session = LocalSession(open_project(toys.project.root), "dora", Round.REFINEMENT)
    task = session.tasks([0])[0]
    n_classes = len(session.label_space())
    new = next(c for c in range(n_classes) if c not in offered(task) | set(task.open_labels))
    write_suggestions(toys.project, [(task.image_index, new)])
    asked = session.tasks([0])[0]
    assert new in asked.open_labels
    assert new in offered(asked)
    assert asked.evidence is None
