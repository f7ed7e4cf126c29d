"""A prior for each (image, class), learnt from the votes' own posterior: no known answer is needed.

The votes of all images say what evidence is worth. A logistic regression explains the posterior by the evidence (each
column may only raise the prior, never lower it) and by what people say about the image's other classes. Then come
effects that are drawn towards zero (partial pooling): of each class, and of each class beside another one, since a
keyboard is likely where there is a monitor and a second breed unlikely where there is one. The other class is the
image's original label, and the likeliest of its other labels. An item's own votes have no part in its prior: effects
come from other images, and the few coefficients are shared by all items.

It is one step, not a loop. If the prior were fed back into the fit, votes and evidence would confirm each other, and
labels would drift towards whatever the models say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.evidence import ORIGINAL_COLUMN, Evidence
from pipeline.consensus.pooling import (
    GroupEffects,
    add_pooled_effects,
    cached_slices,
    company_keys,
    likeliest_companions,
)
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.by_item import ByItem

#: Penalty of a standardized coefficient, in items, so that evidence counts for nothing if there are hardly any data.
_RIDGE = 1.0
_N_SAMPLED = 200_000
_CONTEXT = ("other labels of the image, the first", "other labels of the image, beyond it", "classes asked about")


@dataclass(frozen=True, eq=False)
class Companions:
    """Of each image: its original class, its two likeliest items, and the classes of all items."""

    original: NDArray[np.int64]
    likeliest: tuple[NDArray[np.int64], ...]
    item_class: NDArray[np.int32]
    n_classes: int

    @classmethod
    def of(cls, votes: VoteArrays, posterior: NDArray[np.float64] | ByItem, evidence: Evidence | None) -> Companions:
        """Find them; an original label that nobody was asked about is not known here."""
        original = np.full(votes.n_images, -1, dtype=np.int64)
        if evidence is not None and ORIGINAL_COLUMN in evidence.columns:
            is_original = np.flatnonzero(evidence.values[:, evidence.columns.index(ORIGINAL_COLUMN)] > 0)
            original[votes.item_image[is_original]] = votes.item_class[is_original]
        return cls(original, likeliest_companions(votes, posterior), votes.item_class, votes.n_classes)

    def keys(
        self,
        image: NDArray[np.integer],
        class_code: NDArray[np.integer],
        item: NDArray[np.integer] | None = None,
    ) -> Iterator[NDArray[np.integer]]:
        """Yield the groups of some pairs: by class, with the original, and with the likeliest item but themselves.

        Parameters
        ----------
        image, class_code
            ``(n_pairs,)``: the pairs.
        item
            ``(n_pairs,)``: which items they are, -1 for none; left out, they are all items.
        """
        dtype = np.int32 if (self.n_classes + 1) ** 2 < np.iinfo(np.int32).max else np.int64
        company = [self._nobody, self._original, self._likeliest] if (self.original >= 0).any() else []
        for beside in company or [self._nobody, self._likeliest]:
            key: NDArray[np.integer] = np.empty(len(image), dtype=dtype)
            for part in cached_slices(len(image)):
                own = np.arange(part.start, part.stop) if item is None else item[part]
                key[part] = beside(class_code[part], image[part], own)
            yield key

    def _nobody(
        self, class_code: NDArray[np.integer], _image: NDArray[np.integer], _item: NDArray[np.integer]
    ) -> NDArray[np.integer]:
        return class_code

    def _original(
        self, class_code: NDArray[np.integer], image: NDArray[np.integer], _item: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        return company_keys(class_code, self.original[image], self.n_classes)

    def _likeliest(
        self, class_code: NDArray[np.integer], image: NDArray[np.integer], item: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        first, second = (of_image[image] for of_image in self.likeliest)
        other = np.where((first == item) & (first >= 0), second, first)
        return company_keys(class_code, np.where(other >= 0, self.item_class[other], -1), self.n_classes)


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
    effects
        What each class adds, and each class beside another: by the original label, and by the likeliest other label.
    companions
        The classes that effects go by.
    """

    log_odds: NDArray[np.float64]
    intercept: float
    weights: dict[str, float]
    effects: tuple[GroupEffects, ...]
    companions: Companions


def explain(
    votes: VoteArrays, posterior: NDArray[np.float64] | ByItem, evidence: Evidence | None = None
) -> LearntPrior:
    """Learn the prior of every item from the posteriors of all items: first, without effects, what evidence is worth.

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
        return LearntPrior(np.zeros(0), 0.0, {}, (), Companions.of(votes, posterior, evidence))
    n_labels, n_asked = votes.sum_by_image(posterior), votes.sum_by_image(np.ones(votes.n_items, dtype=bool))
    columns = (*(evidence.columns if evidence else ()), *_CONTEXT)

    def design(part: slice | NDArray[np.int64]) -> NDArray[np.float64]:
        image = votes.item_image[part]
        context = _context(np.maximum(n_labels[image] - posterior[part], 0.0), n_asked[image])
        return np.concatenate([evidence.values[part], context], axis=1) if evidence else context

    n = votes.n_items
    sampled = np.arange(n) if n <= _N_SAMPLED else np.random.default_rng(0).choice(n, _N_SAMPLED, replace=False)
    intercept, weights = _fit(design(sampled), posterior[sampled], n_rising=len(evidence.columns) if evidence else 0)
    log_odds = np.empty(n)
    for part in cached_slices(n):
        log_odds[part] = intercept + design(part) @ weights
    companions = Companions.of(votes, posterior, evidence)
    return LearntPrior(log_odds, intercept, dict(zip(columns, weights.tolist(), strict=True)), (), companions)


def with_effects(prior: LearntPrior, votes: VoteArrays, posterior: NDArray[np.float64] | ByItem) -> LearntPrior:
    """Learn the effects, which need no evidence; add them, in place, to the log odds that :func:`explain` returned."""
    if votes.n_items == 0:
        return prior
    keys = prior.companions.keys(votes.item_image, votes.item_class)
    return replace(prior, effects=tuple(add_pooled_effects(prior.log_odds, posterior, key) for key in keys))


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
    log_odds: NDArray[np.float64] = prior.intercept + design @ weights
    nobody = np.full(len(image), -1)
    for effects, key in zip(prior.effects, prior.companions.keys(image, class_code, nobody), strict=True):
        log_odds += effects.of(key)
    return log_odds


def _context(n_others: NDArray[np.float64], n_asked: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([np.minimum(n_others, 1), np.maximum(n_others - 1, 0), np.log(n_asked)], axis=1)


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
