"""How far annotators agree beyond chance: Krippendorff's alpha, and the agreement of every pair of annotators.

Units are exposed (image, class) pairs. A class that was not shown is missing, so units with fewer than two votes carry
no information. Where alpha is undefined (every vote the same word, or nothing to compare) it is ``None``, never 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.votes.intervals import CONFIDENCE, wilson_interval
from pipeline.votes.words import N_VOTES

_ITEMS_AT_ONCE = 100_000


@dataclass(frozen=True)
class AlphaEstimate:
    """Krippendorff's nominal alpha with a percentile bootstrap interval over images.

    ``value`` is ``None`` where alpha is undefined, ``low`` and ``high`` where no resample defined it either.
    """

    value: float | None
    low: float | None
    high: float | None
    n_images: int
    n_units: int
    n_votes: int


def alpha_from_counts(
    counts: NDArray[np.integer], item_image: NDArray[np.int32], n_resamples: int = 1000, seed: int = 0
) -> AlphaEstimate:
    """Estimate Krippendorff's nominal alpha over no, unsure and yes.

    Images, not votes, are resampled: the votes on one image are not independent of each other.

    Parameters
    ----------
    counts
        ``(n_items, 3)`` of :meth:`pipeline.votes.arrays.VoteArrays.item_counts`. The result's `n_images`, `n_units` and
        `n_votes` count what can be paired: items with two or more votes.
    item_image
        ``(n_items,)``: image of each item, ascending.
    n_resamples
        Bootstrap resamples; 0 leaves the interval out.

    References
    ----------
    Krippendorff, K. (2011). Computing Krippendorff's Alpha-Reliability.
    """
    parts, n_units = [np.zeros((0, 1 + N_VOTES))], 0
    for part in _image_slices(item_image):
        no, unsure, yes = (counts[part, code].astype(np.int64) for code in range(N_VOTES))
        totals = no + unsure + yes
        is_pairable = totals >= 2
        if not is_pairable.any():
            continue
        no, unsure, yes, totals = (column[is_pairable] for column in (no, unsure, yes, totals))
        observed = (totals**2 - no**2 - unsure**2 - yes**2) / (totals - 1)
        starts = np.flatnonzero(np.diff(item_image[part][is_pairable], prepend=-1))
        parts.append(np.column_stack([np.add.reduceat(column, starts) for column in (observed, no, unsure, yes)]))
        n_units += len(totals)
    by_image = np.concatenate(parts)
    if n_units == 0:
        return AlphaEstimate(None, None, None, 0, 0, 0)
    value = _alpha(by_image.sum(axis=0)[None])[0]
    if np.isfinite(value) and not by_image[:, 0].any():
        low, high = _without_disagreement(by_image, n_resamples)
    else:
        low, high = _bootstrap(by_image, n_resamples, seed)
    return AlphaEstimate(_defined(value), low, high, len(by_image), n_units, int(by_image[:, 1:].sum()))


def _image_slices(item_image: NDArray[np.int32]) -> Iterator[slice]:
    """Cut items between images, so that what is computed of each part needs little memory."""
    wanted = item_image[np.arange(_ITEMS_AT_ONCE, len(item_image), _ITEMS_AT_ONCE)]
    edges = np.unique([0, *np.searchsorted(item_image, wanted).tolist(), len(item_image)])
    return (slice(start, stop) for start, stop in pairwise(edges.tolist()))


def agreement_matrix(pairs: pd.DataFrame) -> pd.DataFrame:
    """Spread a long table of annotator pairs into a symmetric matrix of agreement; never compared is missing.

    Parameters
    ----------
    pairs
        Columns ``annotator_a``, ``annotator_b``, ``agreement``.
    """
    flipped = pairs.rename(columns={"annotator_a": "annotator_b", "annotator_b": "annotator_a"})
    both = pd.concat([pairs, flipped], ignore_index=True)
    matrix = both.pivot_table(index="annotator_a", columns="annotator_b", values="agreement", observed=True)
    names = sorted(set(matrix.index), key=str)
    return matrix.reindex(index=names, columns=names)


def _alpha(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return alpha of each row (observed disagreement, n_no, n_unsure, n_yes); nan where undefined."""
    totals = sums[:, 1:].sum(axis=1)
    expected = (totals**2 - (sums[:, 1:] ** 2).sum(axis=1)) / (totals - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - sums[:, 0] / expected, np.nan)


def _without_disagreement(by_image: NDArray[np.float64], n_resamples: int) -> tuple[float | None, float | None]:
    """Return an interval where nobody ever differed: resampling would find no disagreement either, however few images.

    The images are the independent trials: no disagreement in n of them leaves shares of up to Wilson's upper bound
    possible, and the lower end is the alpha of a sample in which that share of the pairable votes differs.
    """
    if n_resamples == 0:
        return None, None
    totals = by_image[:, 1:].sum(axis=0)
    n_votes = totals.sum()
    expected = (n_votes**2 - (totals**2).sum()) / (n_votes - 1)
    _, most = wilson_interval(0, len(by_image))
    return float(1 - float(most) * n_votes / expected), 1.0


def _bootstrap(by_image: NDArray[np.float64], n_resamples: int, seed: int) -> tuple[float | None, float | None]:
    """Resample images; equal images are drawn together, so the cost follows the number of distinct ones."""
    if n_resamples == 0:
        return None, None
    distinct, n_equal = _distinct_rows(by_image)
    generator = np.random.default_rng(seed)
    chances = n_equal / n_equal.sum()
    resamples = np.concatenate(
        [
            generator.multinomial(len(by_image), chances, size=min(100, n_resamples - first)) @ distinct
            for first in range(0, n_resamples, 100)
        ]
    )
    alphas = _alpha(resamples)
    alphas = alphas[np.isfinite(alphas)]
    if len(alphas) == 0:
        return None, None
    low, high = np.quantile(alphas, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _distinct_rows(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return `np.unique(rows, axis=0, return_counts=True)`; by hashing, since few of a million rows are different."""
    key: NDArray[np.intp] = np.zeros(len(rows), dtype=np.intp)
    for column in rows.T:
        code, values = pd.factorize(column, sort=True)
        key, _ = pd.factorize(key * len(values) + code, sort=True)
    n_equal = np.bincount(key)
    one_of_each = np.empty(len(n_equal), dtype=np.intp)
    one_of_each[key] = np.arange(len(rows))
    return rows[one_of_each], n_equal


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
