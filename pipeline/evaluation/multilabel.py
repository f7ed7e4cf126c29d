"""How many labels the images have, and how models fare on images with one, two, three, … labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.accuracy import ModelAccuracy
from pipeline.evaluation.label_sets import LabelSets
from pipeline.evaluation.metrics import METRICS, HitRanks
from pipeline.evaluation.shares import Mean, Share


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
    model: str, hits: HitRanks, labels: LabelSets, n_classes: int | None = None
) -> tuple[LabelCountAccuracy, ...]:
    """Score a model separately on the images with 0, 1, 2, … labels.

    Parameters
    ----------
    model, hits, n_classes
        As in :func:`pipeline.evaluation.accuracy.model_accuracy`.
    labels
        Of the same images in the same order.
    """
    counts = label_count_distribution(labels)
    order = np.argsort(labels.n_labels, kind="stable")  # the images of each number of labels, one after the other
    ends = np.cumsum(list(counts.values())).tolist()
    classes = hits.original_label[order]
    parts: list[dict[str, Share | Mean | None]] = [{} for _ in counts]
    for metric in METRICS:
        if not metric.is_defined(hits, n_classes):
            for part in parts:
                part[metric.name] = None
            continue
        values, counted = metric.values(hits)[order], metric.counted(hits)[order]
        for part, start, end in zip(parts, [0, *ends], ends, strict=False):
            part[metric.name] = metric.mean(values[start:end], counted[start:end], classes[start:end])
    return tuple(
        LabelCountAccuracy(count, n_images, ModelAccuracy(model, part))
        for (count, n_images), part in zip(counts.items(), parts, strict=True)
    )
