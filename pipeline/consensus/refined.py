"""Refined labels: the final label set of each image, and where each label came from."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.result import Consensus
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.disputes import is_settled
from pipeline.votes.words import NO, YES, Source

#: The names of sources, by code.
SOURCE_NAMES: Final = np.array([source.value for source in Source], dtype=object)


def settle_items(
    counts: NDArray[np.int32], consensus: Consensus, lean: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Settle every item.

    A refinement vote of yes or no stands (the majority of them, where there are several; a tie falls to the consensus).
    Otherwise, what all annotators agreed on stands, if two or more said yes, or no. Otherwise the consensus decides.

    Parameters
    ----------
    counts
        ``(n_items, 3)`` of :meth:`pipeline.votes.arrays.VoteArrays.item_counts`.
    consensus
        What the votes come to.
    lean
        ``(n_items,)``: yes minus no among the refinement votes; 0 without any, or where they are tied.

    Returns
    -------
    label, source
        bool and int8 ``(n_items,)``; the source as :attr:`pipeline.votes.words.Source.code`.
    """
    totals = counts.sum(axis=1)
    label, source = consensus.label.copy(), np.full(len(counts), Source.CONSENSUS.code, dtype=np.int8)
    by_votes = is_settled(counts[:, YES], counts[:, NO], totals)
    label[by_votes], source[by_votes] = counts[by_votes, YES] > 0, Source.AGREED.code
    is_refined = lean != 0
    label[is_refined], source[is_refined] = lean[is_refined] > 0, Source.REFINED.code
    return label, source


def lean_of(votes: VoteArrays, refinement: VoteArrays) -> NDArray[np.int64]:
    """Return yes minus no among the refinement votes on each item of `votes`: ``(n_items,)``.

    Parameters
    ----------
    votes, refinement
        All votes, and those of the refinement round, with the same vocabularies.
    """
    counts = refinement.item_counts()
    lean = np.zeros(votes.n_items, dtype=np.int64)
    keys, theirs = votes.item_keys(), refinement.item_keys()
    place = np.minimum(np.searchsorted(keys, theirs), max(votes.n_items - 1, 0))
    is_found = keys[place] == theirs if votes.n_items else np.zeros(len(theirs), dtype=bool)
    lean[place[is_found]] = (counts[:, YES] - counts[:, NO])[is_found]
    return lean
