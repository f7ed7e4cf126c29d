"""Settled labels to learn from: the project's own, or those in a file from elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.project.class_references import ClassNumbers
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.proposals.learned import Judged
from pipeline.stages.evaluate import labels_from
from pipeline.stages.votes_of_project import read_project_votes
from pipeline.store import open_project_store
from pipeline.votes.words import Source


def judged_labels(
    project: Project, labels: str | Path | None = None, numbers: ClassNumbers = "auto"
) -> tuple[Judged, tuple[str, ...]]:
    """Return what is settled, and which of the people who settled it are programs.

    Parameters
    ----------
    project
        The project whose images are meant.
    labels
        JSON of refined labels from elsewhere, in which a class that is not named does not apply. None takes the
        project's own, in which a class that nobody was shown counts neither way.
    numbers
        How class numbers are read in `labels` (:mod:`pipeline.project.class_references`).

    Raises
    ------
    ProjectError
        If no file is given and nothing has been settled yet.
    DatasetError
        If the file cannot be read.
    """
    return (_of_file(project, labels, numbers), ()) if labels else _of_project(project)


def _of_file(project: Project, labels: str | Path, numbers: ClassNumbers) -> Judged:
    rows, sets = labels_from(Path(labels), project, numbers, original_labels(project))
    images = rows[sets.image_index]
    classes = sets.class_index.astype(np.int64)
    return Judged(images, classes, np.ones(len(images), dtype=bool), is_complete=True, images=np.sort(rows))


def _of_project(project: Project) -> tuple[Judged, tuple[str, ...]]:
    """Return what the project's annotators settled, and which of them are programs."""
    table = pq.read_table(project.require(project.refined_labels_path, "mlf settle"))
    table = table.filter(pc.not_equal(table["source"], Source.UNLABELLED.value))
    n_classes = len(project.label_space)
    images = np.unique(table["image_index"].to_numpy()).astype(np.int64)
    named = table.filter(pc.is_valid(table["class_index"]))
    true = named["image_index"].to_numpy().astype(np.int64) * n_classes + named["class_index"].to_numpy()
    with open_project_store(project) as store:
        read = read_project_votes(project, store)
    votes = read.all_votes()
    settled = np.union1d(true, votes.item_keys()[np.isin(votes.item_image, images)])
    image, class_index = np.divmod(settled, n_classes)
    judged = Judged(image, class_index, np.isin(settled, true), is_complete=False, images=images)
    return judged, tuple(sorted(read.simulated & {*read.voters, *read.refiners}))
