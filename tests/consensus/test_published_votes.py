"""The 924,810 published votes (Beyer et al. 2020)."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.consensus import majority, match_original, reach_consensus
from pipeline.evaluation.label_scores import score_labels
from pipeline.formats.known_answers import read_known_table
from pipeline.formats.real_votes import read_final_labels, read_raters, read_scores
from pipeline.project.aim import Aim, AimKind
from pipeline.votes.words import UNSURE, YES

pytestmark = pytest.mark.shared_data


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "imagenet_val"


@pytest.fixture(scope="module")
def votes(folder):
    return read_raters(folder / "raters.npz")


@pytest.fixture(scope="module")
def truth(folder, votes):
    return read_final_labels(folder / "real.json", votes)


def test_every_published_vote_is_read(votes):
    assert (votes.n_votes, votes.n_items, votes.n_annotators) == (924_810, 184_962, 85)


def test_majorities_reach_the_figures_known_for_them(votes, truth):
    counts = votes.item_counts()
    assert score_labels(counts[:, YES] > 2.5, truth).f1 == pytest.approx(0.752, abs=0.001)
    assert score_labels(counts[:, YES] + counts[:, UNSURE] > 2.5, truth).f1 == pytest.approx(0.927, abs=0.001)


def test_the_consensus_of_the_published_aim_comes_close_to_the_published_labels_and_scores(folder, votes, truth):
    original = match_original(votes, read_known_table(folder / "images.csv", votes))
    settled = reach_consensus(votes, original=original, aim=Aim(AimKind.BEYER2020))
    assert settled.model.is_converged
    f1 = score_labels(settled.label, truth).f1
    assert f1 > 0.96
    assert f1 > score_labels(majority(votes) > 0.5, truth).f1
    scores = read_scores(folder / "scores.npz", votes)
    assert np.corrcoef(settled.posterior, scores)[0, 1] > 0.985
