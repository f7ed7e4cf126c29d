"""The metrics that models are scored by: tables, summaries and reports list what stands in `METRICS`.

To add one, add its line there; if no function here counts its hits, write one in a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.shares import Share


@dataclass(frozen=True, slots=True)
class HitRanks:
    """Where one model's ranking first hits, ``(n_images,)`` each: 0 is the top rank, `depth` stands for nowhere."""

    depth: int
    original: NDArray[np.int64]
    refined: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of a model: a share of the images that have the labels it looks at.

    Parameters
    ----------
    name
        Its column in tables, and its key in summaries.
    title
        How reports call it.
    labels
        Which images count: those with an ``original`` label, or those with a non-empty ``refined`` label set.
    count
        How many of the images given (a mask) are hit.
    depth
        How many ranks it needs; over a shorter ranking that does not cover every class it is undefined.
    meaning
        What a hit is, where the title does not say it.
    """

    name: str
    title: str
    labels: Literal["original", "refined"]
    count: Callable[[HitRanks, NDArray[np.bool_]], int]
    depth: int = 1
    meaning: str = ""

    def share(
        self,
        hits: HitRanks,
        has_original: NDArray[np.bool_],
        has_refined: NDArray[np.bool_],
        n_classes: int | None = None,
    ) -> Share | None:
        """Return the figure with its denominator; ``None``, undefined, where the ranking is too short for it."""
        if not is_deep_enough(hits.depth, self.depth, n_classes):
            return None
        counted = has_original if self.labels == "original" else has_refined
        return Share(self.count(hits, counted), int(counted.sum()))


def is_deep_enough(depth: int, needed: int, n_classes: int | None = None) -> bool:
    """Tell whether a ranking of this depth settles a metric: enough ranks, or every class there is."""
    return depth >= needed or (n_classes is not None and depth >= n_classes)


def original_within(k: int) -> Callable[[HitRanks, NDArray[np.bool_]], int]:
    """Return what counts the images whose original label is among the first `k` classes."""
    return lambda hits, counted: int(np.count_nonzero((hits.original < min(k, hits.depth)) & counted))


def refined_within(k: int) -> Callable[[HitRanks, NDArray[np.bool_]], int]:
    """Return what counts the images one of whose refined labels is among the first `k` classes."""
    return lambda hits, counted: int(np.count_nonzero((hits.refined < min(k, hits.depth)) & counted))


#: In the order of tables and reports. ReaL: Beyer et al. (2020), arXiv:2006.07159, section 4.
METRICS = (
    Metric("top1", "Top-1", "original", original_within(1)),
    Metric("top5", "Top-5", "original", original_within(5), depth=5),
    Metric("real", "ReaL", "refined", refined_within(1), meaning="the first choice is among them"),
    Metric("real_at_5", "Real@5", "refined", refined_within(5), depth=5, meaning="one of the first five is"),
)
