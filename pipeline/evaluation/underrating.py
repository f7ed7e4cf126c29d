"""How far single labels underrate models, class by class: ReaL less Top-1 on the images of each original label."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluation.label_sets import LabelSets
from pipeline.evaluation.metrics import HitRanks


class UnderratingByClass:
    """Gathers Top-1 and ReaL per original label, over one model after the other.

    Both are over the same images, those with an original label and a non-empty refined label set, so that their
    difference is of the labels alone.

    Parameters
    ----------
    original_label
        ``(n_images,)`` class indices; -1 for an image without one.
    labels
        Refined labels of the same images.
    """

    def __init__(self, original_label: NDArray[np.integer], labels: LabelSets) -> None:
        self._counted = (original_label >= 0) & (labels.n_labels > 0)
        self._classes = original_label[self._counted].astype(np.int64)
        self._n_images = np.bincount(self._classes)
        self._top1 = np.zeros(len(self._n_images))
        self._real = np.zeros(len(self._n_images))
        self._n_models = 0

    def add(self, hits: HitRanks) -> None:
        """Add a model."""
        n_classes = len(self._n_images)
        self._top1 += np.bincount(self._classes, hits.original[self._counted] == 0, minlength=n_classes)
        self._real += np.bincount(self._classes, hits.refined[self._counted] == 0, minlength=n_classes)
        self._n_models += 1

    def table(self) -> pd.DataFrame:
        """Return a row per original label: `class_index`, `n_images`, `top1`, `real`, `underrated`.

        The two accuracies are means over the models, `underrated` is their difference; the rows are sorted by it, the
        most underrated class first.
        """
        classes = np.flatnonzero(self._n_images) if self._n_models else np.zeros(0, dtype=np.int64)
        n_answers = self._n_images[classes] * max(self._n_models, 1)
        top1, real = self._top1[classes] / n_answers, self._real[classes] / n_answers
        columns = {"class_index": classes, "n_images": self._n_images[classes], "top1": top1, "real": real}
        table = pd.DataFrame(columns).assign(underrated=real - top1)
        return table.sort_values("underrated", ascending=False, kind="stable", ignore_index=True)
