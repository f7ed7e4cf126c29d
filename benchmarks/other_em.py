"""Our model of the votes with other ways of counting than plain EM: the ablation in `benchmarks/consensus.py`.

Hard EM counts an item wholly towards its likelier state, sharpened EM by its posterior with the odds squared. Both keep
the two states further apart than plain EM, which counts an item by its posterior.

References
----------
Celeux, G. & Govaert, G. (1992). A classification EM algorithm for clustering and two stochastic versions.
https://doi.org/10.1016/0167-9473(92)90042-E
Ueda, N. & Nakano, R. (1998). Deterministic annealing EM algorithm. https://doi.org/10.1016/S0893-6080(97)00133-0
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from pipeline.consensus import majority
from pipeline.consensus.known import UNKNOWN
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import N_VOTES, NO, YES

Values = NDArray[np.float64]
WEAK_PRIOR = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])
PRIOR_VOTES = 100.0


def hardened(posterior: Values) -> Values:
    """Count an item wholly towards its likelier state."""
    return (posterior > 0.5).astype(float)


def sharpened(posterior: Values) -> Values:
    """Count an item by its posterior with the odds squared."""
    applies, absent = posterior**2, (1 - posterior) ** 2
    return applies / (applies + absent)


def fit_counting(
    votes: VoteArrays, original: NDArray[np.int8], count: Callable[[Values], Values], n_steps: int = 100
) -> Values:
    """Return the posteriors of `pipeline.consensus.dawid_skene`'s model, fitted with items counted by `count`."""
    code, n_codes = votes.annotator.astype(np.int64) * N_VOTES + votes.vote, votes.n_annotators * N_VOTES
    totals = np.bincount(code, minlength=n_codes).reshape(-1, N_VOTES)
    is_known = original != UNKNOWN
    posterior = majority(votes)
    state = count(posterior)
    for _ in range(n_steps):
        applies = np.bincount(code, weights=state[votes.item], minlength=n_codes).reshape(-1, N_VOTES)
        counts = np.stack([np.maximum(totals - applies, 0), applies], axis=1)
        confusion = _shares(counts + PRIOR_VOTES * _shares(counts.sum(axis=0) + WEAK_PRIOR) + 1e-2 * WEAK_PRIOR)
        testimony = [
            np.bincount(original[is_known], weights=part[is_known], minlength=2) for part in (1 - state, state)
        ]
        worth = np.diff(np.log(_shares(np.array(testimony) + WEAK_PRIOR[:, [NO, YES]])), axis=0).ravel()
        prevalence = (state.sum() + 1) / (votes.n_items + 2)
        evidence = np.diff(np.log(confusion), axis=1).ravel()
        logit = np.log(prevalence / (1 - prevalence)) + np.append(worth, 0.0)[original]
        logit += np.bincount(votes.item, weights=evidence[code], minlength=votes.n_items)
        posterior = expit(logit)
        before, state = state, count(posterior)
        if np.abs(state - before).max() <= 1e-3:
            break
    return posterior


def _shares(counts: Values) -> Values:
    return counts / counts.sum(axis=-1, keepdims=True)
