"""The budget study's notebook, start to end on small data, and the figures of the votes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import papermill
import pytest

from pipeline.consensus import match_original, reach_consensus
from pipeline.consensus.budget import replay
from pipeline.consensus.value_of_refining import chance_of_error, rank_by_value
from pipeline.disagreement import analyze_disagreement
from pipeline.disagreement.profiles import profile_annotators
from pipeline.errors import DatasetError
from pipeline.formats.known_answers import read_known_table
from pipeline.formats.real_votes import read_final_labels, read_raters
from pipeline.reports import vote_plots as plots
from pipeline.votes.agreement import agreement_matrix
from pipeline.votes.arrays import VoteArrays

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "budget_study.ipynb"


def test_the_notebook_carries_no_outputs():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in cells) == 1


def test_the_notebook_runs_from_start_to_end(tmp_path):
    generator = np.random.default_rng(0)
    n_images, n_classes, n_raters = 40, 4, 6
    truth = generator.random((n_images, n_classes)) < 0.4
    info = np.array([[f"x_{i + 1:08d}.JPEG", str(c)] for i in range(n_images) for c in range(n_classes)])
    tensor = np.zeros((n_raters, len(info), 3))
    for question in range(len(info)):
        for rater in generator.choice(n_raters, 5, replace=False):
            is_right = generator.random() < 0.85
            tensor[rater, question, 2 if truth.ravel()[question] == is_right else 0] = 1
    np.savez(tmp_path / "raters.npz", tensor=tensor, info=info, ids=np.arange(n_raters))
    (tmp_path / "real.json").write_text(json.dumps([np.flatnonzero(row).tolist() for row in truth]))
    parameters = {
        "raters": str(tmp_path / "raters.npz"),
        "final_labels": str(tmp_path / "real.json"),
        "original_labels": "",
        "n_resamples": 20,
    }
    done = papermill.execute_notebook(NOTEBOOK, tmp_path / "done.ipynb", parameters=parameters, progress_bar=False)
    said = json.dumps(done["cells"])
    assert "five for all" in said
    assert "Expected calibration error" in said


@pytest.mark.shared_data
def test_the_notebook_says_of_a_part_of_the_published_votes_what_its_prose_says_of_all(shared_data, tmp_path):
    folder = shared_data / "imagenet_val"
    with np.load(folder / "raters.npz") as archive:
        tensor, info, ids = archive["tensor"], archive["info"], archive["ids"]
    kept = np.random.default_rng(0).permutation(np.unique(info[:, 0]))[:2500]
    is_kept = np.isin(info[:, 0], kept)
    np.savez(tmp_path / "raters.npz", tensor=tensor[:, is_kept], info=info[is_kept], ids=ids)
    parameters = {
        "raters": str(tmp_path / "raters.npz"),
        "final_labels": str(folder / "real.json"),
        "original_labels": str(folder / "images.csv"),
        "n_resamples": 100,
        "seed": 3,
    }
    papermill.execute_notebook(NOTEBOOK, tmp_path / "done.ipynb", parameters=parameters, progress_bar=False)
    votes = read_raters(tmp_path / "raters.npz")
    original = match_original(votes, read_known_table(folder / "images.csv", votes))
    truth = read_final_labels(folder / "real.json", votes)
    table = replay(votes, truth, original=original, n_resamples=100, seed=3).set_index("policy")
    two, third, three, four, five, sure, surer = table.itertuples()
    assert two.high < third.low < four.high < five.low
    assert three.f1 - third.f1 < 0.02
    assert third.votes_per_item < 2.3
    assert sure.low > four.high
    assert sure.votes_per_item < 2.6
    assert abs(surer.f1 - sure.f1) < 0.02
    said = (tmp_path / "done.ipynb").read_text()
    assert all(f"{row.f1:.4f}"[:5] in said for row in table.itertuples())


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
        plots.yield_curve(ranking, budget_minutes=30),
    ]
    for described in figures:
        assert len(described.alt_text) > 40
        assert "nan" not in described.alt_text
        described.figure.canvas.draw()


def test_a_figure_of_nothing_is_refused():
    votes = VoteArrays.from_codes([0], [0], [0], [2])
    with pytest.raises(DatasetError, match="nothing to draw"):
        plots.confused_class_pairs(analyze_disagreement(votes).confused_pairs)
