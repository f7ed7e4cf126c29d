"""Joining votes that were read apart, in memory that does not grow with their number beyond the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    return join_votes((_merged(*couple, earlier) for couple in _image_ranges(earlier, later)), earlier)


def join_votes(parts: Iterable[VoteArrays], names: VoteArrays) -> VoteArrays:
    """Join parts that follow each other by image; each part's memory may be freed once it is taken.

    Parameters
    ----------
    parts
        Their items are numbered anew in place.
    names
        Gives the vocabularies; returned as it is if the parts hold nothing.
    """
    columns: dict[str, list[NDArray[Any]]] = {
        "item_image": [],
        "item_class": [],
        "item": [],
        "annotator": [],
        "vote": [],
    }
    n_items = 0
    for part in parts:
        np.add(part.item, np.int32(n_items), out=part.item)
        n_items += part.n_items
        for name, column in columns.items():
            column.append(getattr(part, name))
    if n_items == 0:
        return names
    # One column at a time, freeing its parts as soon as it is whole: two copies of all votes would not fit in memory.
    whole = {name: np.concatenate(columns.pop(name)) for name in tuple(columns)}
    return VoteArrays(images=names.images, classes=names.classes, annotators=names.annotators, **whole)


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
