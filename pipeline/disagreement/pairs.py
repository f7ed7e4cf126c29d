"""Every pair of annotators of an image, compared on the classes that both were shown.

Works on one block of images at a time (see :meth:`pipeline.votes.arrays.VoteArrays.blocks`), without a loop over rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.votes.blocks import VoteBlock
from pipeline.votes.words import YES

IntArray = NDArray[np.int64]
#: Up to so many cells a vote, a table of who worked on which image is faster than sorting.
_CELLS_PER_VOTE = 4


@dataclass(frozen=True, eq=False)
class Sittings:
    """The sittings of a block, ascending by image and annotator: who worked on which image.

    Attributes
    ----------
    image, annotator
        ``(n_sittings,)``: codes; the image counts from the block's first.
    n_labels
        ``(n_sittings,)``: size of the label set, 0 for an annotator who said `no` throughout.
    of_vote
        ``(n_votes,)``: the sitting of each vote.
    n_by_image, first_of_image
        ``(n_images,)``.
    """

    image: IntArray
    annotator: IntArray
    n_labels: IntArray
    of_vote: IntArray
    n_by_image: IntArray
    first_of_image: IntArray


@dataclass(frozen=True, eq=False)
class SittingPairs:
    """Every pair of sittings of one image, and what they have in common.

    ``n_shared`` classes were shown to both, on ``n_agree`` of them they said the same word, ``n_both`` were ticked by
    both, ``n_either_shared`` by at least one, of those shown to both, ``n_either`` by at least one, shown to both or
    not. ``n_differ`` is the number of classes shown to both that exactly one of them ticked.
    """

    image: IntArray
    annotator_a: IntArray
    annotator_b: IntArray
    n_shared: IntArray
    n_agree: IntArray
    n_both: IntArray
    n_either_shared: IntArray
    n_either: IntArray

    @property
    def n_differ(self) -> IntArray:
        """Return how many classes shown to both were ticked by exactly one."""
        return self.n_either_shared - self.n_both

    @property
    def jaccard_distance(self) -> NDArray[np.float64]:
        """Return the Jaccard distance of the two label sets; two empty sets: 0."""
        return _distance(self.n_both, self.n_either)

    @property
    def jaccard_distance_shared(self) -> NDArray[np.float64]:
        """Return the same, of the label sets cut down to the classes shown to both."""
        return _distance(self.n_both, self.n_either_shared)


@dataclass(frozen=True, eq=False)
class OneSidedTicks:
    """Classes that one of two annotators ticked and the other, who was shown them too, did not.

    ``pair`` is the position in :class:`SittingPairs`, ascending; ``is_first``: the first of the two ticked it.
    """

    pair: IntArray
    class_: IntArray
    is_first: NDArray[np.bool_]


def find_sittings(block: VoteBlock, n_annotators: int) -> Sittings:
    """Find who worked on which image of the block."""
    key = block.item_image[block.item].astype(np.int64) * n_annotators + block.annotator
    sittings, of_vote = _distinct(key, block.n_images * n_annotators)
    image = sittings // n_annotators
    n_by_image = np.bincount(image, minlength=block.n_images)
    return Sittings(
        image=image,
        annotator=sittings % n_annotators,
        n_labels=np.bincount(of_vote[block.vote == YES], minlength=len(sittings)),
        of_vote=of_vote,
        n_by_image=n_by_image,
        first_of_image=np.cumsum(n_by_image) - n_by_image,
    )


def compare_sittings(block: VoteBlock, sittings: Sittings) -> tuple[SittingPairs, OneSidedTicks]:
    """Compare every pair of annotators of every image of the block."""
    n_pairs_by_image = sittings.n_by_image * (sittings.n_by_image - 1) // 2
    first_pair = np.cumsum(n_pairs_by_image) - n_pairs_by_image
    n_pairs = int(n_pairs_by_image.sum())
    counts = np.zeros((4, n_pairs), dtype=np.int64)
    ticks: list[tuple[IntArray, IntArray, NDArray[np.bool_]]] = []
    for left, right in _vote_pairs(block.item):
        pair = _pair_index(sittings, first_pair, sittings.of_vote[left], sittings.of_vote[right])
        vote_a, vote_b = block.vote[left], block.vote[right]
        yes_a, yes_b = vote_a == YES, vote_b == YES
        for row, chosen in enumerate((None, vote_a == vote_b, yes_a & yes_b, yes_a | yes_b)):
            counts[row] += np.bincount(pair if chosen is None else pair[chosen], minlength=n_pairs)
        one = np.flatnonzero(yes_a != yes_b)
        ticks.append((pair[one], block.item_class[block.item[left[one]]].astype(np.int64), yes_a[one]))
    first, second = _all_sitting_pairs(sittings)
    pairs = SittingPairs(
        image=sittings.image[first],
        annotator_a=sittings.annotator[first],
        annotator_b=sittings.annotator[second],
        n_shared=counts[0],
        n_agree=counts[1],
        n_both=counts[2],
        n_either_shared=counts[3],
        n_either=sittings.n_labels[first] + sittings.n_labels[second] - counts[2],
    )
    return pairs, _join_ticks(ticks)


def confused_classes(ticks: OneSidedTicks) -> tuple[IntArray, IntArray]:
    """Return the two classes of every confusion: ticked by one annotator where the other ticked another instead.

    Returns
    -------
    lower, upper
        Class codes ``(n_confusions,)``, ``lower < upper``; a pair of annotators counts each pair of classes once.
    """
    mine, theirs = np.flatnonzero(ticks.is_first), np.flatnonzero(~ticks.is_first)
    start = np.searchsorted(ticks.pair[theirs], ticks.pair[mine], side="left")
    n_partners = np.searchsorted(ticks.pair[theirs], ticks.pair[mine], side="right") - start
    left = np.repeat(mine, n_partners)
    within = np.arange(len(left)) - np.repeat(np.cumsum(n_partners) - n_partners, n_partners)
    right = theirs[np.repeat(start, n_partners) + within]
    one, other = ticks.class_[left], ticks.class_[right]
    return np.minimum(one, other), np.maximum(one, other)


def _vote_pairs(item: NDArray[np.int32]) -> list[tuple[IntArray, IntArray]]:
    """Return the positions of every pair of votes on the same item, one entry for each distance between them."""
    pairs = []
    distance = 1
    left = np.flatnonzero(item[distance:] == item[:-distance])
    while len(left):
        pairs.append((left, left + distance))
        distance += 1
        left = left[left + distance < len(item)]
        left = left[item[left + distance] == item[left]]
    return pairs


def _distinct(key: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """Return the different keys, ascending and below `size`, and each key's place: unsorted where `size` is small."""
    if size > _CELLS_PER_VOTE * len(key):
        return np.unique(key, return_inverse=True)
    place = np.zeros(size, dtype=np.int64)
    place[key] = 1
    found = np.flatnonzero(place)
    place[found] = np.arange(len(found))
    return found, place[key]


def _pair_index(sittings: Sittings, first_pair: IntArray, one: IntArray, other: IntArray) -> IntArray:
    image = sittings.image[one]
    base = sittings.first_of_image[image]
    rank_a, rank_b, n = one - base, other - base, sittings.n_by_image[image]
    index: IntArray = first_pair[image] + rank_a * n - rank_a * (rank_a + 1) // 2 + (rank_b - rank_a - 1)
    return index


def _all_sitting_pairs(sittings: Sittings) -> tuple[IntArray, IntArray]:
    n_sittings = len(sittings.image)
    ends = (sittings.first_of_image + sittings.n_by_image)[sittings.image]
    n_later = ends - np.arange(n_sittings) - 1
    first = np.repeat(np.arange(n_sittings), n_later)
    within = np.arange(len(first)) - np.repeat(np.cumsum(n_later) - n_later, n_later)
    return first, first + 1 + within


def _join_ticks(parts: list[tuple[IntArray, IntArray, NDArray[np.bool_]]]) -> OneSidedTicks:
    if not parts:
        nothing = np.empty(0, dtype=np.int64)
        return OneSidedTicks(nothing, nothing, nothing.astype(bool))
    pair, class_, is_first = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(pair, kind="stable")
    return OneSidedTicks(pair[order], class_[order], is_first[order])


def _distance(n_both: IntArray, n_either: IntArray) -> NDArray[np.float64]:
    return np.where(n_either > 0, 1 - n_both / np.maximum(n_either, 1), 0.0)
