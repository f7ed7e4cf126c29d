"""Two label sets of the same images: which images differ, and how."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets

#: Kinds of difference, and what each means.
KINDS: Final = {
    "same": "the same labels",
    "added": "labels were added, none taken away",
    "removed": "labels were taken away, none added",
    "replaced": "not one label is in both",
    "mixed": "some are in both, some were added and some taken away",
    "emptied": "there were labels, and none applies now",
    "filled": "there was no label, and there are some now",
}


def label_changes(before: LabelSets, after: LabelSets) -> pd.DataFrame:
    """Return how each image's label set differs.

    Parameters
    ----------
    before, after
        Of the same images in the same order.

    Returns
    -------
    pandas.DataFrame
        A row per image: `image` (its name), `kind` (:data:`KINDS`), `n_before`, `n_after`, `n_added`, `n_removed`, and
        `distance`, the Jaccard distance of the two sets (0 for two empty ones).

    Raises
    ------
    DatasetError
        If they are not of the same images.
    """
    if before.image_ids != after.image_ids:
        raise DatasetError("two label sets are compared on the same images, in the same order")
    n_classes = 1 + max(int(before.class_index.max(initial=0)), int(after.class_index.max(initial=0)))
    keys = before.image_index * n_classes + before.class_index
    kept = keys[np.isin(keys, after.image_index * n_classes + after.class_index)]
    n_kept = np.bincount(kept // n_classes, minlength=len(before))
    n_added, n_removed = after.n_labels - n_kept, before.n_labels - n_kept
    union = n_kept + n_added + n_removed
    kind = np.select(
        [
            (n_added == 0) & (n_removed == 0),
            before.n_labels == 0,
            after.n_labels == 0,
            n_removed == 0,
            n_added == 0,
            n_kept == 0,
        ],
        ["same", "filled", "emptied", "added", "removed", "replaced"],
        default="mixed",
    )
    return pd.DataFrame(
        {
            "image": before.image_ids,
            "kind": kind,
            "n_before": before.n_labels,
            "n_after": after.n_labels,
            "n_added": n_added,
            "n_removed": n_removed,
            "distance": np.where(union > 0, (n_added + n_removed) / np.maximum(union, 1), 0.0),
        }
    )


def kind_counts(changes: pd.DataFrame) -> dict[str, int]:
    """Return how many images differ in each way, every kind listed, in the order of :data:`KINDS`."""
    counts = changes["kind"].value_counts()
    return {kind: int(counts.get(kind, 0)) for kind in KINDS}
