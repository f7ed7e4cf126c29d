"""Penalized logistic regression on a sparse or dense design."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

from pipeline.errors import DatasetError

_MOST_STEPS, _LEAST_STEP = 50, 1e-8
#: Keeps a column that is always 0 from making the steps undefined.
_RIDGE = 1e-9


def fit_logistic(design: Any, applies: npt.NDArray[np.bool_], penalty: float) -> npt.NDArray[np.float64]:
    """Return the weights of the columns, then the intercept, which is not penalized: (n_columns + 1,).

    Parameters
    ----------
    design
        (n, n_columns) array or sparse matrix.
    applies
        (n,) outcomes.
    penalty
        Weight of half the sum of squared weights, at least 0.

    Raises
    ------
    DatasetError
        If all outcomes are alike.
    """
    if not 0 < np.count_nonzero(applies) < len(applies):
        raise DatasetError("of the classes that were settled all apply, or none: nothing can be learnt from that")
    target, n_columns = applies.astype(np.float64), design.shape[1]
    penalties = np.append(np.full(n_columns, penalty), 0.0)
    design = sparse.csr_matrix(sparse.hstack([sparse.csr_matrix(design), np.ones((len(target), 1))]))

    def missed(weights: npt.NDArray[np.float64]) -> float:
        logit = design @ weights
        return float((np.logaddexp(0, logit) - target * logit).sum() + 0.5 * (penalties * weights**2).sum())

    weights = np.zeros(n_columns + 1)
    for _ in range(_MOST_STEPS):  # Newton's, each halved until it helps
        chance = expit(design @ weights)
        gradient = design.T @ (chance - target) + penalties * weights
        spread = sparse.diags(chance * (1 - chance))
        hessian = (design.T @ spread @ design).toarray() + np.diag(penalties + _RIDGE)
        step = np.linalg.solve(hessian, gradient)
        loss, size = missed(weights), 1.0
        while missed(weights - size * step) > loss and size > _LEAST_STEP:
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < _LEAST_STEP:
            break
    return weights
