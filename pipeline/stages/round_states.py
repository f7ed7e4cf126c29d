"""The states of one round, as the store keeps them, read into columns of plain numbers.

A store may hold millions of states, in the order in which people worked. They are read in whatever order is cheapest,
without an object for each. A second process does half of it (:mod:`pipeline.stages.second_reader`), so what this module
loads is light.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, fields

from pydantic_core import from_json

from pipeline.votes.words import VOTE_ORDER, Round

#: How many comments are kept for a report; all are counted.
MAX_COMMENTS = 200
_CODES = {str(word): code for code, word in enumerate(VOTE_ORDER)}


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

    def add(self, others: RoundStates) -> None:
        """Take in what others decided, or they on other images."""
        for column in fields(self):
            own = getattr(self, column.name)
            if isinstance(own, array):
                own.extend(getattr(others, column.name))
        self.comments = _first([*self.comments, *others.comments])
        self.n_comments += others.n_comments


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


def _first(comments: list[Comment]) -> list[Comment]:
    return sorted(comments, key=lambda comment: (comment.image_index, comment.annotator))[:MAX_COMMENTS]
