"""The confidence interval of a share, for one share or many."""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Coverage of every interval that is shown.
CONFIDENCE: Final = 0.95


def wilson_interval(
    n_hits: ArrayLike, n_trials: ArrayLike, confidence: float = CONFIDENCE
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's score interval of a binomial share, without continuity correction.

    Parameters
    ----------
    n_hits, n_trials
        Successes and trials, ``0 <= n_hits <= n_trials``: numbers, or arrays of one shape.
    confidence
        Coverage, between 0 and 1.

    Returns
    -------
    low, high
        Within [0, 1]; exactly 0 where nothing was hit, exactly 1 where everything was; nan where there were no trials.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22, 209-212.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    hits, trials = np.asarray(n_hits, dtype=float), np.asarray(n_trials, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hits / trials
        scale = 1 + z * z / trials
        centre = (share + z * z / (2 * trials)) / scale
        half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
        low = np.where(share == 0, 0.0, np.clip(centre - half, 0, 1))
        high = np.where(share == 1, 1.0, np.clip(centre + half, 0, 1))
    return low, high
