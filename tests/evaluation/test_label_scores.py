"""Labels against a truth: compared with scikit-learn, and counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.label_scores import score_label_sets, score_labels

TRUTH = {0: frozenset({1, 2}), 1: frozenset({3}), 2: frozenset({4, 5, 6})}


def test_precision_recall_and_f1_are_over_the_labels_of_the_images_given() -> None:
    score = score_label_sets({0: frozenset({1, 7}), 1: frozenset()}, TRUTH)
    assert (score.n_right, score.n_given, score.n_true, score.n) == (1, 2, 3, 2)
    assert score.precision.value == pytest.approx(1 / 2)
    assert score.recall.value == pytest.approx(1 / 3)
    assert score.f1 == pytest.approx(2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3))


def test_what_is_not_defined_says_so() -> None:
    nothing = score_label_sets({}, TRUTH)
    assert nothing.f1 is None
    assert nothing.precision.value is None


def test_label_scores_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(0)
    truth, label = generator.random(500) < 0.3, generator.random(500) < 0.4
    score = score_labels(label, truth)
    assert score.f1 == pytest.approx(metrics.f1_score(truth, label))
    assert score.precision.value == pytest.approx(metrics.precision_score(truth, label))
    assert score.recall.value == pytest.approx(metrics.recall_score(truth, label))
    assert score_labels(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool)).f1 is None
