"""Items on which the same people said the same: what is estimated from votes alone is the same for all of them.

Fifteen annotators, two to an image, give at most a thousand such patterns, however many images there are. A model that
is fitted to the patterns, each counted as often as it occurs, is the model of all votes, at a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.votes.arrays import VoteArrays
from pipeline.votes.blocks import VoteBlock
from pipeline.votes.by_item import ByItem
from pipeline.votes.words import N_VOTES

#: Where fewer items than this share a pattern on average, nothing is gained.
_LEAST_SHARED = 4
_MAX_KEY, _MAX_SHORT = np.iinfo(np.int64).max, np.iinfo(np.uint16).max
#: Known answers are -1, 0 or 1.
_N_KNOWN = 3


@dataclass(frozen=True, eq=False)
class Patterns:
    """The patterns of some votes.

    Attributes
    ----------
    votes
        One item a pattern, with the votes of each item that has it.
    known
        int8 ``(n_patterns,)`` each: what is known of the items beforehand, in the order in which it was given.
    n_items
        float64 ``(n_patterns,)``: how many items have each pattern.
    of_item
        uint16 or int32 ``(n_items,)``: the pattern of each item; ``None`` where each is its own.
    """

    votes: VoteArrays
    known: tuple[NDArray[np.int8] | None, ...]
    n_items: NDArray[np.float64]
    of_item: NDArray[np.integer] | None

    def spread(self, values: NDArray[np.float64]) -> ByItem:
        """Return each item's value from the values of the patterns."""
        return ByItem(values, self.of_item)


def find_patterns(votes: VoteArrays, known: Sequence[NDArray[np.int8] | None] = ()) -> Patterns:
    """Find the patterns, where items share them; else return the votes as they are.

    Parameters
    ----------
    known
        ``(n_items,)`` each, or ``None``: items that share a pattern have the same value.
    """
    plain = Patterns(votes, tuple(known), np.ones(votes.n_items), None)
    base, given = votes.n_annotators * N_VOTES + 1, [values for values in known if values is not None]
    of_item = np.empty(votes.n_items, dtype=np.int32)
    n_items = np.zeros(0)
    numbers: dict[int, int] = {}
    for block in votes.blocks():
        here = slice(block.first_item, block.first_item + block.n_items)
        keys = _keys(block, base, [values[here] for values in given])
        if keys is None:
            return plain
        place, found = pd.factorize(keys)
        of_item[here] = np.array([numbers.setdefault(key, len(numbers)) for key in found.tolist()])[place]
        n_items = np.append(n_items, np.zeros(len(numbers) - len(n_items)))
        n_items += np.bincount(of_item[here], minlength=len(numbers))
        if len(numbers) * _LEAST_SHARED > max(here.stop, 1):
            return plain
    if not numbers:
        return plain
    decoded = _decoded(np.array(list(numbers)), base, len(given))
    found_known = iter(decoded[1])
    return Patterns(
        VoteArrays.from_codes(*decoded[0], images=np.arange(len(numbers)), classes=[0], annotators=votes.annotators),
        tuple(None if values is None else next(found_known) for values in known),
        n_items,
        of_item.astype(np.uint16) if len(numbers) <= _MAX_SHORT else of_item,
    )


def _keys(block: VoteBlock, base: int, known: Sequence[NDArray[np.int8]]) -> NDArray[np.int64] | None:
    """Return one number for each item of a block that names its votes and what is known; None where none is so long."""
    first = np.searchsorted(block.item, np.arange(block.n_items, dtype=np.int32))
    n_most = int(np.diff(first, append=len(block.item)).max(initial=1))
    if base**n_most * _N_KNOWN ** len(known) > _MAX_KEY:
        return None
    place = np.arange(len(block.item)) - first[block.item]
    digit = block.annotator.astype(np.int64) * N_VOTES + block.vote + 1
    keys = np.add.reduceat(digit * base**place, first) if len(first) else np.empty(0, dtype=np.int64)
    for values in known:
        keys = keys * _N_KNOWN + (values + 1)
    return keys


def _decoded(
    keys: NDArray[np.int64], base: int, n_known: int
) -> tuple[tuple[NDArray[np.int64], ...], list[NDArray[np.int8]]]:
    """Return pattern, class, annotator and word of each vote that the keys name, and what is known."""
    known: list[NDArray[np.int8]] = []
    for _ in range(n_known):
        known.insert(0, (keys % _N_KNOWN - 1).astype(np.int8))
        keys = keys // _N_KNOWN
    parts = []
    while keys.any():
        pattern, digit = np.flatnonzero(keys), keys[keys > 0] % base - 1
        parts.append(np.stack([pattern, np.zeros_like(pattern), digit // N_VOTES, digit % N_VOTES]))
        keys = keys // base
    return tuple(np.concatenate(parts, axis=1)), known
