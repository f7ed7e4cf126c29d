"""Posteriors recalibrated by what is known, by simulation: annotators err alike on a share of the labels."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_votes import draw_votes

from pipeline.consensus import reach_consensus
from pipeline.consensus.calibration import expected_calibration_error, reliability
from pipeline.consensus.recalibration import (
    expected_f1_if_correlated,
    known_labels,
    recalibrate,
    recalibrated,
    reliability_table,
)
from pipeline.consensus.tempering import share_that_counts
from pipeline.errors import DatasetError
from pipeline.project.aim import Aim, AimKind

N_TRIALS = 3


def error_of(posterior, truth):
    return expected_calibration_error(reliability(posterior, truth))


def surprise(posterior, truth):
    return -np.log(np.where(truth, posterior, 1 - posterior).clip(1e-6)).mean()


def known_part(votes, truth, n_images):
    return np.where(votes.item_image < n_images, truth, -1).astype(np.int8)


@pytest.mark.parametrize("n_annotators", [2, 5])
@pytest.mark.parametrize("alike", [0.3, 0.6])
def test_a_few_known_answers_mend_what_annotators_who_err_alike_spoil(n_annotators, alike):
    before, after, loss = [], [], []
    for seed in range(N_TRIALS):
        votes, truth, _, _ = draw_votes(n_images=500, n_annotators=n_annotators, alike=alike, seed=seed)
        consensus = reach_consensus(votes)
        gold = known_part(votes, truth, 40)
        found = recalibrate(consensus, votes, known_labels(gold, None))
        mended = recalibrated(consensus, found)
        others = gold < 0
        assert found.after.vote_weight < found.before.vote_weight
        before.append(error_of(consensus.posterior[others], truth[others]))
        after.append(error_of(mended.posterior[others], truth[others]))
        loss.append(surprise(mended.posterior[others], truth[others]))
        assert loss[-1] < 0.9 * surprise(consensus.posterior[others], truth[others])
        # What is expected of the labels is nearer to what they reach.
        reached = 2 * (mended.label & truth)[others].sum() / (mended.label[others].sum() + truth[others].sum())
        assert abs(mended.cut.expected_f1 - reached) < abs(consensus.cut.expected_f1 - reached)
    assert np.mean(after) < 0.85 * np.mean(before)


def test_where_votes_are_independent_and_sure_known_answers_change_next_to_nothing():
    votes, truth, _, _ = draw_votes(n_images=500, n_annotators=5, seed=4)
    consensus = reach_consensus(votes)
    found = recalibrate(consensus, votes, known_labels(known_part(votes, truth, 25), None))
    mended = recalibrated(consensus, found)
    assert (mended.label != consensus.label).mean() < 0.005
    assert surprise(mended.posterior, truth) < surprise(consensus.posterior, truth) + 0.003


def test_refiners_who_err_now_and_then_teach_nearly_as_much_as_known_answers():
    votes, truth, _, _ = draw_votes(n_images=500, alike=0.6, seed=5)
    rng = np.random.default_rng(0)
    consensus = reach_consensus(votes)
    is_refined = votes.item_image < 60
    said = truth ^ (rng.random(len(truth)) < np.where(truth, 0.03, 0.004))
    refined = np.zeros((votes.n_items, 3), dtype=np.int64)
    refined[is_refined, 2 * said[is_refined].astype(int)] = 1
    mended = [
        recalibrated(consensus, recalibrate(consensus, votes, known)).posterior[~is_refined]
        for known in (known_labels(None, refined), known_labels(known_part(votes, truth, 60), None))
    ]
    by_refiners, by_gold = (surprise(posterior, truth[~is_refined]) for posterior in mended)
    assert by_refiners < by_gold + 0.01 < surprise(consensus.posterior[~is_refined], truth[~is_refined])


def test_an_audit_stands_for_the_images_among_which_it_was_drawn():
    """Of 100 doubtful items all are known, of 900 plain ones a tenth: with weights, all are learnt from alike."""
    gold = np.full(1000, -1, dtype=np.int8)
    gold[:190] = 1
    weight = np.ones(1000)
    weight[100:] = 10.0
    known = known_labels(gold, None, weight)
    assert len(known) == 190
    assert known.weight[100:].sum() / known.weight.sum() == pytest.approx(0.9)
    assert known.weight.mean() == pytest.approx(1)


def test_the_check_after_recalibration_uses_other_images():
    votes, truth, _, _ = draw_votes(n_images=200, alike=0.3, seed=6)
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(truth)
    found = recalibrate(reach_consensus(votes), votes, known_labels(shuffled.astype(np.int8), None))
    table = reliability_table(found)
    assert set(table["posterior"]) == {"before", "after"}
    assert found.reliability_after["n_items"].sum() == found.n_known == votes.n_items
    # Answers that have nothing to do with the votes teach that votes are worth little.
    assert found.after.vote_weight < 0.1


def test_votes_count_as_their_design_effect_says():
    factor = share_that_counts(np.array([1, 2, 5]), 0.5, 1.0)
    assert factor.tolist() == pytest.approx([1, 2 / 3, 1 / 3])
    assert share_that_counts(np.array([2]), 1.0, 0.5).tolist() == [1]


def test_a_correlation_fixed_beforehand_makes_posteriors_as_careful_as_they_have_to_be():
    votes, truth, _, _ = draw_votes(n_images=800, n_annotators=2, alike=0.6, seed=7)
    plain, careful = reach_consensus(votes), reach_consensus(votes, correlation=0.6)
    assert surprise(careful.posterior, truth) < surprise(plain.posterior, truth)
    assert careful.cut.expected_f1 < plain.cut.expected_f1
    assert expected_f1_if_correlated(plain, votes, 0.0) == pytest.approx(plain.cut.expected_f1)
    assert expected_f1_if_correlated(plain, votes, 0.9) < expected_f1_if_correlated(plain, votes, 0.3)
    assert (reach_consensus(votes, correlation=0.0).posterior == plain.posterior).all()


def test_what_cannot_be_recalibrated_says_so():
    votes, truth, _, _ = draw_votes(n_images=20)
    known = known_labels(truth.astype(np.int8), None)
    with pytest.raises(DatasetError, match="beyer2020"):
        recalibrate(reach_consensus(votes, aim=Aim(AimKind.BEYER2020)), votes, known)
    with pytest.raises(DatasetError, match="nothing is known"):
        recalibrate(reach_consensus(votes), votes, known_labels(np.full(votes.n_items, -1, dtype=np.int8), None))
    with pytest.raises(DatasetError, match="between 0 and 1"):
        reach_consensus(votes, correlation=2.0)
    with pytest.raises(DatasetError, match="correlation"):
        reach_consensus(votes, aim=Aim(AimKind.BEYER2020), correlation=0.2)
