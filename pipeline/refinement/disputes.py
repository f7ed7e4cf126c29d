"""Which labels of an image are disputed: the questions that a refiner is asked."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.events import ImageState


def disputed_classes(states: Iterable[ImageState]) -> tuple[int, ...]:
    """Return the classes on which those who decided an image do not agree, ascending.

    A class is disputed where somebody ticked it and not everybody did (one who was not shown it did not tick it), or
    where somebody was unsure of it. That an image as a whole was flagged unsure disputes what others ticked, not the
    classes that nobody did.

    Parameters
    ----------
    states
        The annotators' states of one image; the undecided are left out.
    """
    decided = [state for state in states if state.is_decided]
    ticks: dict[int, int] = {}
    doubted: set[int] = set()
    for state in decided:
        for class_index, vote in state.votes.items():
            if vote == "yes":
                ticks[class_index] = ticks.get(class_index, 0) + 1
            elif vote == "unsure":
                doubted.add(class_index)
    return tuple(sorted(doubted | {class_index for class_index, n in ticks.items() if n < len(decided)}))
