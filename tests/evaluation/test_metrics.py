"""Label coverage, mean average precision, multi-label accuracy per class and under-rating, against other programs."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean, variance

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score

from pipeline.evaluation.label_sets import label_sets_from_lists
from pipeline.evaluation.metrics import METRICS, mean_over_classes
from pipeline.evaluation.models import Evaluation, evaluate_models
from pipeline.evaluation.shares import Mean, Share

N_CLASSES = 9
ROW = st.tuples(
    st.permutations(range(N_CLASSES)).map(lambda order: order[:6]),
    st.integers(-1, N_CLASSES - 1),
    st.sets(st.integers(0, N_CLASSES - 1), max_size=N_CLASSES),
)
ROWS = st.lists(ROW, min_size=1, max_size=30)
Rows = list[tuple[list[int], int, set[int]]]


def evaluation(rows: Rows, n_classes: int = N_CLASSES) -> Evaluation:
    labels = label_sets_from_lists([sorted(labels) for _, _, labels in rows], [str(i) for i in range(len(rows))])
    rankings = {"model": np.array([ranking for ranking, _, _ in rows])}
    return evaluate_models(rankings, np.array([original for _, original, _ in rows]), labels, n_classes)


def figures(rows: Rows, n_classes: int = N_CLASSES) -> dict[str, Share | Mean | None]:
    return dict(evaluation(rows, n_classes).models[0].shares)


@given(ROWS)
def test_label_coverage_is_the_share_of_k_labels_among_the_first_k_classes(rows: Rows) -> None:
    expected = [
        len(labels & set(order[: len(labels)])) / len(labels) for order, _, labels in rows if 0 < len(labels) < 7
    ]
    found = figures(rows)["coverage"]
    assert found.n == len(expected)
    assert found.value == (pytest.approx(fmean(expected)) if expected else None)


@given(ROWS)
def test_average_precision_is_that_of_counting_rank_by_rank(rows: Rows) -> None:
    expected = []
    for order, _, labels in rows:
        if labels:
            precisions = [len(labels & set(order[:rank])) / rank for rank in range(1, 6) if order[rank - 1] in labels]
            expected.append(sum(precisions) / min(len(labels), 5))
    found = figures(rows)["map_at_5"]
    assert found.n == len(expected)
    assert found.value == (pytest.approx(fmean(expected)) if expected else None)


@given(st.lists(st.tuples(st.permutations(range(5)), st.just(0), st.sets(st.integers(0, 4), min_size=1)), min_size=1))
def test_over_a_whole_ranking_it_is_scikit_learns(rows: Rows) -> None:
    truth = np.array([[c in labels for c in range(5)] for _, _, labels in rows])
    score = np.array([[-list(order).index(c) for c in range(5)] for order, _, _ in rows])
    found = figures(rows, 5)["map_at_5"]
    assert found.value == pytest.approx(label_ranking_average_precision_score(truth, score))
    assert found.value == pytest.approx(average_precision_score(truth, score, average="samples"))


@given(ROWS)
def test_multi_label_accuracy_is_a_mean_of_the_means_of_classes(rows: Rows) -> None:
    by_class = defaultdict(list)
    for order, original, labels in rows:
        if original >= 0 and labels:
            by_class[original].append(float(order[0] in labels))
    found = figures(rows)["class_real"]
    assert found.n == sum(map(len, by_class.values()))
    assert found.value == (pytest.approx(fmean(map(fmean, by_class.values()))) if by_class else None)


def test_the_interval_over_classes_is_that_of_resampling_within_each_class() -> None:
    random = np.random.default_rng(1)
    sizes = [40, 80, 200]
    hits = [random.random(size) < rate for size, rate in zip(sizes, (0.3, 0.6, 0.9), strict=True)]
    rows = [([c if hit else 5, 6, 7, 8, 4], c, {c}) for c, of_class in enumerate(hits) for hit in of_class]
    low, high = figures(rows)["class_real"].interval
    drawn = [fmean(random.choice(of_class, len(of_class)).mean() for of_class in hits) for _ in range(4000)]
    assert (low, high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.006)
    spread = sum(variance(map(float, of_class)) / len(of_class) for of_class in hits) ** 0.5 / 3
    assert (high - low) / 2 == pytest.approx(1.96 * spread, rel=1e-4)


def test_one_image_a_class_says_as_much_of_the_mean_over_classes_as_so_many_images_do() -> None:
    rows = [([c if c < 2 else 4, 5, 6, 7, 8], c, {c}) for c in range(4)]
    found = figures(rows)
    assert found["class_real"].interval == pytest.approx(found["real"].interval)


def test_a_class_of_one_image_varies_like_the_pooled_images_of_the_others() -> None:
    """Classes 0 and 1 have three and four images, 2 and 3 one each."""
    hits = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 1.0], [1.0], [0.0]]
    rows = [([c if hit else 5, 6, 7, 8, 4], c, {c}) for c, of_class in enumerate(hits) for hit in of_class]
    pooled = (2 * variance(hits[0]) + 3 * variance(hits[1])) / 5
    reach = 1.96 * (variance(hits[0]) / 3 + variance(hits[1]) / 4 + 2 * pooled) ** 0.5 / 4
    mean = (1 / 3 + 3 / 4 + 1 + 0) / 4
    expected = (max(0, mean - reach), min(1, mean + reach))
    assert figures(rows)["class_real"].interval == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n_large", [20, 50])
def test_the_interval_over_classes_of_which_many_have_one_image_holds_the_truth_in_95_percent(n_large: int) -> None:
    random = np.random.default_rng(3)
    classes = np.repeat(np.arange(100), [5] * n_large + [1] * (100 - n_large))
    n_held = 0
    for _ in range(1000):
        rates = random.beta(2, 1, 100)
        low, high = mean_over_classes(random.random(len(classes)) < rates[classes], classes).interval
        n_held += low <= rates.mean() <= high
    assert 0.92 <= n_held / 1000 <= 0.98


@given(ROWS)
def test_underrating_is_real_less_top1_of_each_original_label(rows: Rows) -> None:
    expected = defaultdict(lambda: [0, 0, 0])
    for order, original, labels in rows:
        if original >= 0 and labels:
            counts = expected[original]
            counts[0] += 1
            counts[1] += order[0] == original
            counts[2] += order[0] in labels
    table = evaluation(rows).underrating
    assert {row.class_index for row in table.itertuples()} == set(expected)
    for row in table.itertuples():
        n, top1, real = expected[row.class_index]
        assert (row.n_images, row.top1, row.real) == (n, top1 / n, real / n)
        assert row.underrated == pytest.approx((real - top1) / n)
    assert table["underrated"].is_monotonic_decreasing


def test_every_metric_has_a_figure_for_each_number_of_labels() -> None:
    rows: Rows = [([0, 1, 2, 3, 4], 0, {0}), ([1, 0, 2, 3, 4], 0, {0, 1}), ([5, 6, 7, 8, 0], 0, set())]
    by_count = {part.n_labels: part.accuracy.shares for part in evaluation(rows).by_label_count}
    assert [by_count[n]["coverage"].value for n in (0, 1, 2)] == [None, 1.0, 1.0]
    assert by_count[2]["map_at_5"].value == 1.0
    assert all(list(shares) == [metric.name for metric in METRICS] for shares in by_count.values())


def test_a_ranking_that_is_too_short_leaves_them_undefined() -> None:
    short = figures([([0, 1], 0, {0})])
    assert [name for name, figure in short.items() if figure is None] == ["top5", "real_at_5", "coverage", "map_at_5"]
