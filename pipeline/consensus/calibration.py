"""Can a posterior be taken at its word? Reliability against known answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.votes.intervals import wilson_interval

_N_BINS = 10


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
