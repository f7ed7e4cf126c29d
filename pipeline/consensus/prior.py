"""A prior for each (image, class), learnt from the votes' own posterior: no known answer is needed.

The votes of all images say what evidence is worth. A logistic regression explains the posterior by the evidence (each
column may only raise the prior, never lower it), by what people say about the image's other classes, and by an effect
of each class, which is drawn towards zero (partial pooling). An item's own votes have no part in its prior: the class
effect comes from the class's other images, and the few coefficients are shared by all items.

It is one step, not a loop. If the prior were fed back into the fit, votes and evidence would confirm each other, and
labels would drift towards whatever the models say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.evidence import Evidence
from pipeline.votes.arrays import VoteArrays

#: Variance of the class effects in log odds: a class differs from the others by about a factor of two.
CLASS_VARIANCE = 0.5
#: Penalty of a standardized coefficient, in items, so that evidence counts for nothing if there are hardly any data.
_RIDGE = 1.0
_N_SAMPLED = 200_000
_N_AT_ONCE = 1_000_000
_CONTEXT = ("other labels of the image, the first", "other labels of the image, beyond it", "classes asked about")


@dataclass(frozen=True, eq=False)
class LearntPrior:
    """The prior of every item.

    Attributes
    ----------
    log_odds
        float64 ``(n_items,)``.
    intercept, weights
        Log odds where every column is 0, and the weight of each column: name to log odds per unit. Evidence that would
        lower the prior has weight 0.
    class_effect
        float64 ``(n_classes,)``: how much likelier a class is than its evidence says, in log odds.
    """

    log_odds: NDArray[np.float64]
    intercept: float
    weights: dict[str, float]
    class_effect: NDArray[np.float64]


def learn_prior(votes: VoteArrays, posterior: NDArray[np.float64], evidence: Evidence | None = None) -> LearntPrior:
    """Learn the prior of every item from the posteriors of all items.

    Parameters
    ----------
    votes
        The votes whose items are meant.
    posterior
        ``(n_items,)``: from the votes alone.
    evidence
        What else is known about each item.
    """
    if votes.n_items == 0:
        return LearntPrior(np.zeros(0), 0.0, {}, np.zeros(votes.n_classes))
    n_others, n_asked = _others(votes, posterior)
    columns = (*(evidence.columns if evidence else ()), *_CONTEXT)

    def design(part: slice | NDArray[np.int64]) -> NDArray[np.float64]:
        context = _context(n_others[part], n_asked[part])
        return np.concatenate([evidence.values[part], context], axis=1) if evidence else context

    n = votes.n_items
    sampled = np.arange(n) if n <= _N_SAMPLED else np.random.default_rng(0).choice(n, _N_SAMPLED, replace=False)
    intercept, weights = _fit(design(sampled), posterior[sampled], n_rising=len(evidence.columns) if evidence else 0)
    log_odds = np.empty(n)
    for start in range(0, n, _N_AT_ONCE):
        part = slice(start, min(start + _N_AT_ONCE, n))
        log_odds[part] = intercept + design(part) @ weights
    effect, of_item = _class_effects(log_odds, posterior, votes)
    log_odds += of_item
    return LearntPrior(log_odds, intercept, dict(zip(columns, weights.tolist(), strict=True)), effect)


def predict_prior(
    prior: LearntPrior,
    votes: VoteArrays,
    posterior: NDArray[np.float64],
    image: NDArray[np.integer],
    class_code: NDArray[np.integer],
    evidence: Evidence,
) -> NDArray[np.float64]:
    """Return the prior of pairs that nobody voted on: log odds ``(n_pairs,)``.

    If nobody voted on the image at all, it is treated as an average image.

    Parameters
    ----------
    prior
        Learnt from the same kind of evidence.
    votes, posterior
        What was voted on, and the posterior that resulted.
    image, class_code
        ``(n_pairs,)``: codes in the vocabularies of the votes.
    evidence
        Evidence on the pairs.
    """
    n_labels = np.bincount(votes.item_image, weights=posterior, minlength=votes.n_images)
    n_asked = np.bincount(votes.item_image, minlength=votes.n_images).astype(float)
    is_voted = n_asked > 0
    if is_voted.any():
        n_labels[~is_voted], n_asked[~is_voted] = n_labels[is_voted].mean(), n_asked[is_voted].mean()
    design = np.concatenate([evidence.values, _context(n_labels[image], np.maximum(n_asked[image], 1))], axis=1)
    weights = np.array([prior.weights[name] for name in (*evidence.columns, *_CONTEXT)])
    log_odds: NDArray[np.float64] = prior.intercept + design @ weights + prior.class_effect[class_code]
    return log_odds


def _context(n_others: NDArray[np.float64], n_asked: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.minimum(n_others, 1), np.maximum(n_others - 1, 0), np.log(n_asked)], axis=1)


def _others(votes: VoteArrays, posterior: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, for each item, how many other labels its image is expected to have, and how many classes were asked."""
    image = votes.item_image
    n_labels = np.bincount(image, weights=posterior, minlength=votes.n_images)
    n_asked = np.bincount(image, minlength=votes.n_images).astype(float)
    return np.maximum(n_labels[image] - posterior, 0.0), n_asked[image]


def _fit(design: NDArray[np.float64], target: NDArray[np.float64], n_rising: int) -> tuple[float, NDArray[np.float64]]:
    """Fit a ridge logistic regression; leave out those of the first `n_rising` columns whose weight is negative."""
    from scipy.special import expit

    mean, spread = design.mean(axis=0), design.std(axis=0)
    is_used = spread > 1e-9 * np.maximum(np.abs(mean), 1.0)
    weights = np.zeros(design.shape[1])
    prevalence = (target.sum() + 1) / (len(target) + 2)
    intercept = float(np.log(prevalence) - np.log1p(-prevalence))
    while is_used.any():
        columns = np.flatnonzero(is_used)
        scaled = np.column_stack([np.ones(len(design)), (design[:, columns] - mean[columns]) / spread[columns]])
        penalty = np.append(0.0, np.full(len(columns), _RIDGE))
        penalty[0] = 1e-3
        beta = np.append(intercept, np.zeros(len(columns)))
        for _ in range(25):
            fitted = expit(scaled @ beta)
            curvature = (scaled * (fitted * (1 - fitted))[:, None]).T @ scaled + np.diag(penalty)
            step = np.linalg.solve(curvature, scaled.T @ (target - fitted) - penalty * beta)
            beta = beta + np.clip(step, -2, 2)
            if np.abs(step).max() < 1e-4:
                break
        falling = columns[(beta[1:] < 0) & (columns < n_rising)]
        if len(falling) == 0:
            weights[columns] = beta[1:] / spread[columns]
            return float(beta[0] - weights[columns] @ mean[columns]), weights
        is_used[falling] = False
    return intercept, weights


def _class_effects(
    log_odds: NDArray[np.float64], target: NDArray[np.float64], votes: VoteArrays
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each class's effect (its posterior mode), and for each item the effect of its class without that item."""
    from scipy.special import expit

    code, n_classes = votes.item_class, votes.n_classes
    effect = np.zeros(n_classes)
    for _ in range(6):
        fitted = expit(log_odds + effect[code])
        slope = np.bincount(code, weights=target - fitted, minlength=n_classes) - effect / CLASS_VARIANCE
        curvature = np.bincount(code, weights=fitted * (1 - fitted), minlength=n_classes) + 1 / CLASS_VARIANCE
        effect = effect + np.clip(slope / curvature, -1, 1)
    fitted = expit(log_odds + effect[code])
    information = fitted * (1 - fitted)
    curvature = np.bincount(code, weights=information, minlength=n_classes) + 1 / CLASS_VARIANCE
    without = effect[code] - (target - fitted) / (curvature[code] - information)
    return effect, without
