"""Differences between models against SciPy; intervals and corrections by simulation; ranks that move as they should."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap

from pipeline.evaluation.accuracy import hit_ranks
from pipeline.evaluation.differences import compare_models, holm, lead, mcnemar, order_change, pair_table, rank_table
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.models import draws_for, evaluate_models
from pipeline.evaluation.resampling import Outcomes, OutcomesBuilder, draw_figures, figures_of


def outcomes_of(
    rankings: Mapping[str, NDArray[np.integer]],
    original: NDArray[np.integer],
    sets: LabelSets,
    n_classes: int | None = None,
) -> Outcomes:
    builder = OutcomesBuilder(original, n_classes)
    for model, ranking in rankings.items():
        builder.add(model, hit_ranks(ranking, original, sets))
    return builder.outcomes()


def drawn_outcomes(seed: int, rates: dict[str, float], n_images: int = 200, n_classes: int = 12) -> Outcomes:
    """Return models whose first choice is the original label at these rates; every image has one to three labels."""
    random = np.random.default_rng(seed)
    original = random.integers(n_classes, size=n_images)
    labels = [{int(label), *random.integers(n_classes, size=2).tolist()} for label in original]
    rankings = {}
    for model, rate in rates.items():
        start = np.where(random.random(n_images) < rate, original, random.integers(n_classes, size=n_images))
        rankings[model] = (start[:, None] + np.arange(5)) % n_classes
    sets = label_sets_from_lists(labels, [str(i) for i in range(n_images)])
    return outcomes_of(rankings, original, sets, n_classes)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_scipys_exact_binomial_test(n_only_a: int, n_only_b: int) -> None:
    n = n_only_a + n_only_b
    peer = binomtest(n_only_a, n).pvalue if n else 1.0
    assert mcnemar(np.array([n_only_a]), np.array([n_only_b]))[0] == pytest.approx(peer)


def test_pairs_are_counted_image_by_image() -> None:
    outcomes = drawn_outcomes(0, {"good": 0.8, "fair": 0.6, "poor": 0.3})
    table = pair_table(outcomes)
    assert len(table) == 2 * 3
    for row in table.itertuples():
        hits = {m: outcomes.values[row.metric][:, i] > 0 for i, m in enumerate(outcomes.models)}
        a, b = hits[row.a], hits[row.b]
        assert (row.n_only_a, row.n_only_b) == ((a & ~b).sum(), (b & ~a).sum())
        assert row.difference == pytest.approx(a.mean() - b.mean())
        assert row.difference >= 0
        assert row.n_images == len(a)


def test_models_are_compared_by_what_some_image_counts_for_alone() -> None:
    """One image of twelve has a label: a third of the draws have none that counts."""
    original = np.zeros(12, dtype=int)
    rankings = {"one": np.tile([0, 1, 2, 3, 4], (12, 1)), "other": np.tile([1, 0, 2, 3, 4], (12, 1))}
    names = [str(i) for i in range(12)]
    without = compare_models(outcomes_of(rankings, original, label_sets_from_lists([[]] * 12, names)), 200)
    assert set(without.pairs["metric"]) == {"top1"}
    assert (without.order.n_pairs, lead(without.pairs, "one", "other")) == (0, None)
    found = compare_models(outcomes_of(rankings, original, label_sets_from_lists([[0], *[[]] * 11], names)), 200)
    ahead = lead(found.pairs, "one", "other")
    assert (ahead.difference, ahead.n_images, ahead.is_sure) == (1.0, 1, False)
    assert -1 <= ahead.low < 0 < ahead.high <= 1


@pytest.mark.parametrize("n_images", [3, 30, 3_000])
def test_the_interval_between_models_that_never_differ_narrows_with_the_images(n_images: int) -> None:
    original = np.arange(n_images) % 5
    sets = label_sets_from_lists([[label] for label in original.tolist()], [str(i) for i in range(n_images)])
    ranking = (original[:, None] + np.arange(5)) % 5
    same = outcomes_of({"one": ranking, "other": ranking}, original, sets)
    for draws in (None, draw_figures(same, 100)):
        row = pair_table(same, draws, ["top1"]).iloc[0]
        assert row.difference == 0
        assert row.high == -row.low
        assert 1 / n_images < row.high < 3 / n_images


def test_the_bootstrap_interval_of_a_difference_is_scipys() -> None:
    outcomes = drawn_outcomes(1, {"good": 0.7, "fair": 0.6}, n_images=300)
    row = pair_table(outcomes, draw_figures(outcomes, 4000), ["top1"]).iloc[0]
    good, fair = outcomes.values["top1"].T
    peer = bootstrap(
        (good, fair),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True,
        n_resamples=4000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert (row.low, row.high) == pytest.approx((peer.low, peer.high), abs=0.008)
    normal = pair_table(outcomes, None, ["top1"]).iloc[0]
    assert (normal.low, normal.high) == pytest.approx((peer.low, peer.high), abs=0.008)


def test_95_percent_intervals_of_a_difference_hold_the_true_one_in_about_95_percent_of_the_studies() -> None:
    random = np.random.default_rng(2)
    n_held = 0
    for study in range(400):
        a = random.random(150) < 0.7
        b = np.where(random.random(150) < 0.5, a, random.random(150) < 0.5)  # alike on half the images: truth 0.1
        hits = np.stack([a, b], axis=1).astype(np.float32)
        outcomes = Outcomes(("a", "b"), {"top1": hits}, {"top1": np.ones(150, dtype=bool)}, np.zeros(150, dtype=int))
        outcomes = Outcomes(
            outcomes.models,
            {m.name: hits for m in METRICS},
            {m.name: np.ones(150, dtype=bool) for m in METRICS},
            outcomes.original_label,
        )
        drawn = draw_figures(outcomes, 300, seed=study).figures["top1"]
        low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975])
        n_held += low <= 0.1 <= high
    assert 0.91 <= n_held / 400 <= 0.98


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_stepping_down_one_by_one_rejects(p: list[float]) -> None:
    corrected = holm(np.array(p))
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if p[index] * (len(p) - step) > level:
                break
            rejected.add(index)
        assert set(np.flatnonzero(corrected <= level)) == rejected


def test_figures_over_the_images_as_they_are_are_those_of_the_evaluation() -> None:
    random = np.random.default_rng(4)
    original = random.integers(-1, 8, size=90)
    sets = label_sets_from_lists(
        [set(random.integers(8, size=random.integers(0, 4)).tolist()) for _ in original], [str(i) for i in range(90)]
    )
    rankings = {f"m{k}": np.array([random.permutation(8)[:6] for _ in original]) for k in range(3)}
    found = figures_of(outcomes_of(rankings, original, sets, 8))
    for number, accuracy in enumerate(evaluate_models(rankings, original, sets, 8).models):
        for name, figure in accuracy.shares.items():
            assert found[name][number] == pytest.approx(figure.value, rel=1e-6), name


def test_draws_over_classes_keep_each_class_as_it_is() -> None:
    """With one image a class, drawing within classes changes nothing, and drawing among all images does."""
    original = np.arange(8)
    sets = label_sets_from_lists([[c] for c in range(8)], [str(c) for c in range(8)])
    ranking = np.array([[c if c < 3 else 9, 10, 11, 12, 13] for c in range(8)])
    drawn = draw_figures(outcomes_of({"m": ranking}, original, sets, 20), 200).figures
    assert np.unique(drawn["class_real"].round(6)).tolist() == [0.375]
    assert len(np.unique(drawn["real"].round(6))) > 3


def test_ranks_are_sure_where_models_are_far_apart_and_open_where_they_are_alike() -> None:
    outcomes = drawn_outcomes(3, {"far": 0.95, "one": 0.6, "other": 0.6, "poor": 0.1}, n_images=400)
    ranks = rank_table(outcomes, draw_figures(outcomes, 500)).set_index(["metric", "model"]).loc["top1"]
    assert tuple(ranks.loc["far", ["rank", "rank_low", "rank_high"]]) == (1, 1, 1)
    assert tuple(ranks.loc["poor", ["rank", "rank_low", "rank_high"]]) == (4, 4, 4)
    for model in ("one", "other"):
        assert tuple(ranks.loc[model, ["rank_low", "rank_high"]]) == (2, 3)
    assert sorted(ranks["rank"]) in ([1, 2, 3, 4], [1, 2, 2, 4])


def test_the_interval_of_a_model_that_hits_or_misses_everything_is_scipys_wilson_interval() -> None:
    original = np.zeros(30, dtype=int)
    sets = label_sets_from_lists([[0]] * 30, [str(i) for i in range(30)])
    rankings = {"all": np.tile(np.arange(5), (30, 1)), "none": np.tile(np.arange(5, 10), (30, 1))}
    table = compare_models(outcomes_of(rankings, original, sets), 100).ranks
    assert set(table["metric"]) == {metric.name for metric in METRICS}
    for row in table.itertuples():
        peer = binomtest(30 * (row.model == "all"), 30).proportion_ci(method="wilson")
        assert (row.low, row.high) == pytest.approx((peer.low, peer.high), abs=1e-4), row.metric


@pytest.mark.parametrize("sizes", [[1] * 20, [1] * 15 + [4] * 5])
def test_ranked_figures_over_classes_have_the_interval_of_the_evaluation(sizes: list[int]) -> None:
    random = np.random.default_rng(6)
    original = np.repeat(np.arange(20), sizes)
    sets = label_sets_from_lists([[c] for c in original.tolist()], [str(i) for i in range(len(original))])
    first = {name: np.where(random.random(len(original)) < 0.6, original, 20) for name in ("one", "other")}
    rankings = {
        name: np.column_stack([classes, np.tile([21, 22, 23, 24], (len(original), 1))])
        for name, classes in first.items()
    }
    found = evaluate_models(rankings, original, sets, 30, n_draws=100)
    ranks = found.comparison.ranks.query("metric == 'class_real'").set_index("model")
    for model in found.models:
        assert tuple(ranks.loc[model.model, ["low", "high"]]) == pytest.approx(model.shares["class_real"].interval)


def test_a_draw_without_an_image_that_counts_takes_no_model_from_the_ranks() -> None:
    """Two images of twelve have a label: one draw in nine has none that counts."""
    sets = label_sets_from_lists([[0], [1], *[[]] * 10], [str(i) for i in range(12)])
    rankings = {"both": np.tile([0, 1, 2, 3, 4], (12, 1)), "one": np.tile([1, 2, 3, 4, 5], (12, 1))}
    rankings["both"][1] = [1, 0, 2, 3, 4]
    outcomes = outcomes_of(rankings, np.zeros(12, dtype=int), sets)
    draws = draw_figures(outcomes, 200)
    assert np.isnan(draws.figures["real"]).any()
    ranks = rank_table(outcomes, draws).set_index(["metric", "model"]).loc["real"]
    assert ranks["value"].to_dict() == {"both": 1.0, "one": 0.5}
    assert tuple(ranks.loc["one", ["low", "high", "rank_low", "rank_high"]]) == (0, 1, 1, 2)


def test_pairs_that_two_metrics_order_differently_are_named() -> None:
    """`plain` repeats the original label; `other` names another right one, more often."""
    original = np.zeros(300, dtype=int)
    sets = label_sets_from_lists([[0, 1]] * 300, [str(i) for i in range(300)])
    plain, other = np.full((300, 5), 9), np.full((300, 5), 9)
    plain[:200, 0], other[:280, 0] = 0, 1
    comparison = compare_models(outcomes_of({"plain": plain, "other": other}, original, sets), 100)
    change = comparison.order
    assert (change.n_pairs, change.n_reversed, change.n_surely_reversed) == (1, 1, 1)
    assert change.examples == (("plain", "other"),)
    assert set(comparison.pairs["metric"]) == {"top1", "real"}
    same = compare_models(outcomes_of({"plain": plain, "again": plain}, original, sets), 100).order
    assert (same.n_pairs, same.n_reversed) == (0, 0)


def test_every_pair_of_models_is_there_once_and_an_absent_difference_has_no_winner() -> None:
    outcomes = drawn_outcomes(5, dict.fromkeys("abcdef", 0.5))
    table = pair_table(outcomes, None, ["real"])
    assert {frozenset(pair) for pair in zip(table["a"], table["b"], strict=True)} == {
        frozenset(pair) for pair in combinations("abcdef", 2)
    }
    assert (table["p_holm"] >= table["p"]).all()
    assert order_change(pd.concat([table, table.assign(metric="top1")])).n_reversed == 0


@pytest.mark.parametrize(
    ("n_answers", "n"), [(0, 1000), (3_000_000, 1000), (12_811_670, 234), (20_000_000, 200), (20_000_001, 0)]
)
def test_many_answers_are_drawn_anew_less_often(n_answers: int, n: int) -> None:
    assert draws_for(n_answers) == n
    assert draws_for(n_answers, 5000) == (5000 if n else 0)
