"""Redrawn labels: intervals that hold the truth of which the voters were not sure."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DatasetError
from pipeline.evaluation.label_doubt import DoubtfulLabels, draw_labels
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists, label_sets_from_pairs

NONE = DoubtfulLabels(np.zeros(0, dtype=int), np.zeros(0, dtype=int), np.zeros(0))


def names(n: int) -> list[str]:
    return [str(i) for i in range(n)]


def test_without_doubt_and_with_the_images_as_they_are_every_draw_is_the_settled_figure() -> None:
    labels = label_sets_from_lists([[0], [1, 2], [], [3]], names(4))
    draws = draw_labels({"a": np.array([0, 2, 1, 0]), "b": np.array([-1, 1, 1, 3])}, labels, NONE, 5, draw_images=False)
    assert draws.real.tolist() == [[2 / 3, 2 / 3]] * 5
    assert draws.multi_label.tolist() == [0.25] * 5


def test_the_mean_over_draws_is_the_expectation_counted_over_all_label_sets() -> None:
    """One image has the certain label 0, another the doubtful labels 1 and 2; four outcomes are counted by hand."""
    labels = label_sets_from_lists([[0], [1]], names(2))
    doubtful = DoubtfulLabels(np.array([1, 1]), np.array([2, 1]), np.array([0.3, 0.8]))
    draws = draw_labels({"m": np.array([5, 1])}, labels, doubtful, 40_000, draw_images=False)
    with_1, without = 0.8, 0.2 * 0.7
    assert draws.real[:, 0].mean() == pytest.approx(with_1 * 0.5 + (1 - with_1 - without) * 0.0, abs=0.006)
    assert draws.multi_label.mean() == pytest.approx(0.8 * 0.3 / 2, abs=0.004)


def simulated_study(random: np.random.Generator) -> tuple[LabelSets, LabelSets, DoubtfulLabels, np.ndarray]:
    """Return the true labels, the settled ones, their chances, and a model's first choices."""
    n, k = 120, 4
    chance = random.beta(0.7, 0.7, size=(n, k))
    truth, settled = random.random((n, k)) < chance, chance > 0.5
    truth[:, 0] = settled[:, 0] = True
    chance[:, 0] = 1.0
    image, class_index = (grid.ravel() for grid in np.meshgrid(np.arange(n), np.arange(k), indexing="ij"))
    sets = [
        label_sets_from_pairs(image[kept.ravel()], class_index[kept.ravel()], names(n)) for kept in (truth, settled)
    ]
    return sets[0], sets[1], DoubtfulLabels(image, class_index, chance.ravel()), random.integers(k, size=n)


def test_intervals_with_doubt_hold_the_accuracy_under_the_true_labels_as_often_as_they_say() -> None:
    random = np.random.default_rng(7)
    n_held, n_held_multi = 0, 0
    for study in range(300):
        truth, settled, doubtful, choice = simulated_study(random)
        draws = draw_labels({"m": choice}, settled, doubtful, 200, seed=study, draw_images=False)
        right = np.mean([c in truth[i] for i, c in enumerate(choice.tolist())])
        low, high = np.quantile(draws.real[:, 0], [0.025, 0.975])
        n_held += low <= right <= high
        low, high = draws.multi_label_interval()
        n_held_multi += low <= np.mean(truth.n_labels > 1) <= high
    assert 0.91 <= n_held / 300 <= 0.99
    assert 0.91 <= n_held_multi / 300 <= 0.99


def test_drawing_the_images_too_makes_the_interval_wider() -> None:
    _, settled, doubtful, choice = simulated_study(np.random.default_rng(8))
    width = {}
    for draw_images in (False, True):
        table = draw_labels({"m": choice}, settled, doubtful, 600, draw_images=draw_images).table()
        width[draw_images] = float(table.at[0, "high"] - table.at[0, "low"])
    assert width[True] > width[False] > 0


def test_a_chance_beyond_1_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"chances from 1\.5"):
        DoubtfulLabels(np.array([0]), np.array([0]), np.array([1.5]))
