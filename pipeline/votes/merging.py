"""Joining votes that were read apart, in memory that does not grow with their number beyond the result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    items: dict[str, NDArray[Any]] = {name: np.empty(n_items, np.int32) for name in ("item_image", "item_class")}
    votes: dict[str, NDArray[Any]] = {
        name: np.empty(n_votes, getattr(earlier, name).dtype) for name in ("item", "annotator", "vote")
    }
    n_items = n_votes = 0
    for couple in _image_ranges(earlier, later):
        part = _merged(*couple, earlier)
        np.add(part.item, np.int32(n_items), out=part.item)
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
    for first, stop in pairwise(edges):
        yield _of_images(one, first, stop), _of_images(other, first, stop)


def _of_images(votes: VoteArrays, first: int, stop: int) -> VoteArrays:
    low, high = np.searchsorted(votes.item_image, np.array([first, stop], dtype=votes.item_image.dtype))
    start, end = np.searchsorted(votes.item, np.array([low, high], dtype=votes.item.dtype))
    return replace(
        votes,
        item_image=votes.item_image[low:high],
        item_class=votes.item_class[low:high],
        item=votes.item[start:end] - np.int32(low),
        annotator=votes.annotator[start:end],
        vote=votes.vote[start:end],
    )


def _merged(earlier: VoteArrays, later: VoteArrays, names: VoteArrays) -> VoteArrays:
    keys = [votes.item_keys()[votes.item] * max(votes.n_annotators, 1) + votes.annotator for votes in (earlier, later)]
    stands = ~np.isin(keys[0], keys[1])
    return VoteArrays.from_codes(
        np.concatenate([earlier.item_image[earlier.item][stands], later.item_image[later.item]]),
        np.concatenate([earlier.item_class[earlier.item][stands], later.item_class[later.item]]),
        np.concatenate([earlier.annotator[stands], later.annotator]),
        np.concatenate([earlier.vote[stands], later.vote]),
        images=names.images,
        classes=names.classes,
        annotators=names.annotators,
    )
