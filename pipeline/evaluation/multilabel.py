"""How many labels the images have, and how models fare on images with one, two, three, … labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.accuracy import ModelAccuracy, model_accuracy
from pipeline.evaluation.label_sets import LabelSets
from pipeline.evaluation.metrics import HitRanks
from pipeline.evaluation.shares import Share


@dataclass(frozen=True, slots=True)
class LabelCountAccuracy:
    """One model on the images that have exactly `n_labels` refined labels.

    With none, ReaL and Real@5 are over zero images and so undefined.
    """

    n_labels: int
    n_images: int
    accuracy: ModelAccuracy


def multi_label_share(labels: LabelSets) -> Share:
    """Return images with two or more labels over all images, those without any included."""
    return Share(int(np.count_nonzero(labels.n_labels >= 2)), len(labels))


def label_count_distribution(labels: LabelSets) -> dict[int, int]:
    """Return the number of images by number of labels, ascending; counts that no image has are left out."""
    counts, n_images = np.unique(labels.n_labels, return_counts=True)
    return {int(count): int(n) for count, n in zip(counts, n_images, strict=True)}


def accuracy_by_label_count(
    model: str, hits: HitRanks, has_original: NDArray[np.bool_], labels: LabelSets, n_classes: int | None = None
) -> tuple[LabelCountAccuracy, ...]:
    """Score a model separately on the images with 0, 1, 2, … labels.

    Parameters
    ----------
    model, hits, has_original, n_classes
        As in :func:`pipeline.evaluation.accuracy.model_accuracy`.
    labels
        Of the same images in the same order.
    """
    rows = []
    for count in label_count_distribution(labels):
        chosen = labels.n_labels == count
        accuracy = model_accuracy(model, hits, has_original & chosen, chosen & (labels.n_labels > 0), n_classes)
        rows.append(LabelCountAccuracy(count, int(chosen.sum()), accuracy))
    return tuple(rows)
