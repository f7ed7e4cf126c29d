"""Which labels of an image are disputed: the questions that a refiner is asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.annotation.events import ImageState


def disputed_classes(states: Iterable[ImageState]) -> tuple[int, ...]:
    """Return the classes on which those who decided an image do not agree, ascending.

    A class is disputed where somebody ticked it and somebody who was shown it did not; where one alone ticked it,
    though others decided the image (they were not shown it: it has no second voice); or where somebody was unsure of
    it. That an image as a whole was flagged unsure disputes what others ticked, not the classes that nobody did.

    Parameters
    ----------
    states
        The annotators' states of one image; the undecided are left out.
    """
    decided = [state for state in states if state.is_decided]
    n_ticks: Counter[int] = Counter()
    n_shown: Counter[int] = Counter()
    doubted: set[int] = set()
    for state in decided:
        n_shown.update(state.exposed_votes().keys())
        n_ticks.update(state.label_set)
        doubted.update(class_index for class_index, vote in state.votes.items() if vote == "unsure")
    split = {
        class_index for class_index, n in n_ticks.items() if n < n_shown[class_index] or (n == 1 and len(decided) > 1)
    }
    return tuple(sorted(doubted | split))
