"""Refined labels: the final label set of each image, and where each label came from."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.pooling import cached_slices
from pipeline.consensus.result import Consensus
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.disputes import is_settled
from pipeline.votes.words import NO, YES, Source

#: The names of sources, by code.
SOURCE_NAMES: Final = np.array([source.value for source in Source], dtype=object)


def settle_items(
    counts: NDArray[np.integer], consensus: Consensus, refinement: NDArray[np.integer] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Settle every item.

    A refinement vote of yes or no stands. If there are several, their majority stands; on a tie the consensus decides.
    But one refiner alone does not overrule two or more annotators who all said the same. Unless another refiner agrees,
    the likelier answer stands, by the posterior of all their votes.
    Without refinement votes, what two or more annotators all agreed on (yes, or no) stands. Otherwise the consensus
    decides.

    Parameters
    ----------
    counts
        ``(n_items, 3)``, from :meth:`pipeline.votes.arrays.VoteArrays.item_counts`: the votes of both rounds.
    refinement
        The same for the refinement round alone (:func:`counts_within`); ``None`` without one.

    Returns
    -------
    label, source
        bool and int8 ``(n_items,)``; the source as :attr:`pipeline.votes.words.Source.code`.
    """
    label, source = consensus.label.copy(), np.full(len(counts), Source.CONSENSUS.code, dtype=np.int8)
    for part in cached_slices(len(counts)):
        refined = None if refinement is None else refinement[part]
        _settle_some(label[part], source[part], counts[part], consensus.posterior[part], refined)
    return label, source


def settle_votes_of(
    votes: VoteArrays, consensus: Consensus, refinement: VoteArrays | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Do the same from the votes, some images at a time: the counts of all items would take more than the outcome.

    Parameters
    ----------
    votes, refinement
        The votes of both rounds, and those of the refinement round alone, with the same vocabularies.
    """
    label, source = np.empty(votes.n_items, dtype=bool), np.empty(votes.n_items, dtype=np.int8)
    place = np.empty(0, dtype=np.intp) if refinement is None else votes.places_of(refinement.item_keys())
    said = np.empty((0, 3), dtype=np.int16) if refinement is None else refinement.item_counts()[place >= 0]
    place = place[place >= 0]
    for block in votes.blocks():
        here = slice(block.first_item, block.first_item + block.n_items)
        counts = block.item_counts()
        start, stop = np.searchsorted(place, [here.start, here.stop]).tolist()
        refined = None if refinement is None else np.zeros_like(counts)
        if refined is not None:
            refined[place[start:stop] - here.start] = said[start:stop]
        part = replace(consensus, label=consensus.label[here], posterior=consensus.posterior[here])
        label[here], source[here] = settle_items(counts, part, refined)
    return label, source


def _settle_some(
    label: NDArray[np.bool_],
    source: NDArray[np.int8],
    counts: NDArray[np.integer],
    posterior: NDArray[np.float64],
    refinement: NDArray[np.integer] | None,
) -> None:
    """Settle some items, in place."""
    totals = counts.sum(axis=1)
    by_votes = is_settled(counts[:, YES], counts[:, NO], totals)
    label[by_votes], source[by_votes] = counts[by_votes, YES] > 0, Source.AGREED.code
    if refinement is None:
        return
    lean = refinement[:, YES] - refinement[:, NO]
    annotators = counts - refinement
    n_annotators = annotators.sum(axis=1)
    said_all = is_settled(annotators[:, YES], annotators[:, NO], n_annotators)
    contradicts = said_all & np.where(annotators[:, YES] > 0, lean < 0, lean > 0)
    stands_alone = contradicts & (np.abs(lean) == 1)
    label[stands_alone], source[stands_alone] = posterior[stands_alone] > 0.5, Source.CONSENSUS.code
    is_refined = (lean != 0) & ~stands_alone
    label[is_refined], source[is_refined] = lean[is_refined] > 0, Source.REFINED.code


def counts_within(votes: VoteArrays, part: VoteArrays, items: NDArray[np.integer] | None = None) -> NDArray[np.integer]:
    """Return how many of `part` said no, unsure and yes on each item of `votes`, or on some: ``(n_items, 3)``.

    Parameters
    ----------
    votes, part
        All votes, and some of them (such as those of the refinement round), with the same vocabularies.
    items
        Which items of `votes`, ascending; all where left out.
    """
    counts = np.zeros((votes.n_items if items is None else len(items), 3), dtype=votes.count_dtype)
    if len(counts) == 0 or part.n_items == 0:
        return counts
    theirs = part.item_keys()
    place = votes.places_of(theirs)
    if items is not None:
        among = np.minimum(np.searchsorted(items, place), len(items) - 1)
        place = np.where(items[among] == place, among, -1)
    is_found = place >= 0
    counts[place[is_found]] = part.item_counts()[is_found]
    return counts
