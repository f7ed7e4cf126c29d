"""One way to ask for a consensus, whatever the method, and the tables that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.dawid_skene import DawidSkene, fit_dawid_skene
from pipeline.consensus.known import UNKNOWN, keep_where_unsure
from pipeline.consensus.majority import majority, weighted_majority
from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import NO, UNSURE, VOTE_ORDER, YES, Method

#: A label is kept where its posterior lies above this, unless asked otherwise. Majorities: more than half.
#: Dawid-Skene: above 0.8, the rule of Beyer et al. (2020): a wrong label costs as much as four that are missed.
DEFAULT_THRESHOLD: Final = {Method.MAJORITY: 0.5, Method.WEIGHTED: 0.5, Method.DAWID_SKENE: 0.8}


@dataclass(frozen=True, eq=False)
class Consensus:
    """What the votes come to.

    Attributes
    ----------
    method, threshold
        How it was reached.
    posterior
        float64 ``(n_items,)``: probability (Dawid-Skene) or share of votes (majorities) in favour of the label.
    label
        bool ``(n_items,)``: posterior above the threshold, or the known answer where there is one.
    weights
        ``(n_annotators,)`` of the weighted majority, else ``None``.
    model
        The fitted Dawid-Skene model, else ``None``.
    """

    method: Method
    threshold: float
    posterior: NDArray[np.float64]
    label: NDArray[np.bool_]
    weights: NDArray[np.float64] | None = None
    model: DawidSkene | None = None

    def labels(self, votes: VoteArrays) -> pd.DataFrame:
        """Return one row an item: ``image``, ``class``, ``posterior``, ``label``."""
        return votes.item_frame().assign(posterior=self.posterior, label=self.label)

    def annotators(self, votes: VoteArrays) -> pd.DataFrame:
        """Return one row an annotator of the vocabulary.

        Columns ``annotator``, ``n_votes``, ``n_no``, ``n_unsure``, ``n_yes``, ``agreement`` (share of their yes and no
        votes that the consensus label bears out; missing where there are none), then ``weight`` or, for Dawid-Skene,
        ``no_if_absent`` … ``yes_if_applies``: the six entries of the confusion matrix.
        """
        by_vote, n_right = np.zeros((votes.n_annotators, 3), dtype=np.int64), np.zeros(votes.n_annotators)
        for block in votes.blocks():
            label = self.label[block.first_item : block.first_item + block.n_items][block.item]
            by_vote += np.bincount(block.annotator * 3 + block.vote, minlength=by_vote.size).reshape(-1, 3)
            is_right = np.where(label, block.vote == YES, block.vote == NO)
            n_right += np.bincount(block.annotator[is_right], minlength=votes.n_annotators)
        n_clear = by_vote[:, NO] + by_vote[:, YES]
        table = pd.DataFrame({"annotator": votes.annotators, "n_votes": by_vote.sum(axis=1)})
        table["n_no"], table["n_unsure"], table["n_yes"] = by_vote[:, NO], by_vote[:, UNSURE], by_vote[:, YES]
        table["agreement"] = np.where(n_clear > 0, n_right / np.maximum(n_clear, 1), np.nan)
        if self.weights is not None:
            table["weight"] = self.weights
        if self.model is not None:
            for state, what in enumerate(("absent", "applies")):
                for code, vote in enumerate(VOTE_ORDER):
                    table[f"{vote}_if_{what}"] = self.model.confusion[:, state, code]
        return table


def reach_consensus(
    votes: VoteArrays,
    method: Method = Method.DAWID_SKENE,
    *,
    gold: NDArray[np.int8] | None = None,
    original: NDArray[np.int8] | None = None,
    threshold: float | None = None,
) -> Consensus:
    """Settle every item.

    Parameters
    ----------
    votes
        The votes.
    method
        See :class:`Method`.
    gold
        Known answers ``(n_items,)``; they stand whatever the votes say, and anchor Dawid-Skene.
    original
        Original labels ``(n_items,)``, evidence for Dawid-Skene alone.
    threshold
        In [0, 1]; :data:`DEFAULT_THRESHOLD` where left out.

    Raises
    ------
    DatasetError
        If the threshold lies outside [0, 1] or original labels are given to a method that has no use for them.
    """
    limit = DEFAULT_THRESHOLD[method] if threshold is None else threshold
    if not 0 <= limit <= 1:
        raise DatasetError(f"the threshold is {limit}; give a posterior between 0 and 1")
    if original is not None and method is not Method.DAWID_SKENE:
        raise DatasetError(f"{method} has no use for original labels; leave them out or use {Method.DAWID_SKENE}")
    weights, model = None, None
    if method is Method.DAWID_SKENE:
        model = fit_dawid_skene(votes, gold, None if original is None else keep_where_unsure(votes, original))
        posterior = model.posterior
    elif method is Method.WEIGHTED:
        posterior, weights = weighted_majority(votes)
    else:
        posterior = majority(votes)
    if gold is not None:
        posterior = np.where(gold == UNKNOWN, posterior, gold.astype(float))
    label = posterior > limit
    if gold is not None:
        label = np.where(gold == UNKNOWN, label, gold == 1)
    return Consensus(method, limit, posterior, label, weights, model)
