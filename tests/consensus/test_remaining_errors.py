"""What stays wrong: one estimate whose interval holds the truth, by simulation; refinement that harms nothing."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_audits import run

from pipeline.consensus import reach_consensus
from pipeline.consensus.audit import AuditFindings, RefinedItems, judge_audit
from pipeline.consensus.refined import settle_items
from pipeline.consensus.remaining_errors import estimate_remaining_errors
from pipeline.consensus.unproposed import Searches, missing_labels, unseen_by_all
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import NO, YES, Source

N_RUNS = 12


@pytest.mark.parametrize("alike", [0.0, 0.3, 0.6])
def test_the_interval_holds_the_truth_and_refinement_makes_nothing_worse(alike):
    outcomes = [run(seed, alike, n_images=400) for seed in range(N_RUNS)]
    held = [o.remaining.low <= o.n_wrong_left <= o.remaining.high for o in outcomes]
    assert sum(held) >= N_RUNS - 2
    assert all(o.n_wrong_after < o.n_wrong_before for o in outcomes)
    expected = np.mean([o.remaining.expected for o in outcomes])
    assert expected == pytest.approx(np.mean([o.n_wrong_left for o in outcomes]), rel=0.5)
    assert all(o.unaudited.low <= o.n_wrong_left <= o.unaudited.high for o in outcomes)
    assert all(o.unaudited.high - o.unaudited.low > o.remaining.high - o.remaining.low for o in outcomes)


def test_what_was_never_proposed_is_estimated_from_probes_where_nobody_searches_unasked():
    outcomes = [run(seed, 0.3, n_images=400, probe_share=0.15, adds=0.03) for seed in range(6)]
    assert sum(o.remaining.low <= o.n_wrong_left <= o.remaining.high for o in outcomes) >= 5
    missing, estimated = sum(o.n_missing for o in outcomes), sum(o.remaining.unproposed for o in outcomes)
    assert missing > 60
    assert estimated == pytest.approx(missing, rel=0.4)
    for o in outcomes:
        assert o.remaining.expected == pytest.approx(
            o.remaining.from_doubt + o.remaining.hidden + o.remaining.unproposed
        )
        assert o.remaining.n_probes == 60


def test_labels_missing_follow_from_how_many_searching_finds_and_how_often_two_find_the_same():
    rng = np.random.default_rng(0)
    n_images, rate, each = 2000, 0.3, 0.6
    n_true = rng.poisson(rate, n_images)
    finds = [rng.random((n, 2)) < each for n in n_true]
    shared = np.concatenate(finds)
    searches = Searches(
        found=np.array([float(found.any(axis=1).sum()) for found in finds]),
        n_searchers=np.full(n_images, 2),
        n_by_one=int((shared.sum(axis=1) == 1).sum()),
        n_by_more=int(shared.all(axis=1).sum()),
        added=0.05,
        bound=0.01,
    )
    on_others = missing_labels(searches, 1000, np.empty(0, int)).missing
    assert on_others.mean() == pytest.approx(1000 * (rate - 0.05), rel=0.1)
    on_probes = missing_labels(searches, 0, np.full(500, 2)).missing
    assert on_probes.mean() == pytest.approx(500 * rate * (1 - each) ** 2, rel=0.2)
    few = Searches(searches.found[:3] * 0, np.full(3, 1), 0, 0, added=0.05, bound=0.1)
    low, high = np.quantile(missing_labels(few, 1000, np.empty(0, int)).missing, [0.025, 0.975])
    assert low < 20 < 100 < high  # three images tell little: what is believed beforehand stays wide


def test_a_refiners_own_errors_are_taken_off():
    rng = np.random.default_rng(0)
    n_images, n_shown, share, miss, false_alarm = 400, 20, 0.002, 0.03, 0.004
    truth = rng.random((n_images, n_shown)) < share
    votes = np.where(
        truth[..., None], rng.random((*truth.shape, 2)) > miss, rng.random((*truth.shape, 2)) < false_alarm
    )
    n_yes = votes.sum(axis=2).ravel()
    image = np.repeat(np.arange(n_images), n_shown)
    items = RefinedItems(np.zeros(len(n_yes), int), n_yes, 2 - n_yes, image, np.zeros(len(n_yes), bool))
    found = judge_audit(items, np.zeros((n_images, 2), int), np.full(n_images, 2))
    assert votes[..., 0].sum() > 2 * truth.sum()
    assert found.expected == pytest.approx(truth.sum(), abs=6)
    assert found.weight.sum() == pytest.approx(1)


def test_labels_that_a_search_found_count_for_those_that_it_missed():
    nobody = RefinedItems(*(np.empty(0, int) for _ in range(4)), np.empty(0, bool))
    found = judge_audit(nobody, np.array([[1, 0], [0, 0]]), np.array([1, 1]))
    assert found.wrong[0].tolist() == [2, 0]
    twice = judge_audit(nobody, np.array([[0, 50], [0, 50]]), np.array([2, 2]))
    assert twice.expected == pytest.approx(100, abs=2)


def test_an_audit_that_finds_what_doubt_foretold_leaves_the_estimate_there():
    rng = np.random.default_rng(1)
    doubt = rng.gamma(1, 0.2, 3000)
    wrong = rng.poisson(doubt[:1000]).astype(float)
    found = estimate_remaining_errors(doubt[1000:], doubt[:1000], AuditFindings(np.ones(1), wrong[None]))
    assert found.expected == pytest.approx(doubt[1000:].sum(), rel=0.12)
    assert found.low < found.expected < found.high
    assert found.expected == pytest.approx(found.from_doubt + found.hidden)
    hidden = wrong + rng.poisson(0.5, 1000)
    assert estimate_remaining_errors(
        doubt[1000:], doubt[:1000], AuditFindings(np.ones(1), hidden[None])
    ).hidden_per_image == pytest.approx(0.5, abs=0.12)


def test_where_nothing_is_left_nothing_is_wrong():
    found = estimate_remaining_errors(np.empty(0), np.empty(0), None)
    assert (found.expected, found.low, found.high) == (0, 0, 0)
    assert not found.is_audited


def test_only_what_was_sampled_has_an_interval():
    doubt = np.full(50, 0.1)
    guessed = estimate_remaining_errors(doubt, np.array([]), None)
    assert "95%" not in guessed.range_in_words
    assert "nothing was sampled" in guessed.range_in_words
    nothing_left = estimate_remaining_errors(np.array([]), np.array([]), None)
    assert nothing_left.range_in_words == "no image is left"


def test_what_nobody_found_is_estimated_as_chao_does():
    rng = np.random.default_rng(2)
    finds = rng.random((4000, 2)) < 0.5
    once, both = int((finds.sum(axis=1) == 1).sum()), int(finds.all(axis=1).sum())
    assert unseen_by_all(once, both, 2) == pytest.approx((~finds.any(axis=1)).sum(), rel=0.1)
    assert unseen_by_all(10, 3, 1) == 0


def settled(annotators, refiners):
    """Settle one (image, class) among many plain ones by the votes of annotators and refiners."""
    rng = np.random.default_rng(0)
    truth = rng.random(400) < 0.2
    image, person = np.divmod(np.arange(800), 2)
    vote = np.where(truth[image] == (rng.random(800) < 0.95), YES, NO)
    own = [*annotators, *refiners]
    votes = VoteArrays.from_codes(
        np.append(image, [400] * len(own)),
        np.zeros(800 + len(own), int),
        np.append(person, np.arange(len(own))),
        np.append(vote, own),
    )
    refinement = np.zeros((votes.n_items, 3), dtype=np.int32)
    for word in refiners:
        refinement[-1, word] += 1
    label, source = settle_items(votes.item_counts(), reach_consensus(votes), refinement)
    return bool(label[-1]), list(Source)[source[-1]]


def test_one_refiner_does_not_overrule_two_who_agree_and_two_refiners_do():
    assert settled([NO, NO], [YES]) == (False, Source.CONSENSUS)
    assert settled([YES, YES], [NO]) == (True, Source.CONSENSUS)
    assert settled([NO, NO], [YES, YES]) == (True, Source.REFINED)
    assert settled([YES, YES], [NO, NO]) == (False, Source.REFINED)
    assert settled([YES, NO], [YES]) == (True, Source.REFINED)
    assert settled([YES, NO], [NO]) == (False, Source.REFINED)
    assert settled([YES, YES], [YES]) == (True, Source.REFINED)
