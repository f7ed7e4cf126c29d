"""The confidence interval of a share, for one share or many, and what it counts for where trials come in groups."""

from __future__ import annotations

from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Coverage of every interval that is shown.
CONFIDENCE: Final = 0.95


def wilson_interval(n_hits: ArrayLike, n_trials: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Wilson's score interval of a binomial share at `CONFIDENCE`, without continuity correction.

    Parameters
    ----------
    n_hits, n_trials
        Successes and trials, ``0 <= n_hits <= n_trials``: numbers, or arrays of one shape.

    Returns
    -------
    low, high
        Within [0, 1]; exactly 0 where nothing was hit, exactly 1 where everything was; nan where there were no trials.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22, 209-212.
    """
    z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    hits, trials = np.asarray(n_hits, dtype=float), np.asarray(n_trials, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = hits / trials
        scale = 1 + z * z / trials
        centre = (share + z * z / (2 * trials)) / scale
        half = z * np.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / scale
        low = np.where(share == 0, 0.0, np.clip(centre - half, 0, 1))
        high = np.where(share == 1, 1.0, np.clip(centre + half, 0, 1))
    return low, high


def effective_trials(hits: ArrayLike, trials: ArrayLike) -> float:
    """Return for how many independent trials those of some groups stand, from how much the share varies between groups.

    The variance of the share is that of a ratio, by linearisation.

    Parameters
    ----------
    hits, trials
        ``(n_groups,)``: successes and trials of each group; there is at least one trial, and groups without do not
        count.
    """
    n_hits, n_trials = np.asarray(hits, dtype=float), np.asarray(trials, dtype=float)
    n_groups, total = int((n_trials > 0).sum()), float(n_trials.sum())
    share = float(n_hits.sum()) / total
    if share in (0.0, 1.0) or n_groups < 2:
        return float(n_groups)  # nothing differs, so nothing tells how alike the trials of a group are
    variance = float(((n_hits - share * n_trials) ** 2).sum()) / total**2 * n_groups / (n_groups - 1)
    return min(share * (1 - share) / variance, total) if variance else total  # all groups have the same share
