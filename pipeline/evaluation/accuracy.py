"""How often a model's ranking hits the original label (Top-1, Top-5) and the refined labels (ReaL, Real@5).

A ranking is ``(n_images, k)`` class indices, the best first; -1 stands where a model ranked nothing and hits no class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets
from pipeline.evaluation.shares import Share

_SUSPECT_DEVIATIONS = 4


@dataclass(frozen=True, slots=True)
class HitRanks:
    """Where one model's ranking first hits, ``(n_images,)`` each: 0 is the top rank, `depth` stands for nowhere."""

    depth: int
    original: NDArray[np.int64]
    refined: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ModelAccuracy:
    """One model under the original and the refined labels, each figure with its numerator and denominator.

    `top1` and `top5` are over the images with an original label, `real` and `real_at_5` over those with a non-empty
    refined label set. `top5` and `real_at_5` are ``None``, undefined, where the ranking is shorter than five: whether a
    class would have been fourth or fifth cannot be known.
    """

    model: str
    top1: Share
    top5: Share | None
    real: Share
    real_at_5: Share | None


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
        raise DatasetError(f"a ranking of shape {ranking.shape} where ({n_images}, k) with k of at least 1 is due")
    if original_label.shape != (n_images,):
        raise DatasetError(f"original labels of shape {original_label.shape} where ({n_images},) is due")
    depth = ranking.shape[1]
    original = np.full(n_images, depth, dtype=np.int64)
    best = np.full(n_images, depth, dtype=np.int64)
    # From the last rank to the first, so that the better one stands in the end.
    for rank in reversed(range(depth)):
        named = ranking[:, rank]
        original[(named == original_label) & (original_label >= 0)] = rank
        best[refined.image_index[named[refined.image_index] == refined.class_index]] = rank
    return HitRanks(depth, original, best)


def model_accuracy(
    model: str,
    hits: HitRanks,
    has_original: NDArray[np.bool_],
    has_refined: NDArray[np.bool_],
    n_classes: int | None = None,
) -> ModelAccuracy:
    """Count Top-1, Top-5, ReaL and Real@5 from hit ranks.

    Parameters
    ----------
    model
        Its name.
    hits
        From :func:`hit_ranks`.
    has_original, has_refined
        ``(n_images,)``: images with an original label; images with a non-empty refined label set. A subset of the
        images is scored by leaving the others out of both.
    n_classes
        Size of the label space; a ranking of fewer than five that is all of it still defines Top-5.

    References
    ----------
    Beyer, L. et al. (2020). Are we done with ImageNet? arXiv:2006.07159, section 4 (ReaL accuracy).
    """
    n_original, n_refined = int(has_original.sum()), int(has_refined.sum())
    is_deep_enough = is_top5_defined(hits.depth, n_classes)

    def within(ranks: NDArray[np.int64], k: int, counted: NDArray[np.bool_], n: int) -> Share:
        return Share(int(np.count_nonzero((ranks < min(k, hits.depth)) & counted)), n)

    return ModelAccuracy(
        model,
        top1=within(hits.original, 1, has_original, n_original),
        top5=within(hits.original, 5, has_original, n_original) if is_deep_enough else None,
        real=within(hits.refined, 1, has_refined, n_refined),
        real_at_5=within(hits.refined, 5, has_refined, n_refined) if is_deep_enough else None,
    )


def is_worst_first(hits: HitRanks) -> bool:
    """Tell whether a ranking looks as if it were stored the wrong way round.

    It does if its last rank hits the original label so much more often than its first that chance is no explanation: by
    more than four standard deviations of a fair coin thrown for each such hit (a sign test).
    """
    if hits.depth < 2:
        return False
    n_first = int(np.count_nonzero(hits.original == 0))
    n_last = int(np.count_nonzero(hits.original == hits.depth - 1))
    return n_last > n_first and (n_last - n_first) ** 2 > _SUSPECT_DEVIATIONS**2 * (n_last + n_first)


def is_top5_defined(depth: int, n_classes: int | None = None) -> bool:
    """Tell whether a ranking of this depth settles Top-5: five ranks, or every class there is."""
    return depth >= 5 or (n_classes is not None and depth >= n_classes)
