"""How far labels are the true ones: precision, recall and F1, each with what it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.shares import Share

#: Image index to labels; an empty set says that none applies.
LabelSetsByImage = Mapping[int, frozenset[int]]


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How far labels are the true ones, over (image, class) pairs.

    Parameters
    ----------
    n_right
        Labels given that are true.
    n_given
        Labels given.
    n_true
        True labels.
    n
        What was looked at: items, or images where label sets are scored.
    """

    n_right: int
    n_given: int
    n_true: int
    n: int

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


def score_labels(label: NDArray[np.bool_], truth: NDArray[np.bool_]) -> LabelScore:
    """Score labels, bool ``(n_items,)``, against the truth of the same items."""
    return LabelScore(int((label & truth).sum()), int(label.sum()), int(truth.sum()), len(truth))


def score_label_sets(given: LabelSetsByImage, truth: LabelSetsByImage) -> LabelScore:
    """Score the label sets of these images.

    Parameters
    ----------
    truth
        The true ones, of all those images at least.
    """
    return LabelScore(
        n_right=sum(len(labels & truth[image]) for image, labels in given.items()),
        n_given=sum(len(labels) for labels in given.values()),
        n_true=sum(len(truth[image]) for image in given),
        n=len(given),
    )
