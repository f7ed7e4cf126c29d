"""How well a model's ranking hits the original label and the refined labels of the images.

A ranking is ``(n_images, k)`` class indices, the best first; -1 marks where a model ranked nothing, and hits no class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets
from pipeline.evaluation.metrics import METRICS, HitRanks
from pipeline.evaluation.shares import Mean, Share

_SUSPECT_DEVIATIONS = 4


@dataclass(frozen=True, slots=True)
class ModelAccuracy:
    """One model under the original and the refined labels, each figure with its numerator and denominator.

    `shares` holds each of :data:`pipeline.evaluation.metrics.METRICS` by name; ``None`` is undefined, where the ranking
    is shorter than the metric asks: whether a class would have been fourth or fifth cannot be known.
    """

    model: str
    shares: Mapping[str, Share | Mean | None]

    @property
    def top1(self) -> Share:
        """Return over the images with an original label: it is the first choice."""
        return self._share("top1")

    @property
    def real(self) -> Share:
        """Return over the images with a non-empty refined label set: the first choice is in it."""
        return self._share("real")

    def _share(self, name: str) -> Share:
        share = self.shares[name]
        assert isinstance(share, Share), "these count images, and every ranking has a first choice"
        return share


def hit_ranks(ranking: NDArray[np.integer], original_label: NDArray[np.integer], refined: LabelSets) -> HitRanks:
    """Find the first rank at which a model names the original label, and any refined label.

    The cost is the number of labels times `k`, whatever the number of classes.

    Parameters
    ----------
    ranking
        ``(n_images, k)`` class indices, the best first.
    original_label
        ``(n_images,)`` class indices; -1 for an image without one.
    refined
        Of the same images in the same order.

    Raises
    ------
    DatasetError
        If the shapes do not fit.
    """
    n_images = len(refined)
    if ranking.ndim != 2 or len(ranking) != n_images or ranking.shape[1] == 0:
        raise DatasetError(f"the ranking has shape {ranking.shape}; expected ({n_images}, k) with k of at least 1")
    if original_label.shape != (n_images,):
        raise DatasetError(f"the original labels have shape {original_label.shape}; expected ({n_images},)")
    depth = ranking.shape[1]
    original = np.full(n_images, depth, dtype=np.int64)
    best = np.full(n_images, depth, dtype=np.int64)
    is_refined = np.zeros(ranking.shape, dtype=np.bool_, order="F")
    # From the last rank to the first, so that the better one remains in the end.
    for rank in reversed(range(depth)):
        named = ranking[:, rank]
        original[(named == original_label) & (original_label >= 0)] = rank
        rows = refined.image_index[named[refined.image_index] == refined.class_index]
        best[rows] = rank
        is_refined[rows, rank] = True
    return HitRanks(depth, original, best, is_refined, refined.n_labels, original_label)


def model_accuracy(model: str, hits: HitRanks, n_classes: int | None = None) -> ModelAccuracy:
    """Take every metric (:data:`pipeline.evaluation.metrics.METRICS`) from hit ranks.

    Parameters
    ----------
    model
        Its name.
    hits
        From :func:`hit_ranks`.
    n_classes
        Size of the label space; a ranking of fewer than five that is all of it still defines Top-5.
    """
    return ModelAccuracy(model, {metric.name: metric.figure(hits, n_classes) for metric in METRICS})


def is_worst_first(hits: HitRanks) -> bool:
    """Tell whether a ranking looks as if it were stored the wrong way round.

    It does if its last rank hits the original label so much more often than its first that chance does not explain it:
    by more than four standard deviations of a fair coin thrown for each such hit (a sign test).
    """
    if hits.depth < 2:
        return False
    n_first = int(np.count_nonzero(hits.original == 0))
    n_last = int(np.count_nonzero(hits.original == hits.depth - 1))
    return n_last > n_first and (n_last - n_first) ** 2 > _SUSPECT_DEVIATIONS**2 * (n_last + n_first)
