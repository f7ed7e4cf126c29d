"""What the annotators of one image leave open: the rules of :mod:`pipeline.votes.disputes` on their states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.annotation.folding import ImageState
from pipeline.votes.disputes import is_open
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
    n_yes, n_votes, n_doubts = Counter[int](), Counter[int](), Counter[int]()
    for state in decided:
        n_votes.update(state.exposed_votes().keys())
        n_yes.update(state.label_set)
        n_doubts.update(class_index for class_index, vote in state.votes.items() if vote == Vote.UNSURE)
    touched = sorted(n_yes.keys() | n_doubts.keys())
    return tuple(c for c in touched if is_open(n_yes[c], n_votes[c], n_doubts[c], len(decided)))
