"""The budget study's notebook, start to end on small data, and the figures of the votes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import papermill
import pytest

from pipeline.consensus import match_original, reach_consensus
from pipeline.consensus.budget import (
    Policy,
    Record,
    first_votes,
    policies_for,
    projected,
    record_of,
    replay,
    votes_needed,
)
from pipeline.consensus.simulated_record import simulated_record
from pipeline.consensus.value_of_refining import chance_of_error, rank_by_value
from pipeline.disagreement import analyze_disagreement
from pipeline.disagreement.profiles import profile_annotators
from pipeline.errors import DatasetError
from pipeline.evaluation.label_scores import score_labels
from pipeline.formats.known_answers import read_known_table
from pipeline.formats.real_votes import read_raters
from pipeline.reports import vote_plots as plots
from pipeline.votes.agreement import agreement_matrix
from pipeline.votes.arrays import VoteArrays

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "budget_study.ipynb"


def test_the_notebook_carries_no_outputs():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in cells) == 1


def run_notebook(tmp_path, **parameters):
    """Execute the notebook in a folder outside the checkout; return what its cells printed."""
    done = tmp_path / "done.ipynb"
    papermill.execute_notebook(
        NOTEBOOK, done, parameters={"n_resamples": 20, **parameters}, progress_bar=False, cwd=tmp_path
    )
    return done.read_text()


def test_the_notebook_runs_as_it_stands_outside_the_checkout_and_says_that_votes_are_simulated(tmp_path):
    said = run_notebook(tmp_path)
    assert "SIMULATED" in said
    assert "two, a third where they differ" in said
    assert "image/png" in said


def test_the_notebook_takes_any_file_of_votes(tmp_path):
    votes, _, _ = simulated_record(n_images=60, n_each=3, seed=1)
    words = np.array(["no", "unsure", "yes"])
    people, said = votes.annotators[votes.annotator], words[votes.vote]
    table = votes.item_frame().iloc[votes.item].assign(annotator=people, vote=said)
    table.assign(image=table["image"].map("image {}".format)).to_csv(tmp_path / "votes.csv", index=False)
    said = run_notebook(tmp_path, votes=str(tmp_path / "votes.csv"))
    assert f"{votes.n_items:,} questions" in said
    assert "held back" in said
    assert "SIMULATED" not in said


def counted(votes):
    return np.bincount(votes.item, minlength=votes.n_items)


def test_a_replay_asks_for_what_each_policy_says():
    votes, truth, evidence = simulated_record(n_images=150, n_each=5)
    record = record_of(votes, truth, evidence=evidence)
    policies = (Policy("two", 2, 2), Policy("third", 2, 3), Policy("five", 5, 5), Policy("adaptive", 2, 5, 0.05))
    table = replay(record, policies, n_resamples=50).set_index("policy")
    assert table["votes_per_item"]["two"] == 2
    assert table["votes_per_item"]["five"] == 5
    assert 2 < table["votes_per_item"]["third"] < 3
    assert 2 < table["votes_per_item"]["adaptive"] < 5
    assert table["f1"]["five"] > table["f1"]["two"]
    assert ((table["low"] <= table["f1"]) & (table["f1"] <= table["high"])).all()
    informed = replay(record, policies, with_models=True, n_resamples=20).set_index("policy")
    assert informed["f1"]["two"] > table["f1"]["two"]
    needed = votes_needed(pd.concat([table.reset_index(), informed.reset_index()]), 0.0)
    assert needed["votes_per_item"].tolist() == [2, 2]
    with pytest.raises(DatasetError, match="asks for 6 votes"):
        replay(record, (Policy("six", 6, 6),))
    with pytest.raises(DatasetError, match="no model"):
        replay(record_of(votes, truth), policies, with_models=True)


def test_scores_against_the_truth_are_those_of_plain_counting():
    votes, truth, _ = simulated_record(n_images=120, n_each=3)
    row = replay(record_of(votes, truth), (Policy("all", 3, 3),), n_resamples=20).iloc[0]
    plain = score_labels(reach_consensus(votes).label, truth)
    assert row["f1"] == pytest.approx(plain.f1)
    assert row["precision"] == pytest.approx(plain.precision.value)
    assert row["recall"] == pytest.approx(plain.recall.value)


def test_a_vote_held_back_tells_what_the_truth_would_where_annotators_err_independently():
    votes, truth, _ = simulated_record(n_images=1200, n_each=4, alike=0.0, seed=2)
    by_vote = record_of(votes)
    assert by_vote.n_each == 3
    assert (counted(by_vote.votes) == 3).all()
    by_truth = Record(by_vote.votes, truth.astype(float))
    policies = policies_for(3)[:3]
    estimated, true = (replay(record, policies, n_resamples=100)["f1"] for record in (by_vote, by_truth))
    assert estimated.to_numpy() == pytest.approx(true.to_numpy(), abs=0.03)


@pytest.mark.parametrize("alike", [0.0, 0.3])
def test_a_projection_from_two_votes_foretells_what_more_votes_reach_and_is_hopeful_where_people_err_alike(alike):
    votes, truth, evidence = simulated_record(n_images=1200, n_each=5, alike=alike, seed=5)
    recorded = replay(record_of(votes, truth), policies_for(5)[:5], n_resamples=10)["f1"].to_numpy()
    turn = np.arange(votes.n_votes) - np.searchsorted(votes.item, votes.item)
    two = first_votes(votes, turn, np.full(votes.n_items, 2))
    record = projected(two, evidence=evidence, n_each=5)
    foretold = replay(record, policies_for(5)[:5], n_resamples=10)["f1"].to_numpy()
    assert (np.diff(foretold) > 0).all()
    assert (foretold > recorded - 0.05).all()
    if alike == 0:
        assert foretold == pytest.approx(recorded, abs=0.08)


def test_items_with_fewer_votes_than_most_are_left_out_and_the_others_cut_down():
    votes, truth, _ = simulated_record(n_images=40, n_each=4, seed=3)
    uneven = votes.part((votes.item_image[votes.item] >= 10) | (np.arange(votes.n_votes) % 4 == 0))
    record = record_of(uneven, truth)
    assert record.n_each == 4
    assert set(record.votes.item_image.tolist()) == set(range(10, 40))
    with pytest.raises(DatasetError, match="two or more"):
        record_of(VoteArrays.from_codes([0, 1], [0, 0], [0, 0], [2, 0]))


@pytest.mark.shared_data
def test_the_published_votes_say_what_the_prose_of_the_notebook_says(shared_data):
    folder = shared_data / "imagenet_val"
    votes = read_raters(folder / "raters.npz")
    some = np.random.default_rng(0).random(votes.n_images) < 0.1
    votes = votes.part(some[votes.item_image[votes.item]])
    original = match_original(votes, read_known_table(folder / "images.csv", votes))
    table = replay(record_of(votes, original=original), n_resamples=100).set_index("policy")["f1"]
    assert table["two for all"] < table["two, a third where they differ"] < table["four for all"] + 0.01
    assert table["adaptive, until 95% sure"] > table["three for all"] - 0.01


def test_every_figure_says_in_words_what_it_shows():
    generator = np.random.default_rng(0)
    image, class_, rater = np.unravel_index(np.arange(100 * 5 * 3), (100, 5, 3))
    votes = VoteArrays.from_codes(image, class_, rater, generator.choice([0, 1, 2], len(image), p=[0.6, 0.1, 0.3]))
    analysis = analyze_disagreement(votes, n_resamples=0)
    consensus = reach_consensus(votes)
    ranking = rank_by_value(votes, chance_of_error(consensus.label, consensus.posterior))
    figures = [
        plots.agreement_heat_map(agreement_matrix(analysis.annotator_pairs)),
        plots.disputed_classes(analysis.per_class),
        plots.confused_class_pairs(analysis.confused_pairs),
        plots.annotator_profiles(profile_annotators(votes).profiles),
        plots.yield_curve(ranking),
    ]
    for described in figures:
        assert len(described.alt_text) > 40
        assert "nan" not in described.alt_text
        described.figure.canvas.draw()


def test_a_figure_of_nothing_is_refused():
    votes = VoteArrays.from_codes([0], [0], [0], [2])
    with pytest.raises(DatasetError, match="nothing to draw"):
        plots.confused_class_pairs(analyze_disagreement(votes).confused_pairs)
