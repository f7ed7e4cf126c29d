"""The states of one round packed into votes.

They are put in order by image, and packed a few hundred thousand votes at a time, into arrays that are as long as all
votes from the start.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.stages.round_states import RoundStates
from pipeline.votes.arrays import VoteArrays, annotator_dtype
from pipeline.votes.ascending import are_in
from pipeline.votes.words import NO, UNSURE

_VOTES_AT_ONCE = 500_000
#: The lowest bits of a packed vote: its word, whether *none of these* was said, and whether it was given one by one.
_WORD_BITS, _NONE, _GIVEN = 2, 1 << 2, 1 << 3
_LOW_BITS = 4
_Run = tuple[NDArray[np.integer], ...]


def in_order(states: RoundStates, images: Collection[int] = (), *, inside: bool = False) -> NDArray[np.intp]:
    """Return the places of states in order of image and annotator: those outside some images, or those inside."""
    image = _numbers(states.image)
    chosen = np.flatnonzero(np.isin(image, list(images), invert=not inside))
    return chosen[np.lexsort((_numbers(states.annotator)[chosen], image[chosen]))]


def sittings(states: RoundStates, chosen: NDArray[np.intp], people: tuple[str, ...]) -> pd.DataFrame:
    """Return the chosen states, in this order, as :attr:`pipeline.stages.votes_of_project.ProjectVotes.sittings`.

    Parameters
    ----------
    states, chosen
        The states, and which of them, from :func:`in_order`.
    people
        Names of all annotators.
    """
    annotator = pd.Categorical.from_codes(
        _numbers(states.annotator)[chosen].tolist(), dtype=pd.CategoricalDtype(list(people))
    )
    return pd.DataFrame(
        {
            "image": _numbers(states.image)[chosen],
            "annotator": annotator,
            "active_ms": _numbers(states.active_ms)[chosen],
            "decided_at": _numbers(states.last_seq)[chosen],
            "searched": _numbers(states.searched)[chosen].astype(bool),
        }
    )


def pack_votes(
    states: RoundStates,
    chosen: NDArray[np.intp],
    n_images: int,
    n_classes: int,
    people: tuple[str, ...],
    spared: NDArray[np.int64] | None = None,
) -> VoteArrays:
    """Return the votes of some states on all classes that were shown, or that have a vote of their own.

    Parameters
    ----------
    states, chosen
        The states, and which of them, from :func:`in_order`.
    n_images, n_classes, people
        The vocabularies: images and classes by index, annotators by name.
    spared
        Keys, ascending, of the items on which a vote counts only if it was given, not if the class was left alone.

    Raises
    ------
    DatasetError
        If a state names a class or an image that the project does not have.
    """
    names = np.empty(len(people), dtype=object)
    names[:] = people
    for column, size, what in (
        (states.shown, n_classes, "class"),
        (states.given_class, n_classes, "class"),
        (states.image, n_images, "image"),
    ):
        numbers = _numbers(column)
        low, high = int(numbers.min(initial=0)), int(numbers.max(initial=0))
        if low < 0 or high >= max(size, 1):
            raise DatasetError(
                f"the store has votes on the {what} {low if low < 0 else high}; the project's go from 0 to {size - 1}"
            )
    n_most = int((_numbers(states.n_shown)[chosen] + _numbers(states.n_given)[chosen].astype(np.int64)).sum())
    item_image, item_class = (np.empty(n_most, dtype=np.int32) for _ in range(2))
    n_each, annotator = (np.empty(n_most, dtype=annotator_dtype(len(people))) for _ in range(2))
    vote = np.empty(n_most, dtype=np.int8)
    n_items = n_votes = 0
    starts = _starts(states.n_shown), _starts(states.n_given)
    pack = partial(_packed_run, states, starts, n_classes, len(people), spared)
    for image, class_, number, rater, word in _two_at_once(pack, _image_runs(states, chosen)):
        items, votes = slice(n_items, n_items + len(image)), slice(n_votes, n_votes + len(rater))
        item_image[items], item_class[items], n_each[items] = image, class_, number
        annotator[votes], vote[votes] = rater, word
        n_items, n_votes = items.stop, votes.stop
    return VoteArrays(
        np.arange(n_images, dtype=np.int32),
        np.arange(n_classes, dtype=np.int32),
        names,
        item_image[:n_items],
        item_class[:n_items],
        n_each[:n_items],
        annotator[:n_votes],
        vote[:n_votes],
    )


def _image_runs(states: RoundStates, chosen: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Cut the states between images, so that each run has about :data:`_VOTES_AT_ONCE` votes."""
    if len(chosen) == 0:
        return
    n_before = np.cumsum(_numbers(states.n_shown)[chosen], dtype=np.int64)
    is_first = np.flatnonzero(np.diff(_numbers(states.image)[chosen], prepend=-1))
    wanted = np.arange(_VOTES_AT_ONCE, n_before[-1], _VOTES_AT_ONCE)
    cuts = is_first[np.searchsorted(is_first, np.searchsorted(n_before, wanted)) % len(is_first)]
    edges = np.unique(np.concatenate([[0], cuts, [len(chosen)]]))
    for start, stop in pairwise(edges):
        yield chosen[start:stop]


def _two_at_once(work: Callable[[NDArray[np.intp]], _Run], parts: Iterable[NDArray[np.intp]]) -> Iterator[_Run]:
    """Yield what becomes of each part, in order, while two cores are at work on the next ones."""
    with ThreadPoolExecutor(2) as workers:
        under_way: deque[Future[_Run]] = deque()
        for part in parts:
            under_way.append(workers.submit(work, part))
            if len(under_way) > 2:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()


def _packed_run(
    states: RoundStates,
    starts: tuple[NDArray[np.int64], NDArray[np.int64]],
    n_classes: int,
    n_people: int,
    spared: NDArray[np.int64] | None,
    part: NDArray[np.intp],
) -> _Run:
    """Return image, class and number of votes of each item of a run, and annotator and word of each vote."""
    key, images = _packed(states, starts, part, n_classes, n_people)
    pair = key >> (_LOW_BITS + _bits(n_people))
    image, class_ = images[pair >> _bits(n_classes)], (pair & ((1 << _bits(n_classes)) - 1)).astype(np.int32)
    if spared is not None:
        counts = (key & (_GIVEN | _NONE)) > 0
        counts |= ~are_in(image.astype(np.int64) * n_classes + class_, spared)
        key, pair, image, class_ = key[counts], pair[counts], image[counts], class_[counts]
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    rater = ((key >> _LOW_BITS) & ((1 << _bits(n_people)) - 1)).astype(annotator_dtype(n_people))
    word = (key & ((1 << _WORD_BITS) - 1)).astype(np.int8)
    return image[first], class_[first], np.diff(first, append=len(pair)), rater, word


def _packed(
    states: RoundStates,
    starts: tuple[NDArray[np.int64], NDArray[np.int64]],
    part: NDArray[np.intp],
    n_classes: int,
    n_people: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return one number for each vote of a run, ascending by image, class and annotator; and the run's images."""
    images, place = np.unique(_numbers(states.image)[part], return_inverse=True)
    low = np.where(_numbers(states.unsure)[part], UNSURE, NO) | np.where(_numbers(states.none)[part], _NONE, 0)
    head, rater = place.astype(np.int64), _numbers(states.annotator)[part].astype(np.int64) << _LOW_BITS
    keys = []
    for first, length, classes, votes in (
        (starts[0], states.n_shown, states.shown, None),
        (starts[1], states.n_given, states.given_class, states.given_vote),
    ):
        n_each = _numbers(length)[part]
        rows = _rows(first[part], n_each)
        key = np.repeat(head << _bits(n_classes), n_each)
        key |= _numbers(classes)[rows]
        key <<= _LOW_BITS + _bits(n_people)
        key |= np.repeat(rater, n_each)
        key |= np.repeat(low, n_each) if votes is None else _GIVEN | _numbers(votes)[rows].astype(np.int64)
        keys.append(key)
    key = np.concatenate(keys)
    key.sort()
    # A vote of its own stands after the one that follows from having been shown: of the two, the last one counts.
    return key[np.append((key[1:] >> _LOW_BITS) != (key[:-1] >> _LOW_BITS), True)], images


def _rows(starts: NDArray[np.int64], n_each: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the places of runs of `n_each` entries that begin at `starts`, one run after the other."""
    first = np.cumsum(n_each, dtype=np.int64) - n_each
    return np.repeat(starts - first, n_each) + np.arange(int(n_each.sum()))


def _starts(length: array[int]) -> NDArray[np.int64]:
    n_each = _numbers(length)
    starts: NDArray[np.int64] = np.cumsum(n_each, dtype=np.int64) - n_each
    return starts


def _bits(size: int) -> int:
    """Return how many bits hold the numbers below `size`."""
    return max(size - 1, 1).bit_length()


def _numbers(column: array[int]) -> NDArray[np.integer]:
    return np.frombuffer(column, column.typecode) if len(column) else np.empty(0, column.typecode)
