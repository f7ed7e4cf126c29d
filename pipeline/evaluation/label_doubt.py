"""Intervals that hold the voters' doubt too: labels are redrawn from their posterior along with the images.

The settled labels are one reading of the votes. Here each doubtful label applies with its posterior chance,
independently of the others, in each draw anew. Where people err together, posteriors are too sure, and so are these
intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets
from pipeline.votes.ascending import are_in, found_in


@dataclass(frozen=True, eq=False)
class DoubtfulLabels:
    """Labels of which it is not certain whether they apply.

    Parameters
    ----------
    image, class_index
        int64 ``(n_items,)``: row of the image, and class; no pair occurs twice.
    chance
        float64 ``(n_items,)``: probability that the label applies.

    Raises
    ------
    DatasetError
        If the three differ in length, or a chance is not between 0 and 1.
    """

    image: NDArray[np.int64]
    class_index: NDArray[np.int64]
    chance: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not len(self.image) == len(self.class_index) == len(self.chance):
            raise DatasetError("doubtful labels: images, classes and chances differ in number")
        if len(self.chance) and not (self.chance.min() >= 0 and self.chance.max() <= 1):
            raise DatasetError(f"doubtful labels: chances from {self.chance.min()} to {self.chance.max()}")


@dataclass(frozen=True, eq=False)
class DoubtDraws:
    """Figures over redrawn labels: ReaL ``(n_draws, n_models)``, and the share of images with two labels or more."""

    models: tuple[str, ...]
    real: NDArray[np.float64]
    multi_label: NDArray[np.float64]

    def table(self) -> pd.DataFrame:
        """Return `model`, `expected` (mean of the draws), `low` and `high` (95%): a row per model for ReaL."""
        low, high = np.quantile(self.real, [0.025, 0.975], axis=0)
        columns = {"model": self.models, "expected": self.real.mean(axis=0), "low": low, "high": high}
        return pd.DataFrame(columns)

    def multi_label_interval(self) -> tuple[float, float]:
        """Return the 95% interval of the multi-label share."""
        low, high = np.quantile(self.multi_label, [0.025, 0.975])
        return float(low), float(high)


def draw_labels(
    first_choice: Mapping[str, NDArray[np.integer]],
    labels: LabelSets,
    doubtful: DoubtfulLabels,
    n_draws: int,
    seed: int = 0,
    *,
    draw_images: bool = True,
) -> DoubtDraws:
    """Score models under labels that are drawn anew.

    Parameters
    ----------
    first_choice
        Model name to ``(n_images,)`` class indices.
    labels
        The settled labels; those that are doubtful are replaced by what is drawn.
    doubtful
        Labels with the chance that they apply; also those that were settled as not applying.
    n_draws
        How often to draw.
    draw_images
        Draw the images with replacement, too; otherwise only the labels.
    """
    n_images, n_models = len(labels), len(first_choice)
    n_classes = 1 + max(
        [int(labels.class_index.max(initial=0)), int(doubtful.class_index.max(initial=0))]
        + [int(chosen.max(initial=0)) for chosen in first_choice.values()]
    )
    keys = doubtful.image * n_classes + doubtful.class_index
    order = np.argsort(keys)
    keys, image, chance = keys[order], doubtful.image[order], doubtful.chance[order]
    settled = np.sort(labels.image_index * n_classes + labels.class_index)
    certain = settled[~are_in(settled, keys)]
    n_certain = np.bincount(certain // n_classes, minlength=n_images)
    is_hit = np.zeros((n_images, n_models), dtype=np.float32)
    where: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
    for model, chosen in enumerate(first_choice.values()):
        theirs = np.where(chosen >= 0, np.arange(n_images) * n_classes + chosen, -1)
        is_hit[:, model] = are_in(theirs, certain)
        is_doubtful, place = found_in(theirs, keys)
        rows = np.flatnonzero(is_doubtful)
        where.append((rows, np.full(len(rows), model), place[rows]))
    rows, models, items = (np.concatenate(parts).astype(np.int64) for parts in zip(*where, strict=True))
    random = np.random.default_rng(seed)
    real, multi = np.empty((n_draws, n_models)), np.empty(n_draws)
    every = np.ones(n_images)
    for draw in range(n_draws):
        weight = np.bincount(random.integers(n_images, size=n_images), minlength=n_images) if draw_images else every
        applies = random.random(len(keys)) < chance
        n_labels = n_certain + np.bincount(image[applies], minlength=n_images)
        hits = weight.astype(np.float32) @ is_hit
        hits = hits + np.bincount(models, weight[rows] * applies[items], minlength=n_models)
        n_labelled = float(weight[n_labels > 0].sum())
        real[draw] = hits / n_labelled if n_labelled else np.nan
        multi[draw] = weight[n_labels > 1].sum() / n_images
    return DoubtDraws(tuple(first_choice), real, multi)
