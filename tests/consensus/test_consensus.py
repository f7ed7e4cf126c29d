"""Consensus against closed forms, a plain reference in loops, and crowd-kit where it is installed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vote_tables import WORDS, table_of

from pipeline.consensus import (
    Aim,
    AimKind,
    fit_dawid_skene,
    majority,
    match_gold,
    match_original,
    reach_consensus,
    weighted_majority,
)
from pipeline.consensus.calibration import expected_calibration_error, reliability
from pipeline.consensus.known import keep_where_unsure
from pipeline.consensus.refined import counts_within, settle_items
from pipeline.errors import DatasetError
from pipeline.evaluation.label_scores import score_labels
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import NO, Method, Source

cells = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 3)), st.sampled_from(WORDS), max_size=50
)


def simulate(n_items, confusions, prevalence=0.3, seed=0):
    """Draw every annotator's votes on every item from the Dawid-Skene model itself."""
    generator = np.random.default_rng(seed)
    truth = generator.random(n_items) < prevalence
    item, rater = np.unravel_index(np.arange(n_items * len(confusions)), (n_items, len(confusions)))
    chances = np.asarray(confusions)[rater, truth[item].astype(int)].cumsum(axis=1)
    vote = (generator.random(len(item))[:, None] > chances).sum(axis=1).clip(0, 2)
    return VoteArrays.from_codes(item // 5, item % 5, rater, vote), truth


GOOD = [[0.9, 0.07, 0.03], [0.08, 0.12, 0.8]]
POOR = [[0.7, 0.1, 0.2], [0.35, 0.15, 0.5]]
PERVERSE = [[0.2, 0.1, 0.7], [0.7, 0.1, 0.2]]


@settings(max_examples=60)
@given(cells)
def test_every_method_gives_every_voted_pair_a_probability(votes):
    arrays = VoteArrays.from_table(table_of(votes))
    for method in Method:
        consensus = reach_consensus(arrays, method)
        assert consensus.posterior.shape == (arrays.n_items,)
        assert ((consensus.posterior >= 0) & (consensus.posterior <= 1)).all()
        assert len(consensus.annotators(arrays)) == arrays.n_annotators


@settings(max_examples=60)
@given(cells)
def test_majority_is_the_mean_vote_with_unsure_in_between(votes):
    arrays = VoteArrays.from_table(table_of(votes))
    value = table_of(votes).assign(value=[WORDS.index(vote) / 2 for vote in votes.values()])
    expected = value.groupby(["image", "class"])["value"].mean()
    assert majority(arrays) == pytest.approx(expected.to_numpy())


def test_weighted_majority_sides_with_those_whom_others_bear_out():
    votes, truth = simulate(4000, [GOOD, GOOD, POOR, POOR, POOR])
    share, weights = weighted_majority(votes)
    assert weights[:2].min() > weights[2:].max()
    plain = score_labels(majority(votes) > 0.5, truth)
    assert score_labels(share > 0.5, truth).f1 > plain.f1


def plain_dawid_skene(votes: VoteArrays, n_steps: int, prior_votes: float):
    """Classical EM in loops, straight from the formulas, with the same priors."""
    weak = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
    posterior = majority(votes)
    for _ in range(n_steps):
        counts = np.zeros((votes.n_annotators, 2, 3))
        for item, rater, vote in zip(votes.item, votes.annotator, votes.vote, strict=True):
            counts[rater, 1, vote] += posterior[item]
            counts[rater, 0, vote] += 1 - posterior[item]
        pooled = counts.sum(axis=0) + weak
        pooled /= pooled.sum(axis=1, keepdims=True)
        confusion = counts + prior_votes * pooled + 0.01 * weak
        confusion /= confusion.sum(axis=2, keepdims=True)
        prevalence = (posterior.sum() + 1) / (len(posterior) + 2)
        weight = np.tile([1 - prevalence, prevalence], (votes.n_items, 1))
        for item, rater, vote in zip(votes.item, votes.annotator, votes.vote, strict=True):
            weight[item] *= confusion[rater, :, vote]
        posterior = weight[:, 1] / weight.sum(axis=1)
    return posterior


@settings(max_examples=30)
@given(cells.filter(bool), st.sampled_from([0.0, 3.0]))
def test_soft_em_takes_the_steps_of_the_published_formulas(votes, prior_votes):
    arrays = VoteArrays.from_table(table_of(votes))
    fitted = fit_dawid_skene(arrays, prior_votes=prior_votes, max_iterations=4, tolerance=-1)
    assert fitted.posterior == pytest.approx(plain_dawid_skene(arrays, 4, prior_votes), abs=1e-9)


def test_it_recovers_the_confusions_that_drew_the_votes():
    votes, truth = simulate(20_000, [GOOD, GOOD, POOR, POOR, PERVERSE])
    fitted = fit_dawid_skene(votes, prior_votes=1)
    assert fitted.is_converged
    assert fitted.confusion == pytest.approx(np.array([GOOD, GOOD, POOR, POOR, PERVERSE]), abs=0.03)
    assert fitted.prevalence == pytest.approx(truth.mean(), abs=0.02)


def test_posteriors_are_calibrated_where_the_model_holds():
    votes, truth = simulate(20_000, [GOOD, GOOD, POOR, POOR])
    fitted = fit_dawid_skene(votes, prior_votes=1)
    table = reliability(fitted.posterior, truth)
    assert expected_calibration_error(table) < 0.02
    assert table["n_items"].sum() == len(truth)


def test_dawid_skene_beats_majority_where_annotators_differ_in_skill():
    votes, truth = simulate(8000, [GOOD, POOR, POOR, POOR, PERVERSE])
    ours = score_labels(fit_dawid_skene(votes).posterior > 0.5, truth).f1
    assert ours > score_labels(majority(votes) > 0.5, truth).f1 + 0.1


@pytest.mark.parametrize("n_annotators", [2, 5])
def test_two_votes_do_not_make_it_collapse(n_annotators):
    votes, truth = simulate(5000, [GOOD] * n_annotators, prevalence=0.15)
    fitted = fit_dawid_skene(votes)
    assert fitted.is_converged
    assert fitted.prevalence == pytest.approx(truth.mean(), abs=0.03)


def test_gold_answers_stand_and_tell_the_perverse_from_the_good():
    votes, truth = simulate(2000, [PERVERSE, PERVERSE, GOOD], seed=3)
    gold = np.where(np.arange(len(truth)) < 400, truth, -1).astype(np.int8)
    anchored = reach_consensus(votes, gold=gold, threshold=0.5)
    assert (anchored.label[:400] == truth[:400]).all()
    assert anchored.model.confusion[0, 1, 0] > 0.5
    rest = slice(400, None)
    assert (
        score_labels(anchored.label[rest], truth[rest]).f1 > score_labels(majority(votes)[rest] > 0.5, truth[rest]).f1
    )


def test_the_original_label_is_evidence_and_no_more():
    votes, truth = simulate(5000, [POOR, POOR], prevalence=0.2)
    generator = np.random.default_rng(7)
    original = np.where(generator.random(len(truth)) < 0.9, truth, ~truth).astype(np.int8)
    plain, informed = (fit_dawid_skene(votes, original=given) for given in (None, original))
    assert score_labels(informed.posterior > 0.5, truth).f1 > score_labels(plain.posterior > 0.5, truth).f1
    assert informed.original_confusion[1, 1] == pytest.approx(0.9, abs=0.08)
    unknown = fit_dawid_skene(votes, original=np.full(len(truth), -1, dtype=np.int8))
    assert unknown.posterior == pytest.approx(plain.posterior)


def test_someone_with_few_votes_is_believed_to_be_like_the_others():
    votes, _ = simulate(3000, [GOOD, GOOD, GOOD])
    few = votes.part((votes.annotator != 2) | (votes.item_image[votes.item] < 1))
    fitted = fit_dawid_skene(few)
    assert fitted.confusion[2] == pytest.approx(fitted.pooled_confusion, abs=0.05)


@pytest.mark.parametrize("word", WORDS)
def test_unanimous_votes_keep_their_meaning(word):
    arrays = VoteArrays.from_table(table_of({(i, c, a): word for i in range(20) for c in range(4) for a in range(2)}))
    posterior = fit_dawid_skene(arrays).posterior
    low, high = {"no": (0, 0.2), "unsure": (0.3, 0.7), "yes": (0.8, 1)}[word]
    assert ((posterior >= low) & (posterior <= high)).all()


def test_gold_and_original_labels_are_matched_by_name():
    arrays = VoteArrays.from_table(table_of({(0, 0, 0): "yes", (0, 1, 0): "no", (1, 0, 0): "no"}))
    gold = pd.DataFrame({"image": ["i0", "i9"], "class": ["c1", "c0"], "label": ["yes", "no"]})
    assert match_gold(arrays, gold).tolist() == [-1, 1, -1]
    original = pd.DataFrame({"image": ["i0"], "class": ["c0"]})
    assert match_original(arrays, original).tolist() == [1, 0, -1]
    with pytest.raises(DatasetError, match="row 0 has the label 'perhaps'"):
        match_gold(arrays, gold.assign(label="perhaps"))
    with pytest.raises(DatasetError, match="row 2 answers image 'i0', class 'c1' more than once"):
        match_gold(arrays, pd.concat([gold, gold], ignore_index=True))
    with pytest.raises(DatasetError, match="row 1 gives image 'i0' more than one"):
        match_original(arrays, pd.concat([original, original], ignore_index=True))
    with pytest.raises(DatasetError, match="row 1 has no class"):
        match_gold(arrays, gold.assign(**{"class": ["c1", None]}))


def test_gold_without_labels_names_all_that_applies_to_an_image():
    arrays = VoteArrays.from_table(table_of({(i, c, 0): "yes" for i in range(3) for c in range(2)}))
    gold = pd.DataFrame({"image": ["i0", "i1"], "class": ["c1", None]})
    assert match_gold(arrays, gold).tolist() == [0, 1, 0, 0, -1, -1]


def test_an_image_without_an_original_label_has_none():
    arrays = VoteArrays.from_table(table_of({(i, c, 0): "yes" for i in range(2) for c in range(2)}))
    original = pd.DataFrame({"image": ["i0", "i1"], "class": ["c9", None]})
    assert match_original(arrays, original).tolist() == [0, 0, -1, -1]


def test_the_original_label_is_silent_where_annotators_are_sure_of_the_class():
    votes = {
        (i, c, a): "unsure" if c == 1 and (i + a) % 2 else "yes" for i in range(100) for c in range(2) for a in (0, 1)
    }
    arrays = VoteArrays.from_table(table_of(votes))
    original = np.ones(arrays.n_items, dtype=np.int8)
    kept = keep_where_unsure(arrays, original)
    assert (kept == np.where(arrays.item_class == 1, 1, -1)).all()
    assert original.all()
    settled = reach_consensus(arrays, original=original, aim=Aim(AimKind.BEYER2020))
    silenced, everywhere = (fit_dawid_skene(arrays, original=witness) for witness in (kept, original))
    assert settled.posterior.tolist() == silenced.posterior.tolist()
    assert settled.posterior.tolist() != everywhere.posterior.tolist()


@pytest.mark.parametrize("n_images", [1, 30])
def test_the_original_label_testifies_everywhere_without_reason_to_silence_it(n_images):
    votes = {(i, c, 0): "unsure" if i == c == 0 and n_images == 1 else "yes" for i in range(n_images) for c in range(3)}
    arrays = VoteArrays.from_table(table_of(votes))
    original = np.ones(arrays.n_items, dtype=np.int8)
    assert keep_where_unsure(arrays, original).tolist() == original.tolist()


def test_a_threshold_outside_zero_and_one_is_refused():
    arrays = VoteArrays.from_table(table_of({(0, 0, 0): "yes"}))
    with pytest.raises(DatasetError, match=r"threshold is 1\.5"):
        reach_consensus(arrays, threshold=1.5)


def test_every_refined_label_says_where_it_came_from():
    first = table_of(
        {(0, 0, 0): "yes", (0, 0, 1): "yes", (0, 1, 0): "yes", (0, 1, 1): "no", (0, 2, 0): "no", (0, 2, 1): "unsure"}
    ).assign(round="annotation")
    later = table_of({(0, 1, 2): "no"}).assign(round="refinement")
    table = pd.concat([first, later], ignore_index=True)
    votes = VoteArrays.from_table(table)
    refinement = VoteArrays.from_codes(
        [0], [1], [2], [NO], images=votes.images, classes=votes.classes, annotators=votes.annotators
    )
    label, source = settle_items(votes.item_counts(), reach_consensus(votes), counts_within(votes, refinement))
    assert votes.item_frame()["class"].tolist() == ["c0", "c1", "c2"]
    assert [tuple(Source)[code] for code in source] == ["agreed", "refined", "consensus"]
    assert label.tolist() == [True, False, False]


def test_crowd_kit_reaches_the_same_posteriors_on_yes_and_no():
    dawid_skene = pytest.importorskip("crowdkit.aggregation", reason="crowd-kit is not installed")
    yes_no = [
        [[0.9, 0.0, 0.1], [0.2, 0.0, 0.8]],
        [[0.8, 0.0, 0.2], [0.3, 0.0, 0.7]],
        [[0.85, 0.0, 0.15], [0.1, 0.0, 0.9]],
    ]
    votes, _ = simulate(1500, yes_no)
    table = pd.DataFrame({"task": votes.item, "worker": votes.annotator, "label": votes.vote})
    theirs = dawid_skene.DawidSkene(n_iter=300, tol=1e-9).fit_predict_proba(table).sort_index()
    ours = fit_dawid_skene(votes, prior_votes=0, max_iterations=300, tolerance=1e-7).posterior
    assert ours == pytest.approx(theirs[2].to_numpy(), abs=0.02)
