"""Disagreement, compared with brute force over label sets and with `krippendorff`."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vote_tables import WORDS, table_of

from pipeline.disagreement import analyze_disagreement
from pipeline.disagreement.model import compare_ranks_to_people
from pipeline.votes.agreement import agreement_matrix, alpha_from_counts
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.intervals import wilson_interval

cells = st.dictionaries(
    st.tuples(st.integers(0, 4), st.integers(0, 5), st.integers(0, 3)), st.sampled_from(WORDS), min_size=1, max_size=60
)


def brute_force(votes):
    shown: dict = {}
    for (i, c, a), vote in votes.items():
        shown.setdefault(i, {}).setdefault(a, {})[c] = vote
    return shown


def ticked(word_of):
    return {c for c, vote in word_of.items() if vote == "yes"}


def jaccard(one, other):
    return 1 - len(one & other) / len(one | other) if one | other else 0.0


@settings(max_examples=150)
@given(cells)
def test_every_image_is_described_as_its_label_sets_say(votes):
    table = analyze_disagreement(table_of(votes), n_resamples=0).per_image.set_index("image")
    for i, by_annotator in brute_force(votes).items():
        row = table.loc[f"i{i}"]
        pairs = list(combinations(by_annotator.values(), 2))
        sets = [(ticked(one), ticked(other)) for one, other in pairs]
        assert row["n_annotators"] == len(by_annotator)
        assert row["set_disagreement"] == any(one != other for one, other in sets)
        cut = [({c for c in ticked(one) if c in other}, {c for c in ticked(other) if c in one}) for one, other in pairs]
        assert row["set_disagreement_shared"] == any(one != other for one, other in cut)
        words = {}
        for word_of in by_annotator.values():
            for c, vote in word_of.items():
                words.setdefault(c, []).append(vote)
        split = sum(len(set(said)) > 1 for said in words.values())
        assert row["n_split"] == split
        assert row["n_unanimous"] == sum(len(said) > 1 and len(set(said)) == 1 for said in words.values())
        assert row["n_single"] == sum(len(said) == 1 for said in words.values())
        assert row["n_unsure"] == sum("unsure" in said for said in words.values())
        if pairs:
            assert row["mean_jaccard_distance"] == pytest.approx(np.mean([jaccard(*pair) for pair in sets]))
            assert row["mean_jaccard_distance_shared"] == pytest.approx(np.mean([jaccard(*pair) for pair in cut]))
            assert row["share_of_classes_disputed"] == pytest.approx(split / len(words))
        else:
            assert np.isnan(row["mean_jaccard_distance"])
            assert np.isnan(row["share_of_classes_disputed"])


@settings(max_examples=100)
@given(cells)
def test_confused_classes_and_annotator_pairs_agree_with_brute_force(votes):
    analysis = analyze_disagreement(table_of(votes), n_resamples=0)
    confusions: Counter = Counter()
    shared: Counter = Counter()
    agreed: Counter = Counter()
    for by_annotator in brute_force(votes).values():
        for (a, one), (b, other) in combinations(sorted(by_annotator.items()), 2):
            both = one.keys() & other.keys()
            shared[a, b] += len(both)
            agreed[a, b] += sum(one[c] == other[c] for c in both)
            mine = [c for c in both if one[c] == "yes" != other[c]]
            theirs = [c for c in both if other[c] == "yes" != one[c]]
            confusions.update((min(x, y), max(x, y)) for x in mine for y in theirs)
    found = analysis.confused_pairs
    assert {
        (int(a[1:]), int(b[1:])): n
        for a, b, n in zip(found["class_a"], found["class_b"], found["n_confusions"], strict=True)
    } == dict(confusions)
    pairs = analysis.annotator_pairs
    compared = {
        (int(a[1:]), int(b[1:])): (n, k)
        for a, b, n, k in zip(
            pairs["annotator_a"], pairs["annotator_b"], pairs["n_shared"], pairs["n_agree"], strict=True
        )
    }
    assert compared == {pair: (n, agreed[pair]) for pair, n in shared.items() if n}


@settings(max_examples=100)
@given(cells)
def test_alpha_is_that_of_the_krippendorff_package_and_undefined_where_it_has_none(votes):
    arrays = VoteArrays.from_table(table_of(votes))
    ours = alpha_from_counts(arrays.item_counts(), arrays.item_image, n_resamples=0)
    units = sorted({(i, c) for i, c, _ in votes})
    grid = np.full((4, len(units)), np.nan)
    for (i, c, a), vote in votes.items():
        grid[a, units.index((i, c))] = WORDS.index(vote)
    paired = grid[:, (~np.isnan(grid)).sum(axis=0) > 1]
    values = paired[~np.isnan(paired)]
    if len(np.unique(values)) < 2:
        assert ours.value is None
        return
    theirs = krippendorff.alpha(reliability_data=grid, level_of_measurement="nominal", value_domain=[0, 1, 2])
    assert ours.value == pytest.approx(theirs)


def test_alpha_of_unanimous_votes_is_undefined_not_one():
    votes = {(i, c, a): "yes" for i in range(3) for c in range(2) for a in range(2)}
    analysis = analyze_disagreement(table_of(votes))
    assert analysis.alpha.value is None
    assert analysis.alpha.low is None
    assert analysis.summary.set_disagreement_share == 0


def test_alphas_interval_holds_it_and_narrows_with_more_images():
    generator = np.random.default_rng(1)
    widths = []
    for n_images in (50, 1000):
        image, class_, rater = np.unravel_index(np.arange(n_images * 8), (n_images, 4, 2))
        truth = generator.random((n_images, 4)) < 0.4
        vote = np.where(generator.random(n_images * 8) < 0.85, truth[image, class_], ~truth[image, class_]) * 2
        votes = VoteArrays.from_codes(image, class_, rater, vote)
        alpha = alpha_from_counts(votes.item_counts(), votes.item_image)
        assert alpha.low < alpha.value < alpha.high
        widths.append(alpha.high - alpha.low)
    assert widths[1] < widths[0] / 3


def test_padding_with_classes_nobody_was_shown_changes_nothing():
    votes = {(0, 0, 0): "yes", (0, 0, 1): "no", (0, 1, 0): "no", (0, 1, 1): "no", (1, 0, 0): "yes", (1, 0, 1): "yes"}
    table = table_of(votes).assign(shown=True)
    unseen = table.assign(vote=None, shown=False)
    unseen["class"] = "c9"
    padded = pd.concat([table, unseen.drop_duplicates(["image", "class", "annotator"])], ignore_index=True)
    plain, filled = analyze_disagreement(table), analyze_disagreement(padded)
    assert filled.summary == plain.summary
    pd.testing.assert_frame_equal(filled.per_image, plain.per_image)
    pd.testing.assert_frame_equal(filled.per_class, plain.per_class)


def test_one_annotator_alone_leaves_comparisons_undefined():
    summary = analyze_disagreement(table_of({(0, 0, 0): "yes", (1, 0, 0): "no"})).summary
    assert (summary.n_images, summary.n_images_compared) == (2, 0)
    assert summary.set_disagreement_share is None
    assert summary.mean_jaccard_distance is None
    assert summary.alpha is None


def test_a_label_only_one_could_see_is_told_apart_from_a_dispute():
    summary = analyze_disagreement(table_of({(0, 0, 0): "yes", (0, 0, 1): "yes", (0, 5, 1): "yes"})).summary
    assert (summary.n_set_disagreements, summary.n_set_disagreements_shared) == (1, 0)


def test_an_empty_table_has_nothing_to_report():
    summary = analyze_disagreement(table_of({(0, 0, 0): "yes"}).iloc[:0]).summary
    assert (summary.n_images, summary.n_votes, summary.alpha) == (0, 0, None)


def test_all_annotators_ticking_nothing_agree_on_the_empty_set():
    row = analyze_disagreement(table_of({(0, 0, 0): "no", (0, 0, 1): "no"})).per_image.iloc[0]
    assert not row["set_disagreement"]
    assert row["mean_jaccard_distance"] == 0


def test_the_agreement_matrix_is_symmetric_and_leaves_uncompared_pairs_missing():
    pairs = pd.DataFrame({"annotator_a": ["x", "x"], "annotator_b": ["y", "z"], "agreement": [0.5, 0.75]})
    matrix = agreement_matrix(pairs)
    assert matrix.loc["y", "x"] == matrix.loc["x", "y"] == 0.5
    assert np.isnan(matrix.loc["y", "z"])


def test_the_model_is_held_against_people_by_rank_and_added_labels_stand_apart():
    votes = {(0, 0, 0): "yes", (0, 0, 1): "yes", (0, 1, 0): "no", (0, 1, 1): "no", (0, 5, 1): "yes"}
    arrays = VoteArrays.from_table(table_of(votes))
    assert arrays.item_frame()["class"].tolist() == ["c0", "c1", "c5"]
    table = compare_ranks_to_people(np.array([1, 2, 0]), arrays.item_counts())
    assert table["n_all_yes"].tolist() == [1, 0, 1]
    assert table["rank"].isna().tolist() == [False, False, True]


def test_wilsons_interval_is_that_of_scipy():
    from scipy.stats import binomtest

    for hits, trials in ((0, 10), (3, 10), (10, 10), (477, 1000)):
        expected = binomtest(hits, trials).proportion_ci(method="wilson")
        low, high = wilson_interval(float(hits), float(trials))
        assert (float(low), float(high)) == pytest.approx((expected.low, expected.high))
