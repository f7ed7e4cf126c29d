"""Read and pair images, refined labels and predictions from files, without a project; name what cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import eq
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.manifest import is_manifest, manifest_records, manifest_rows, read_labels
from pipeline.datasets.records import SkippedRow
from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets
from pipeline.formats.predictions_npz import read_predictions, refuse_shifted
from pipeline.formats.refined_labels_in import read_refined_labels
from pipeline.images.locations import same_image_key
from pipeline.project.class_references import ClassNumbers, Reading
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import settled


@dataclass(frozen=True)
class OutsideData:
    """What an evaluation needs: only the usable images, all in one order.

    Parameters
    ----------
    original_label
        ``(n_images,)`` class indices.
    labels
        Refined labels.
    predictions
        Model name to ``(n_images, k)`` class indices, best first.
    skipped
        Images that could not be used, each with the reason.
    n_unused
        Entries of the label file that belong to no image.
    """

    original_label: NDArray[np.int64]
    labels: LabelSets
    predictions: dict[str, NDArray[np.integer]]
    skipped: tuple[SkippedRow, ...]
    n_unused: int


def read_outside_data(
    images: Path, labels: Path, predictions: Path, space: LabelSpace, numbers: ClassNumbers = "auto"
) -> OutsideData:
    """Read the three files and pair them.

    Parameters
    ----------
    images
        A manifest (:func:`pipeline.datasets.manifest.manifest_records`): one row per image with its name and single
        label.
    labels
        A file for :func:`pipeline.formats.refined_labels_in.read_refined_labels`.
    predictions
        A file for :func:`pipeline.formats.predictions_npz.read_predictions`, with its rows in the order of `images`.
    numbers
        How to read class numbers in `images` and `labels` if they fit two readings.

    Raises
    ------
    DatasetError
        If a whole file cannot be read, class numbers fit two readings and the predictions do not tell which is right,
        or no image is left. If only single images are at fault, they are skipped and named.
    """
    if not is_manifest(str(images)):
        raise DatasetError(f"{images}: --images takes a .csv, .tsv or .parquet with one row for each image")
    if not images.is_file():
        raise DatasetError(f"{images}: no such file; give --images a table with one row per image")
    given = list(manifest_rows(str(images)))
    rankings = read_predictions(predictions, len(given), len(space), str(images))
    first_choices = [ranking[:, 0].tolist() for ranking in rankings.values()]
    spelled = [settled(row.label) for row in given]
    reading = read_labels(str(images), space, numbers, partial(_most_hits, spelled, first_choices))
    names, original, rows, skipped = _usable_images(images, space, reading)
    refuse_shifted(rankings, rows, original, space, str(predictions))
    paired = read_refined_labels(labels, names, space, numbers, original.tolist())
    kept = rows[paired.rows]
    if len(kept) < len(given):
        rankings = {model: ranking[kept] for model, ranking in rankings.items()}
    return OutsideData(original[paired.rows], paired.labels, rankings, (*skipped, *paired.skipped), paired.n_unused)


def _most_hits(labels: Sequence[str], first_choices: Sequence[Sequence[int]], index_of: Mapping[str, int]) -> int:
    """Return on how many images the best model is right, if the original labels are read in this way."""
    read = [index_of.get(label, -1) for label in labels]
    return max((sum(map(eq, choices, read)) for choices in first_choices), default=0)


def _usable_images(
    path: Path, space: LabelSpace, reading: Reading
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64], list[SkippedRow]]:
    """Return names, labels and row numbers of the usable images, and the others."""
    records = list(manifest_records(str(path), space, "", has_files=False, labels=reading))
    n_named = Counter(same_image_key(record.image_id or "", None) for record in records)
    names, original, rows, skipped = [], [], [], []
    for row, record in enumerate(records):
        if isinstance(record, SkippedRow):
            skipped.append(record)
        elif (n := n_named[same_image_key(record.image_id, None)]) > 1:
            reason = f"{path.name} names it {n} times, so its predictions are ambiguous"
            skipped.append(SkippedRow(record.image_id, None, reason))
        elif record.label is None:
            skipped.append(SkippedRow(record.image_id, None, f"{path.name} gives it no label"))
        else:
            names.append(record.image_id)
            original.append(record.label)
            rows.append(row)
    if not names:
        first = f"; the first: {skipped[0].reason}" if skipped else ""
        raise DatasetError(f"{path}: none of its {len(records)} rows can be used{first}")
    return names, np.array(original, dtype=np.int64), np.array(rows, dtype=np.int64), skipped
