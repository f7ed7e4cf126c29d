"""Label sets of a demo: how many images have several labels, and what a plain majority would say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pipeline.annotation.events import ImageState
from pipeline.evaluation.label_scores import LabelSetsByImage
from pipeline.evaluation.shares import Share
from pipeline.votes.words import Vote

_VOTE_VALUE = {Vote.YES: 1.0, Vote.UNSURE: 0.5, Vote.NO: 0.0}


def multi_label(labels: LabelSetsByImage) -> Share:
    """Return the share of images with two labels or more."""
    return Share(sum(len(of_image) > 1 for of_image in labels.values()), len(labels))


def majority_labels(states: Iterable[ImageState]) -> frozenset[int]:
    """Return the classes of one image that more than half of those who were shown them voted for.

    An *unsure* counts as half a *yes*, as in :func:`pipeline.consensus.majority.majority`.

    Parameters
    ----------
    states
        What each annotator said about the image; annotators who have not decided it have no vote.
    """
    value: Counter[int] = Counter()
    n_votes: Counter[int] = Counter()
    for state in states:
        for class_index, vote in state.exposed_votes().items():
            value[class_index] += _VOTE_VALUE[vote]  # type: ignore[assignment] # a Counter of halves
            n_votes[class_index] += 1
    return frozenset(class_index for class_index, n in n_votes.items() if value[class_index] > n / 2)
