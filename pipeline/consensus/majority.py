"""Majority of the votes: all annotators count alike, or each by how often the others agree with them.

An `unsure` counts as half a `yes`: it is a vote, but neither for nor against.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import UNSURE, YES

#: What each vote (no, unsure, yes) is worth.
VOTE_VALUE = np.array([0.0, 0.5, 1.0])


def majority(votes: VoteArrays) -> NDArray[np.float64]:
    """Return the share of `yes` among each item's votes, an `unsure` counting half: ``(n_items,)`` in [0, 1]."""
    counts = votes.item_counts()
    share: NDArray[np.float64] = (counts[:, YES] + 0.5 * counts[:, UNSURE]) / counts.sum(axis=1)
    return share


def weighted_majority(votes: VoteArrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the share of `yes` with each vote weighted by its annotator's reliability.

    An annotator's weight is the log odds that they agree with what the *other* annotators of the item favour, but never
    below zero. Items on which the others are tied do not count, nor do `unsure` votes. An annotator who was never
    compared gets the average weight of the others.

    Returns
    -------
    share : numpy.ndarray
        ``(n_items,)`` in [0, 1]; the unweighted share where all weights of an item are zero.
    weights : numpy.ndarray
        ``(n_annotators,)``, not negative.
    """
    plain = majority(votes)
    weights = _reliability(votes)
    value, total = np.zeros(votes.n_items), np.zeros(votes.n_items)
    for block in votes.blocks():
        here = slice(block.first_item, block.first_item + block.n_items)
        weight = weights[block.annotator]
        total[here] = np.bincount(block.item, weights=weight, minlength=block.n_items)
        value[here] = np.bincount(block.item, weights=weight * VOTE_VALUE[block.vote], minlength=block.n_items)
    has_weight = total > 0
    return np.where(has_weight, value / np.where(has_weight, total, 1.0), plain), weights


def _reliability(votes: VoteArrays) -> NDArray[np.float64]:
    n_compared, n_agree = np.zeros(votes.n_annotators), np.zeros(votes.n_annotators)
    for block in votes.blocks():
        own = VOTE_VALUE[block.vote]
        total = np.bincount(block.item, weights=own, minlength=block.n_items)[block.item]
        n_others = np.bincount(block.item, minlength=block.n_items)[block.item] - 1
        lean = (total - own) - n_others / 2
        is_compared = (lean != 0) & (block.vote != UNSURE) & (n_others > 0)
        agrees = is_compared & ((lean > 0) == (block.vote == YES))
        n_compared += np.bincount(block.annotator[is_compared], minlength=votes.n_annotators)
        n_agree += np.bincount(block.annotator[agrees], minlength=votes.n_annotators)
    # Beta(1, 1): one agreement and one disagreement are added, so that no weight is infinite.
    odds = (n_agree + 1) / (n_compared - n_agree + 1)
    weights = np.maximum(np.log(odds), 0.0)
    is_known = n_compared > 0
    weights[~is_known] = weights[is_known].mean() if is_known.any() else 1.0
    return weights
