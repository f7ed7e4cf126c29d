"""Which classes stand beside each other in the label sets of images."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.evaluation.label_sets import LabelSets


def label_pairs(labels: LabelSets) -> pd.DataFrame:
    """Count every two classes that some image has both of.

    Returns
    -------
    pandas.DataFrame
        `class_a`, `class_b` (class indices, the lower one first) and `n_images`; the most frequent pair first.
    """
    n_classes = 1 + int(labels.class_index.max(initial=0))
    found = []
    for size in np.unique(labels.n_labels[labels.n_labels >= 2]):
        starts = labels.indptr[:-1][labels.n_labels == size]
        sets = labels.class_index[starts[:, None] + np.arange(size)].astype(np.int64)  # ascending in each row
        one, other = np.triu_indices(int(size), 1)
        found.append((sets[:, one] * n_classes + sets[:, other]).ravel())
    keys, counts = np.unique(np.concatenate(found or [np.zeros(0, dtype=np.int64)]), return_counts=True)
    table = pd.DataFrame({"class_a": keys // n_classes, "class_b": keys % n_classes, "n_images": counts})
    return table.sort_values("n_images", ascending=False, kind="stable", ignore_index=True)
