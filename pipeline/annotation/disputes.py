"""What the annotators of one image leave open: the rules of :mod:`pipeline.votes.disputes` on their states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from pipeline.annotation.folding import ImageState
from pipeline.votes.disputes import is_agreed, is_open
from pipeline.votes.words import Vote


def has_image_disagreement(states: Iterable[ImageState]) -> bool:
    """Return whether two annotators' label sets differ; the undecided are left out."""
    return len({state.label_set for state in states if state.is_decided}) > 1


def open_labels(states: Iterable[ImageState]) -> tuple[int, ...]:
    """Return the classes that the votes do not settle, ascending: the questions that a refiner is asked.

    Parameters
    ----------
    states
        The annotators' states of one image; the undecided are left out.
    """
    decided = [state for state in states if state.is_decided]
    n_yes, n_votes = _counts(decided)
    n_doubts = Counter(c for state in decided for c, vote in state.votes.items() if vote == Vote.UNSURE)
    touched = sorted(n_yes.keys() | n_doubts.keys())
    return tuple(c for c in touched if is_open(n_yes[c], n_votes[c], n_doubts[c], len(decided)))


def agreed_labels(states: Iterable[ImageState]) -> frozenset[int]:
    """Return the classes that stand agreed when a refiner sees the image; the parameter is that of `open_labels`."""
    decided = [state for state in states if state.is_decided]
    n_yes, n_votes = _counts(decided)
    return frozenset(c for c in n_yes if is_agreed(n_yes[c], n_votes[c], len(decided)))


def votes_of_refiner(state: ImageState, agreed: Collection[int]) -> dict[int, Vote]:
    """Return a refiner's votes by class index: nobody asked about what is agreed, so leaving it alone is no vote.

    Parameters
    ----------
    state
        What the refiner decided.
    agreed
        The classes of :func:`agreed_labels`. Ticking one, denying one and *none of these* are votes like any other.
    """
    votes = state.exposed_votes()
    return votes if state.none else {c: vote for c, vote in votes.items() if c in state.votes or c not in agreed}


def _counts(decided: Iterable[ImageState]) -> tuple[Counter[int], Counter[int]]:
    """Return how many ticked each class, and how many voted on it."""
    n_yes, n_votes = Counter[int](), Counter[int]()
    for state in decided:
        n_yes.update(state.label_set)
        n_votes.update(state.exposed_votes().keys())
    return n_yes, n_votes
