"""Label sets against the truth: what the demo prints beside its headline figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.annotation.events import ImageState
from pipeline.evaluation.shares import Share
from pipeline.votes.words import Vote

LabelSetsByImage = Mapping[int, frozenset[int]]
_VOTE_VALUE = {Vote.YES: 1.0, Vote.UNSURE: 0.5, Vote.NO: 0.0}


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How far label sets are the true ones, over (image, class) pairs.

    Parameters
    ----------
    n_right
        Labels given that are true.
    n_given
        Labels given.
    n_true
        True labels of the images.
    n_images
        Images looked at.
    """

    n_right: int
    n_given: int
    n_true: int
    n_images: int

    @property
    def precision(self) -> Share:
        """Return the share of the labels given that are true."""
        return Share(self.n_right, self.n_given)

    @property
    def recall(self) -> Share:
        """Return the share of the true labels that were given."""
        return Share(self.n_right, self.n_true)

    @property
    def f1(self) -> float | None:
        """Return the harmonic mean of the two; None where no label was given and none is true."""
        total = self.n_given + self.n_true
        return 2 * self.n_right / total if total else None


def score_labels(given: LabelSetsByImage, truth: LabelSetsByImage) -> LabelScore:
    """Return how far the label sets of these images are the true ones.

    Parameters
    ----------
    given
        Image index to labels; an empty set says that none applies.
    truth
        Image index to the true labels, of all those images at least.
    """
    return LabelScore(
        n_right=sum(len(labels & truth[image]) for image, labels in given.items()),
        n_given=sum(len(labels) for labels in given.values()),
        n_true=sum(len(truth[image]) for image in given),
        n_images=len(given),
    )


def multi_label(labels: LabelSetsByImage) -> Share:
    """Return the share of images with two labels or more."""
    return Share(sum(len(of_image) > 1 for of_image in labels.values()), len(labels))


def majority_labels(states: Iterable[ImageState]) -> frozenset[int]:
    """Return the classes of one image for which more than half of those who were shown them voted.

    An *unsure* counts as half a *yes*, as in :func:`pipeline.consensus.majority.majority`.

    Parameters
    ----------
    states
        What each annotator said of the image; the undecided have no vote.
    """
    value: Counter[int] = Counter()
    n_votes: Counter[int] = Counter()
    for state in states:
        for class_index, vote in state.exposed_votes().items():
            value[class_index] += _VOTE_VALUE[vote]  # type: ignore[assignment] # a Counter of halves
            n_votes[class_index] += 1
    return frozenset(class_index for class_index, n in n_votes.items() if value[class_index] > n / 2)
