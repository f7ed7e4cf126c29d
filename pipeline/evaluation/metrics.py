"""The metrics that models are scored by: tables, summaries and reports list what stands in `METRICS`.

A metric gives every image a value, and is the mean of these over the images that count for it, or over the classes of
their original labels. To add one, add its line to `METRICS`, and a function here that gives the values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.shares import Mean, Share

Values = NDArray[np.bool_] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HitRanks:
    """Where one model's ranking hits the labels of the images.

    Parameters
    ----------
    depth
        Length k of the ranking.
    original, refined
        int64 ``(n_images,)``: the rank of the original label, and the first rank of any refined label; 0 is the top
        rank, `depth` stands for nowhere.
    is_refined
        bool ``(n_images, k)``: whether the class at each rank is among the refined labels.
    n_refined
        int64 ``(n_images,)``: number of refined labels.
    original_label
        ``(n_images,)`` class indices; -1 for an image without one.
    """

    depth: int
    original: NDArray[np.int64]
    refined: NDArray[np.int64]
    is_refined: NDArray[np.bool_]
    n_refined: NDArray[np.int64]
    original_label: NDArray[np.integer]

    @property
    def has_original(self) -> NDArray[np.bool_]:
        """Return which images have an original label."""
        has: NDArray[np.bool_] = self.original_label >= 0
        return has

    @cached_property
    def n_found(self) -> NDArray[np.int64]:
        """Return how many refined labels are among the first 1, 2, … k classes: ``(n_images, k)``."""
        found: NDArray[np.int64] = np.empty(self.is_refined.shape, dtype=np.int64, order="F")
        found[:, 0] = self.is_refined[:, 0]
        for rank in range(1, self.depth):
            found[:, rank] = found[:, rank - 1] + self.is_refined[:, rank]
        return found


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a model.

    Parameters
    ----------
    name
        Its column in tables, and its key in summaries.
    title
        How reports call it.
    labels
        Which images count: those with an ``original`` label, or those with a non-empty ``refined`` label set.
    values
        Gives every image its value, ``(n_images,)``: true or false where it is hit or not, or a number from 0 to 1.
    depth
        How many ranks it needs; over a shorter ranking that does not cover every class it is undefined.
    meaning
        What it is, where the title does not say it.
    mean_over
        ``images``: all that count weigh alike. ``classes``: the mean over the images of each original label first,
        then over these classes; images without an original label do not count.
    counts
        Gives the images that count beside that, ``(n_images,)``; None for all.
    """

    name: str
    title: str
    labels: Literal["original", "refined"]
    values: Callable[[HitRanks], Values]
    depth: int = 1
    meaning: str = ""
    mean_over: Literal["images", "classes"] = "images"
    counts: Callable[[HitRanks], NDArray[np.bool_]] | None = None

    def counted(self, hits: HitRanks) -> NDArray[np.bool_]:
        """Return which images count: bool ``(n_images,)``."""
        counted = hits.has_original if self.labels == "original" else hits.n_refined > 0
        if self.mean_over == "classes":
            counted = counted & hits.has_original
        return counted if self.counts is None else counted & self.counts(hits)

    def is_defined(self, hits: HitRanks, n_classes: int | None = None) -> bool:
        """Tell whether a ranking of this depth settles it: enough ranks, or every class there is."""
        return hits.depth >= self.depth or (n_classes is not None and hits.depth >= n_classes)

    def figure(self, hits: HitRanks, n_classes: int | None = None) -> Share | Mean | None:
        """Return the figure with its denominator; ``None``, undefined, where the ranking is too short for it.

        Parameters
        ----------
        hits
            One model's.
        n_classes
            Size of the label space.
        """
        if not self.is_defined(hits, n_classes):
            return None
        return self.mean(self.values(hits), self.counted(hits), hits.original_label)

    def mean(self, values: Values, counted: NDArray[np.bool_], classes: NDArray[np.integer]) -> Share | Mean:
        """Return the mean of what it gives some images, ``(n,)`` each.

        Parameters
        ----------
        values, counted
            From `values` and `counted`.
        classes
            Their original labels.
        """
        chosen = values[counted]
        if self.mean_over == "classes":
            return mean_over_classes(chosen, classes[counted])
        if chosen.dtype == bool:
            return Share(int(np.count_nonzero(chosen)), len(chosen))
        return Mean.of(chosen.astype(np.float64))


def mean_over_classes(values: Values, classes: NDArray[np.integer]) -> Mean:
    """Return the mean over classes of the mean of each class's images.

    Its interval takes the images of each class as a sample from that class, and the classes as they are: with C classes
    c of n_c images and variance s_c² (of n_c - 1), the mean's own variance is that of a stratified sample, the sum of
    s_c² / n_c over C² (Cochran 1977, "Sampling techniques", chapter 5). One image shows no variance: its class is given
    the pooled one, the sum of (n_c - 1) s_c² over that of n_c - 1. Where that is 0 or there is none, see `Mean.around`.

    Parameters
    ----------
    values, classes
        ``(n,)``: one value and the class of each image.
    """
    if len(values) == 0:
        return Mean(None, 0)
    n_images = np.bincount(classes)
    total, squares = np.bincount(classes, weights=values), np.bincount(classes, weights=values.astype(np.float64) ** 2)
    is_there = n_images > 0
    n, mean = n_images[is_there], total[is_there] / n_images[is_there]
    apart = np.maximum(squares[is_there] - n * mean**2, 0)
    pooled = apart.sum() / max(int((n - 1).sum()), 1)
    variance = np.where(n > 1, apart / np.maximum(n - 1, 1), pooled) / n
    deviation = float(np.sqrt(variance.sum())) / len(n)
    return Mean.around(float(mean.mean()), len(values), deviation, n_effective=len(n) ** 2 / float((1 / n).sum()))


def original_within(k: int) -> Callable[[HitRanks], NDArray[np.bool_]]:
    """Return what tells of each image whether its original label is among the first `k` classes."""
    return lambda hits: hits.original < min(k, hits.depth)


def refined_within(k: int) -> Callable[[HitRanks], NDArray[np.bool_]]:
    """Return what tells of each image whether one of its refined labels is among the first `k` classes."""
    return lambda hits: hits.refined < min(k, hits.depth)


def is_as_deep_as_labels(hits: HitRanks) -> NDArray[np.bool_]:
    """Tell of each image whether the ranking has a rank for each of its refined labels."""
    return hits.n_refined <= hits.depth


def label_coverage(hits: HitRanks) -> NDArray[np.float64]:
    """Return the share of an image's k refined labels that are among the first k classes."""
    n_labels = np.clip(hits.n_refined, 1, hits.depth)
    found: NDArray[np.float64] = hits.n_found[np.arange(len(n_labels)), n_labels - 1] / n_labels
    return found


def average_precision_within(k: int) -> Callable[[HitRanks], NDArray[np.float64]]:
    """Return what gives each image's average precision over the first `k` classes.

    The mean, over the refined labels that could be among them (all of them, or `k` if there are more), of the precision
    at the rank at which each stands; a label that is not among the first `k` contributes 0.
    """

    def average_precision(hits: HitRanks) -> NDArray[np.float64]:
        deep = min(k, hits.depth)
        total = np.zeros(len(hits.n_refined))
        for rank in range(deep):
            total += hits.n_found[:, rank] * hits.is_refined[:, rank] / (rank + 1)
        average: NDArray[np.float64] = total / np.clip(hits.n_refined, 1, k)
        return average

    return average_precision


#: In the order of tables and reports. ReaL: Beyer et al. (2020), arXiv:2006.07159, section 4. Multi-label accuracy per
#: class: Shankar et al. (2020), "Evaluating machine accuracy on ImageNet", section 3.
METRICS = (
    Metric("top1", "Top-1", "original", original_within(1)),
    Metric("top5", "Top-5", "original", original_within(5), depth=5),
    Metric("real", "ReaL", "refined", refined_within(1), meaning="the first choice is among them"),
    Metric("real_at_5", "Real@5", "refined", refined_within(5), depth=5, meaning="one of the first five is"),
    Metric(
        "class_real",
        "Multi-label accuracy",
        "refined",
        refined_within(1),
        meaning="ReaL of the images of each original label, then the mean over these classes",
        mean_over="classes",
    ),
    Metric(
        "coverage",
        "Label coverage",
        "refined",
        label_coverage,
        meaning="of an image's k labels, the share among the first k classes, where the ranking is that long",
        depth=5,
        counts=is_as_deep_as_labels,
    ),
    Metric(
        "map_at_5",
        "mAP@5",
        "refined",
        average_precision_within(5),
        depth=5,
        meaning="mean average precision over the first five classes of each image",
    ),
)
