"""A project's refined labels beside others of the same images: its original ones, a file's, another project's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.evaluation.label_changes import kind_counts, label_changes
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists
from pipeline.project.class_references import ClassNumbers
from pipeline.project.folder import Project, open_project
from pipeline.project.image_table import image_columns, image_indices, original_labels
from pipeline.stages.evaluate import labels_from, refined_labels_of


@dataclass(frozen=True, eq=False)
class LabelComparison:
    """Two label sets of the images that both have decided.

    Parameters
    ----------
    image_index
        int64 ``(n_images,)``: the images of the project.
    before, after
        Their labels: the other ones, and the project's own refined ones.
    changes
        From :func:`pipeline.evaluation.label_changes.label_changes`, a row per image.
    n_by_kind
        How many images differ in each way.
    before_name
        What the other labels are called.
    n_left_out
        Images of the project that only one of the two has decided.
    """

    image_index: NDArray[np.int64]
    before: LabelSets
    after: LabelSets
    changes: pd.DataFrame
    n_by_kind: Mapping[str, int]
    before_name: str
    n_left_out: int

    @property
    def n_changed(self) -> int:
        """Return how many images differ."""
        return len(self.changes) - self.n_by_kind["same"]


def compare_labels(project: Project, other: Path | None = None, numbers: ClassNumbers = "auto") -> LabelComparison:
    """Compare a project's refined labels with others.

    Parameters
    ----------
    project
        An open project whose labels are settled.
    other
        Another project's folder, or a JSON of labels; None for the project's own original labels.
    numbers
        How class numbers in the JSON are read.

    Raises
    ------
    ProjectError, DatasetError
        If there are no refined labels, the other labels cannot be read, or they are of other images or classes.
    """
    rows, after = refined_labels_of(project)
    original = original_labels(project)
    if other is None:
        name = "the original labels"
        other_rows = np.flatnonzero(original >= 0)
        ids = image_columns(project, ["image_id"]).column(0).take(other_rows).to_pylist()
        before = label_sets_from_lists([[label] for label in original[other_rows].tolist()], ids)
    elif other.is_dir():
        name = other.name
        other_rows, before = _of_other_project(project, open_project(other))
    else:
        name = other.name
        other_rows, before = labels_from(other, project, numbers, original)
    both = np.intersect1d(rows, other_rows)
    if len(both) == 0:
        raise DatasetError(f"{name}: has labels for none of the images that {project.root} has decided")
    before = before.select(np.searchsorted(other_rows, both))
    after = after.select(np.searchsorted(rows, both))
    changes = label_changes(before, after)
    n_left_out = len(np.union1d(rows, other_rows)) - len(both)
    return LabelComparison(both, before, after, changes, kind_counts(changes), name, n_left_out)


def _of_other_project(project: Project, other: Project) -> tuple[NDArray[np.int64], LabelSets]:
    """Return another project's refined labels on this project's images and classes, paired by name and by key."""
    _, labels = refined_labels_of(other)
    here = image_indices(project)
    space = project.label_space
    unknown = [key for key in other.label_space.keys if key not in space]
    place = {index: space.index_of(key) for index, key in enumerate(other.label_space.keys) if key not in set(unknown)}
    used = set(np.unique(labels.class_index).tolist())
    strangers = [other.label_space.keys[index] for index in sorted(used - place.keys())]
    if strangers:
        raise DatasetError(
            f"{other.root}: has labels of classes that {project.root} does not know: {', '.join(strangers[:3])}; "
            "projects are compared over the same classes"
        )
    found = {
        here[name]: ([place[c] for c in labels[row].tolist()], name)
        for row, name in enumerate(labels.image_ids)
        if name in here
    }
    rows = np.array(sorted(found), dtype=np.int64)
    return rows, label_sets_from_lists([found[row][0] for row in rows], [found[row][1] for row in rows])
