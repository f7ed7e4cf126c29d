"""The states of one round, as the store keeps them, packed into votes.

A store may hold millions of states, in the order in which people worked. They are read in whatever order is cheapest,
without an object for each: what they say goes into columns of plain numbers. Then they are put in order by image, and
packed a few hundred thousand votes at a time, into arrays that are as long as all votes from the start.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic_core import from_json

from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays, annotator_dtype
from pipeline.votes.ascending import are_in
from pipeline.votes.words import NO, UNSURE, VOTE_ORDER, Round

#: How many comments are kept for a report; all are counted.
MAX_COMMENTS = 200
_CODES = {str(word): code for code, word in enumerate(VOTE_ORDER)}
_VOTES_AT_ONCE = 500_000
#: The lowest bits of a packed vote: its word, whether *none of these* was said, and whether it was given one by one.
_WORD_BITS, _NONE, _GIVEN = 2, 1 << 2, 1 << 3
_LOW_BITS = 4


@dataclass(frozen=True, slots=True)
class Comment:
    """What an annotator wrote about an image."""

    image_index: int
    annotator: str
    round: Round
    text: str


@dataclass(eq=False)
class RoundStates:
    """What everybody decided in a round: one entry for each annotator and image, in any order.

    Attributes
    ----------
    image, annotator, active_ms, last_seq, searched, none, unsure
        Of each decided state; the annotator as a place in the list of names.
    n_shown, n_given
        How many classes were shown, and how many have a vote of their own.
    shown, given_class, given_vote
        These classes, state after state, and the votes.
    comments
        The first :data:`MAX_COMMENTS`, by image and annotator; ``n_comments`` counts all.
    """

    image: array[int] = field(default_factory=lambda: array("i"))
    annotator: array[int] = field(default_factory=lambda: array("i"))
    active_ms: array[int] = field(default_factory=lambda: array("q"))
    last_seq: array[int] = field(default_factory=lambda: array("q"))
    searched: array[int] = field(default_factory=lambda: array("b"))
    none: array[int] = field(default_factory=lambda: array("b"))
    unsure: array[int] = field(default_factory=lambda: array("b"))
    n_shown: array[int] = field(default_factory=lambda: array("i"))
    n_given: array[int] = field(default_factory=lambda: array("i"))
    shown: array[int] = field(default_factory=lambda: array("i"))
    given_class: array[int] = field(default_factory=lambda: array("i"))
    given_vote: array[int] = field(default_factory=lambda: array("b"))
    comments: list[Comment] = field(default_factory=list)
    n_comments: int = 0

    def sittings(self, people: tuple[str, ...], chosen: NDArray[np.intp]) -> pd.DataFrame:
        """Return the chosen states, in this order, as :attr:`pipeline.stages.votes_of_project.ProjectVotes.sittings`.

        Parameters
        ----------
        people
            Names of all annotators.
        chosen
            ``(n_sittings,)`` places of states, from :func:`in_order`.
        """
        annotator = pd.Categorical.from_codes(
            _numbers(self.annotator)[chosen].tolist(), dtype=pd.CategoricalDtype(list(people))
        )
        return pd.DataFrame(
            {
                "image": _numbers(self.image)[chosen],
                "annotator": annotator,
                "active_ms": _numbers(self.active_ms)[chosen],
                "decided_at": _numbers(self.last_seq)[chosen],
                "searched": _numbers(self.searched)[chosen].astype(bool),
            }
        )


def read_states(
    texts: Iterable[tuple[str, int, str]], round_: Round, people: tuple[str, ...], probes: Collection[int] = ()
) -> RoundStates:
    """Read states as the store keeps them.

    Parameters
    ----------
    texts
        Annotator, image index and state, from :meth:`pipeline.store.SqlStore.iter_state_texts`.
    round_
        The round that they belong to.
    people
        Names of all annotators, ascending.
    probes
        Images whose comments do not count.
    """
    found = RoundStates()
    code = {name: number for number, name in enumerate(people)}
    image, annotator, active_ms = found.image.append, found.annotator.append, found.active_ms.append
    last_seq, searched, none_, unsure_ = (
        column.append for column in (found.last_seq, found.searched, found.none, found.unsure)
    )
    n_shown, n_given, shown_ = found.n_shown.append, found.n_given.append, found.shown.fromlist
    given_class, given_vote, codes = found.given_class.extend, found.given_vote.extend, _CODES.__getitem__
    for name, image_index, text in texts:
        try:
            state = from_json(text)
        except ValueError:  # half a character in a comment, which only Python's own reader takes
            state = json.loads(text)
        comment = state["comment"]
        if comment and comment.strip() and image_index not in probes:
            found.n_comments += 1
            found.comments.append(Comment(image_index, name, round_, comment))
            if len(found.comments) >= 20 * MAX_COMMENTS:
                found.comments = _first(found.comments)
        votes, none, unsure, shown = state["votes"], state["none"], state["unsure"], state["shown"]
        if not (votes or none or unsure):
            continue
        image(image_index)
        annotator(code[name])
        active_ms(state["active_ms"])
        last_seq(state["last_seq"])
        searched(state.get("searched", False))  # states kept by an earlier version have none
        none_(none)
        unsure_(unsure)
        n_shown(len(shown))
        n_given(len(votes))
        shown_(shown)
        if votes:
            given_class(map(int, votes))
            given_vote(map(codes, votes.values()))
    found.comments = _first(found.comments)
    return found


def in_order(states: RoundStates, images: Collection[int] = (), *, inside: bool = False) -> NDArray[np.intp]:
    """Return the places of states in order of image and annotator: those outside some images, or those inside."""
    image = _numbers(states.image)
    chosen = np.flatnonzero(np.isin(image, list(images), invert=not inside))
    return chosen[np.lexsort((_numbers(states.annotator)[chosen], image[chosen]))]


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
    starts = _starts(states.n_shown), _starts(states.n_given)
    n_most = int((_numbers(states.n_shown)[chosen] + _numbers(states.n_given)[chosen].astype(np.int64)).sum())
    item_image, item_class = (np.empty(n_most, dtype=np.int32) for _ in range(2))
    n_each, annotator = (np.empty(n_most, dtype=annotator_dtype(len(people))) for _ in range(2))
    vote = np.empty(n_most, dtype=np.int8)
    n_items = n_votes = 0
    for part in _image_runs(states, chosen):
        key, images = _packed(states, starts, part, n_classes, len(people))
        is_new, rater, word = _unpacked(key, len(people))
        pair = key >> (_LOW_BITS + _bits(len(people)))
        image, class_ = images[pair >> _bits(n_classes)], (pair & ((1 << _bits(n_classes)) - 1)).astype(np.int32)
        if spared is not None:
            counts = (key & (_GIVEN | _NONE)) > 0
            counts |= ~are_in(image.astype(np.int64) * n_classes + class_, spared)
            pair, rater, word = pair[counts], rater[counts], word[counts]
            image, class_ = image[counts], class_[counts]
            is_new = np.diff(pair, prepend=-1) != 0
        first = np.flatnonzero(is_new)
        items, here = slice(n_items, n_items + len(first)), slice(n_votes, n_votes + len(pair))
        item_image[items], item_class[items] = image[first], class_[first]
        n_each[items], annotator[here], vote[here] = np.diff(first, append=len(pair)), rater, word
        n_items, n_votes = items.stop, here.stop
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


def _first(comments: list[Comment]) -> list[Comment]:
    return sorted(comments, key=lambda comment: (comment.image_index, comment.annotator))[:MAX_COMMENTS]


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


def _unpacked(key: NDArray[np.int64], n_people: int) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Return of each vote whether it is the first on its image and class, its annotator and its word."""
    pair = key >> (_LOW_BITS + _bits(n_people))
    rater = (key >> _LOW_BITS) & ((1 << _bits(n_people)) - 1)
    return np.diff(pair, prepend=-1) != 0, rater, key & ((1 << _WORD_BITS) - 1)


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
