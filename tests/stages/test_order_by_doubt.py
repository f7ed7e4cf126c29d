"""`mlf assign --order uncertain`: votes go first where most labels are in doubt."""

from __future__ import annotations

import numpy as np
import pytest
from command_line import run_mlf
from simulation import annotate
from toy_projects import Toys, copy_of, states_of

from pipeline.proposals.reader import ProposalReader
from pipeline.proposals.uncertainty import expected_wrong_guesses
from pipeline.stages.assign import assign_project, read_tasks
from pipeline.stages.votes_of_project import read_project_votes
from pipeline.stages.worth_a_vote import expected_wrong_labels
from pipeline.store import open_project_store
from pipeline.votes.words import AssignOrder, Round


def tasks_of(toys: Toys):
    with open_project_store(toys.project) as store:
        return read_tasks(store)


def doubt_of(toys: Toys):
    with open_project_store(toys.project) as store:
        return expected_wrong_labels(toys.project, read_project_votes(toys.project, store))


def n_wrong(toys: Toys, image: int) -> int:
    """Count the labels that the majority of an image's annotators gets wrong among those that were shown."""
    states = states_of(toys.project, Round.ANNOTATION)[image].values()
    shown = set.union(*(set(state.shown) for state in states))
    said = {c for c in shown if sum(c in state.label_set for state in states) * 2 > len(states)}
    return len(said ^ (toys.truth[toys.image_ids[image]] & shown))


def test_guesses_are_wrong_as_often_as_their_probabilities_say():
    scores = np.array([[0.9, 0.5, 0.1], [1.0, 0.0, np.nan], [1.5, -1.0, 0.2]])
    assert expected_wrong_guesses(scores).tolist() == pytest.approx([0.7, 0.0, 0.2])


def test_without_votes_the_images_with_the_most_doubtful_proposals_come_first(proposed: Toys, tmp_path):
    toys = copy_of(proposed, tmp_path / "project")
    summary = assign_project(toys.project, ["ada", "ben"], 2, n_images=10, order=AssignOrder.UNCERTAIN)
    n_shown = toys.project.settings.proposals.n_proposals
    scores = ProposalReader(toys.project.proposals_path).as_arrays().score[:, :n_shown]
    doubt = [sum(min(score, 1 - score) for score in row if score == score) for row in scores.tolist()]
    given = set(tasks_of(toys).image_index.tolist())
    assert summary.n_images == len(given) == 10
    assert min(doubt[image] for image in given) >= max(d for i, d in enumerate(doubt) if i not in given) - 1e-6


def test_a_third_vote_goes_where_most_labels_are_wrong(fresh: Toys):
    n_images = len(fresh.image_ids)
    n_third = n_images // 3
    before = {image: n_wrong(fresh, image) for image in range(n_images)}
    said = run_mlf(
        "assign", fresh.project.root, "--annotators", "ada,ben,cleo,dora", "--per-image", 3, "--images", n_third,
        "--order", "uncertain",
    )  # fmt: skip
    tasks = tasks_of(fresh)
    chosen = {image for image, who in tasks.people_of_images().items() if len(who) == 3}
    assert len(chosen) == n_third
    assert f"{n_third:,} tasks completed images" in said
    assert "most labels in doubt came first" in said
    others = set(range(n_images)) - chosen
    assert np.mean([before[i] for i in chosen]) > 2 * np.mean([before[i] for i in others])


def test_votes_teach_which_proposals_of_new_images_are_in_doubt(proposed: Toys, tmp_path):
    """Where nobody has voted, the doubt is in line with how often guessing by the proposals' ranks would be wrong."""
    toys = copy_of(proposed, tmp_path / "project")
    n_images = len(toys.image_ids)
    assign_project(toys.project, ["ada", "ben"], 2, n_images=n_images // 2, kind="simulated")
    for name in ("ada", "ben"):
        annotate(toys.project, name, toys.truth, miss=0.1, seed=4)
    doubt = doubt_of(toys)
    with open_project_store(toys.project) as store:
        voted = np.unique(read_project_votes(toys.project, store).annotation.item_image)
    new = np.setdiff1d(np.arange(n_images), voted)
    assert doubt[new].mean() > 2 * doubt[voted].mean()
    classes = ProposalReader(toys.project.proposals_path).as_arrays().class_index
    n_true = np.array([len(toys.truth[toys.image_ids[i]] & set(classes[i].tolist())) for i in new])
    # Nobody guesses better than to name all of an image's labels or none of them; doubt lies in between.
    assert 0 < doubt[new].mean() < n_true.mean()
    assign_project(toys.project, ["ada", "ben"], 2, n_images=5, order=AssignOrder.UNCERTAIN)
    given = np.setdiff1d(tasks_of(toys).image_index, voted)
    assert doubt[given].min() >= np.sort(doubt[new])[-5] - 1e-9
