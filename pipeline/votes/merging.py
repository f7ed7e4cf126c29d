"""Joining votes that were read apart, in memory that does not grow with their number beyond the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from pipeline.votes.arrays import VoteArrays

_VOTES_AT_ONCE = 500_000


def merge_votes(earlier: VoteArrays, later: VoteArrays) -> VoteArrays:
    """Return the votes of both; where both have a vote by the same annotator on an image and class, `later` wins.

    Parameters
    ----------
    earlier, later
        Votes with the same vocabularies.
    """
    if earlier.n_votes == 0 or later.n_votes == 0:
        return later if earlier.n_votes == 0 else earlier
    # As long as all votes from the start: what is never written takes no memory, and parts joined at the end twice.
    n_items, n_votes = earlier.n_items + later.n_items, earlier.n_votes + later.n_votes
    items, votes = (
        {name: np.empty(length, getattr(earlier, name).dtype) for name in names}
        for length, names in ((n_items, ("item_image", "item_class", "n_each")), (n_votes, ("annotator", "vote")))
    )
    n_items = n_votes = 0
    for couple in _image_ranges(earlier, later):
        part = _merged(*couple, earlier)
        for columns, start, length in ((items, n_items, part.n_items), (votes, n_votes, part.n_votes)):
            for name, column in columns.items():
                column[start : start + length] = getattr(part, name)
        n_items, n_votes = n_items + part.n_items, n_votes + part.n_votes
    filled = {name: column[:n_items] for name, column in items.items()}
    filled |= {name: column[:n_votes] for name, column in votes.items()}
    return replace(earlier, **filled)


def _image_ranges(one: VoteArrays, other: VoteArrays) -> Iterator[tuple[VoteArrays, VoteArrays]]:
    """Cut both into ranges of the same whole images, so that the memory for merging stays constant."""
    starts = [block.first_image for block in one.blocks(_VOTES_AT_ONCE)]
    edges = [0, *starts[1:], one.n_images]
    yield from zip(_cut(one, edges), _cut(other, edges), strict=True)


def _cut(votes: VoteArrays, edges: list[int]) -> Iterator[VoteArrays]:
    """Yield the votes on the images between each two edges."""
    start = 0
    for low, high in pairwise(np.searchsorted(votes.item_image, np.array(edges, dtype=votes.item_image.dtype))):
        n_each = votes.n_each[low:high]
        end = start + int(n_each.sum())
        yield replace(
            votes,
            item_image=votes.item_image[low:high],
            item_class=votes.item_class[low:high],
            n_each=n_each,
            annotator=votes.annotator[start:end],
            vote=votes.vote[start:end],
        )
        start = end


def _merged(earlier: VoteArrays, later: VoteArrays, names: VoteArrays) -> VoteArrays:
    first, second = earlier.item, later.item
    keys = [
        votes.item_keys()[item] * max(votes.n_annotators, 1) + votes.annotator
        for votes, item in ((earlier, first), (later, second))
    ]
    stands = ~np.isin(keys[0], keys[1])
    return VoteArrays.from_codes(
        np.concatenate([earlier.item_image[first][stands], later.item_image[second]]),
        np.concatenate([earlier.item_class[first][stands], later.item_class[second]]),
        np.concatenate([earlier.annotator[stands], later.annotator]),
        np.concatenate([earlier.vote[stands], later.vote]),
        images=names.images,
        classes=names.classes,
        annotators=names.annotators,
    )
