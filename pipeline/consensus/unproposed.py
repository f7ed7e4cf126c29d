"""How many labels are missing because they were not proposed and nobody found them.

Annotators add a few labels that were not proposed. On ordinary images hardly anybody searches, so how often two of them
find the same label (Chao) gives only a lower bound of what both missed. On probes they are asked to search all classes.
If an image has ``r`` labels that are not proposed, of which annotators add ``a`` unasked, ``u = r - a`` are missing on
an ordinary image, and searchers who each find a share ``p`` of them leave ``r (1 - p) ** k`` on a probe with ``k`` of
them. Belief about ``u`` starts wide around Chao's bound, and about ``p`` at one half; the labels found on probes and,
where two searched, how many both found, do the rest. It is about labels *that somebody can find*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Missing labels an image that are believed in at least, and the spread of the logarithm of that belief.
_LEAST, _SPREAD = 0.02, 1.5
#: Imaginary labels that a searcher found, and that they missed.
_FOUND, _MISSED = 2.0, 2.0
_N_DRAWS = 4000
_MOST_DISPERSION = 4.0


@dataclass(frozen=True, eq=False)
class Searches:
    """What was found outside the proposals.

    Attributes
    ----------
    found
        float64 ``(n_probes,)``: labels that searchers found on each probe, each counted by its chance to apply.
    n_searchers
        ``(n_probes,)``: how many searched each.
    n_by_one, n_by_more
        Labels on probes with two searchers or more: found by one of them, and by more than one.
    added
        Labels that annotators of an ordinary image add unasked, by their chance to apply.
    bound
        Labels that are missing on an ordinary image, from :func:`unseen_by_all`.
    """

    found: NDArray[np.float64]
    n_searchers: NDArray[np.integer]
    n_by_one: int
    n_by_more: int
    added: float
    bound: float


@dataclass(frozen=True, eq=False)
class Unproposed:
    """Labels missing among the images that are left, as drawn from what is believed after the probes.

    Attributes
    ----------
    n_probes
        On how many images somebody searched.
    missing
        float64 ``(n_draws,)``: how many labels are missing.
    """

    n_probes: int
    missing: NDArray[np.float64]


def missing_labels(searches: Searches, n_ordinary: int, n_searchers_left: NDArray[np.integer]) -> Unproposed:
    """Estimate how many labels are missing on some images.

    Parameters
    ----------
    searches
        What was found.
    n_ordinary
        How many of the images nobody was asked to search.
    n_searchers_left
        ``(n,)``: how many searched each of the others.
    """
    generator = np.random.default_rng(0)
    each = generator.beta(_FOUND + 2 * searches.n_by_more, _MISSED + searches.n_by_one, _N_DRAWS)
    missing = max(searches.bound, _LEAST) * np.exp(_SPREAD * generator.normal(size=_N_DRAWS))
    per_image = searches.added + missing
    total = float(searches.found.sum())
    expected = per_image * (len(searches.n_searchers) - _left_by(each, searches.n_searchers))
    log_weight = (total * np.log(expected) - expected) / _dispersion(searches.found)
    weight = np.exp(log_weight - log_weight.max())
    chosen = generator.choice(_N_DRAWS, _N_DRAWS, p=weight / weight.sum())
    left = n_ordinary * missing + per_image * _left_by(each, n_searchers_left)
    return Unproposed(len(searches.n_searchers), left[chosen])


def unseen_by_all(n_found_once: int, n_found_more: int, n_lookers: float) -> float:
    """Estimate how many labels outside the proposals nobody found, from how many were found once and more than once.

    Chao's lower bound, corrected for small counts: ``(k - 1) / k * f1 (f1 - 1) / (2 (f2 + 1))``, with k annotators
    per image. Chao, A. (1987). https://doi.org/10.2307/2531532
    """
    if n_lookers <= 1:
        return 0.0
    return (n_lookers - 1) / n_lookers * n_found_once * max(n_found_once - 1, 0) / (2 * (n_found_more + 1))


def _left_by(each: NDArray[np.float64], n_searchers: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the sum over images of the share that nobody finds, for each belief about a searcher."""
    counts = np.bincount(n_searchers) if len(n_searchers) else np.zeros(1, dtype=np.int64)
    left: NDArray[np.float64] = (1 - each)[:, None] ** np.arange(len(counts)) @ counts
    return left


def _dispersion(counts: NDArray[np.float64]) -> float:
    """Return how much counts vary beyond a Poisson law, within bounds: labels of an image come in clumps."""
    mean = float(counts.mean())
    return float(np.clip(counts.var(ddof=1) / mean, 1.0, _MOST_DISPERSION)) if len(counts) > 1 and mean > 0 else 1.0
