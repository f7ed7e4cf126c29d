"""Effects of groups of items, in log odds, drawn towards zero (partial pooling): of a class, or of two together.

Each item gets the effect of its group *without that item*, so its own votes do not count twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.votes.arrays import VoteArrays
from pipeline.votes.by_item import ByItem

#: Variance of the effects in log odds: a group differs from the others by about a factor of two.
VARIANCE = 0.5
_N_STEPS = 6
#: Newton's steps more than double the right digits: after one this small the next would change nothing.
_SMALL_STEP = 1e-9
_N_AT_ONCE = 65_536


@dataclass(frozen=True, eq=False)
class GroupEffects:
    """Effects by group; ``key`` is ascending, and a group that is not in it has no effect.

    Attributes
    ----------
    key
        int64 ``(n_groups,)``.
    effect
        float64 ``(n_groups,)``: how much likelier a label of the group is than its evidence says, in log odds.
    """

    key: NDArray[np.int64]
    effect: NDArray[np.float64]

    def of(self, key: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the effect of each key: ``(n,)``, 0 where the group is unknown."""
        if len(self.key) == 0:
            return np.zeros(len(key))
        place = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        found: NDArray[np.float64] = np.where(self.key[place] == key, self.effect[place], 0.0)
        return found


def add_pooled_effects(
    log_odds: NDArray[np.float64], target: NDArray[np.float64] | ByItem, key: NDArray[np.integer]
) -> GroupEffects:
    """Return each group's effect (its posterior mode); add to each item the effect of its group without that item.

    Parameters
    ----------
    log_odds
        ``(n_items,)``: what is known without the groups; changed in place.
    target
        ``(n_items,)``: probabilities that the effects are to explain.
    key
        ``(n_items,)``: the group of each item.
    """
    groups, group = _coded(key)
    effect = np.zeros(len(groups))
    # What is expected of each group does not change from step to step.
    expected, curvature = np.zeros(len(groups)), np.empty(0)
    for part in cached_slices(len(key)):
        np.add.at(expected, group[part].astype(np.intp), target[part])
    for _ in range(_N_STEPS):
        slope, curvature = expected - effect / VARIANCE, np.full(len(groups), 1 / VARIANCE)
        for part in cached_slices(len(key)):
            here = group[part].astype(np.intp)
            fitted = _chance(log_odds[part] + effect.take(here))
            np.subtract.at(slope, here, fitted)
            np.add.at(curvature, here, fitted * (1 - fitted))
        step = np.clip(slope / curvature, -1, 1)
        effect += step
        if np.abs(step).max(initial=0.0) < _SMALL_STEP:
            break
    for part in cached_slices(len(key)):
        here = group[part].astype(np.intp)
        own = effect.take(here)
        fitted = _chance(log_odds[part] + own)
        log_odds[part] += own - (target[part] - fitted) / (curvature.take(here) - fitted * (1 - fitted))
    return GroupEffects(groups, effect)


def cached_slices(n: int) -> Iterator[slice]:
    """Cut an array of `n` numbers so that what is computed of each part stays in the processor's cache."""
    return (slice(start, min(start + _N_AT_ONCE, n)) for start in range(0, n, _N_AT_ONCE))


def _chance(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logistic function of an array, in place: `scipy.special.expit` takes three times as long."""
    np.negative(log_odds, out=log_odds)
    with np.errstate(over="ignore"):  # a chance of 0
        np.exp(log_odds, out=log_odds)
    log_odds += 1
    return np.reciprocal(log_odds, out=log_odds)


def _coded(key: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """Return the groups, ascending, and each item's place among them; keys that are dense serve as they are."""
    n = int(key.max(initial=-1)) + 1
    if n <= len(key):
        return np.arange(n, dtype=np.int64), key
    groups, group = np.unique(key, return_inverse=True)
    return groups.astype(np.int64), group


def company_keys(class_code: NDArray[np.integer], company: NDArray[np.integer], n_classes: int) -> NDArray[np.int64]:
    """Name each pair of a class and the class that it stands beside by one number; no company is a company too."""
    keys: NDArray[np.int64] = class_code.astype(np.int64) * (n_classes + 1) + company + 1
    return keys


def likeliest_companions(votes: VoteArrays, posterior: NDArray[np.float64] | ByItem) -> tuple[NDArray[np.int64], ...]:
    """Return each image's likeliest and second likeliest item, -1 where there is none: int64 ``(n_images,)`` each."""
    first, second = (np.full(votes.n_images, -1, dtype=np.int64) for _ in range(2))
    for block in votes.blocks():
        here = slice(block.first_item, block.first_item + block.n_items)
        chance, images = posterior[here].copy(), slice(block.first_image, block.first_image + block.n_images)
        for likeliest in (first, second):
            found = _greatest(chance, block.item_image, block.n_images)
            likeliest[images] = np.where(found >= 0, found + block.first_item, -1)
            chance[found[found >= 0]] = -np.inf
    return first, second


def _greatest(chance: NDArray[np.float64], image: NDArray[np.int32], n_images: int) -> NDArray[np.int64]:
    """Return the place of each image's greatest chance, of equal ones the first; -1 where all are -inf."""
    starts = np.flatnonzero(np.diff(image, prepend=-1))
    top = np.full(n_images, np.inf)
    top[image[starts]] = np.maximum.reduceat(chance, starts)
    places = np.flatnonzero((chance == top[image]) & (chance > -np.inf))[::-1]
    found = np.full(n_images, -1, dtype=np.int64)
    found[image[places]] = places  # of several the last that is written stands: the first in order
    return found
