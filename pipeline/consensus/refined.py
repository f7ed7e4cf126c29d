"""Refined labels: the final label set of each image, and where each label came from."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.result import Consensus
from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import NO, UNSURE, YES, Round, Source

#: The names of sources, by code.
SOURCE_NAMES: Final = np.array([source.value for source in Source], dtype=object)


def refine_labels(table: pd.DataFrame, votes: VoteArrays, consensus: Consensus) -> pd.DataFrame:
    """Settle every voted (image, class).

    A refinement vote of yes or no stands (the majority of them, where there are several; a tie falls to the consensus).
    Else what all annotators agreed on stands, if two or more said yes, or no. Else the consensus decides.

    Parameters
    ----------
    table
        The votes table, which tells refinement votes from the others.
    votes, consensus
        All rounds' votes as arrays, and what they come to.

    Returns
    -------
    pandas.DataFrame
        One row an item: ``image``, ``class``, ``label`` (bool), ``source``, ``n_yes``, ``n_no``, ``n_unsure``,
        ``posterior``. An image none of whose rows has a label has an empty set: none applies.

    Raises
    ------
    DatasetError
        If the consensus is of other votes.
    """
    if len(consensus.posterior) != votes.n_items:
        raise DatasetError(
            f"the consensus has {len(consensus.posterior)} items, the votes {votes.n_items}; fit it on them"
        )
    counts = votes.item_counts()
    label, source = settle_items(counts, consensus, _refinement_lean(table, votes))
    return votes.item_frame().assign(
        label=label,
        source=SOURCE_NAMES[source],
        n_yes=counts[:, YES],
        n_no=counts[:, NO],
        n_unsure=counts[:, UNSURE],
        posterior=consensus.posterior,
    )


def settle_items(
    counts: NDArray[np.int32], consensus: Consensus, lean: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Settle every item by the rule of :func:`refine_labels`.

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
    is_agreed = (totals > 1) & ((counts[:, YES] == totals) | (counts[:, NO] == totals))
    label[is_agreed], source[is_agreed] = counts[is_agreed, YES] > 0, Source.AGREED.code
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
    keys, theirs = (
        part.item_image.astype(np.int64) * max(part.n_classes, 1) + part.item_class for part in (votes, refinement)
    )
    place = np.minimum(np.searchsorted(keys, theirs), max(votes.n_items - 1, 0))
    is_found = keys[place] == theirs if votes.n_items else np.zeros(len(theirs), dtype=bool)
    lean[place[is_found]] = (counts[:, YES] - counts[:, NO])[is_found]
    return lean


def _refinement_lean(table: pd.DataFrame, votes: VoteArrays) -> NDArray[np.int64]:
    """Return yes minus no among each item's refinement votes."""
    if "round" not in table or not (table["round"] == Round.REFINEMENT).any():
        return np.zeros(votes.n_items, dtype=np.int64)
    refined = VoteArrays.from_table(table, rounds=(Round.REFINEMENT,))
    counts = refined.item_counts()
    keys = pd.MultiIndex.from_frame(refined.item_frame())
    lean = pd.Series(counts[:, YES] - counts[:, NO], index=keys)
    items = pd.MultiIndex.from_frame(votes.item_frame())
    found: NDArray[np.int64] = lean.reindex(items, fill_value=0).to_numpy(dtype=np.int64)
    return found
