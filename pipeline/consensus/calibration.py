"""Can a posterior be taken at its word? Reliability against known answers, and the interval of F1."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.votes.arrays import VoteArrays
from pipeline.votes.intervals import CONFIDENCE, wilson_interval

_N_BINS = 10


def f1_interval(
    votes: VoteArrays, label: NDArray[np.bool_], truth: NDArray[np.bool_], n_resamples: int = 200
) -> tuple[float, float]:
    """Return the 95% percentile bootstrap interval of F1, over images: items of one image are not independent.

    Parameters
    ----------
    votes
        They tell which items belong to the same image.
    label, truth
        bool ``(n_items,)``.
    n_resamples
        Number of draws of the bootstrap.
    """
    by_image = np.column_stack(
        [
            np.bincount(votes.item_image, weights=column, minlength=votes.n_images)
            for column in (label & truth, label, truth)
        ]
    )
    by_image = by_image[np.bincount(votes.item_image, minlength=votes.n_images) > 0]
    if len(by_image) == 0:
        return float("nan"), float("nan")
    generator = np.random.default_rng(0)
    scores = np.full(n_resamples, np.nan)
    for resample in range(n_resamples):
        drawn = np.bincount(generator.integers(0, len(by_image), len(by_image)), minlength=len(by_image))
        n_right, n_labelled, n_true = drawn @ by_image
        if n_labelled + n_true > 0:
            scores[resample] = 2 * n_right / (n_labelled + n_true)
    if np.isnan(scores).all():
        return float("nan"), float("nan")
    low, high = np.nanquantile(scores, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def reliability(posterior: NDArray[np.float64], truth: NDArray[np.bool_]) -> pd.DataFrame:
    """Compare what the posterior claims with what is true, in bins of equal width.

    Returns
    -------
    pandas.DataFrame
        One row per bin that is not empty: ``from``, ``to`` (the last bin includes 1), ``n_items``, ``claimed`` (mean
        posterior), ``observed`` (share that applies) with ``low`` and ``high`` (Wilson, 95%).
    """
    bins = np.minimum((posterior * _N_BINS).astype(np.int64), _N_BINS - 1)
    n_items = np.bincount(bins, minlength=_N_BINS)
    n_true = np.bincount(bins, weights=truth, minlength=_N_BINS)
    claimed = np.bincount(bins, weights=posterior, minlength=_N_BINS)
    low, high = wilson_interval(n_true.astype(float), n_items.astype(float))
    used = np.flatnonzero(n_items)
    return pd.DataFrame(
        {
            "from": used / _N_BINS,
            "to": (used + 1) / _N_BINS,
            "n_items": n_items[used],
            "claimed": claimed[used] / n_items[used],
            "observed": n_true[used] / n_items[used],
            "low": low[used],
            "high": high[used],
        }
    )


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Return the mean gap between ``claimed`` and ``observed`` in a :func:`reliability` table, weighted by items."""
    gap = (table["claimed"] - table["observed"]).abs()
    return float((gap * table["n_items"]).sum() / table["n_items"].sum())
