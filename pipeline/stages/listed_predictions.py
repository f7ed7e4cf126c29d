"""Predictions that name their images, paired with a project's images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.records import SkippedRow
from pipeline.errors import DatasetError
from pipeline.formats.predictions_npz import refuse_shifted
from pipeline.formats.predictions_tsv import BadLine, ListedImage, padded, read_predictions_tsv
from pipeline.inference.predictions import TOP_K
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.images_by_name import images_named


@dataclass(frozen=True, eq=False)
class PairedPredictions:
    """What a file says about a project's images.

    Parameters
    ----------
    class_index, score
        int32 and float32 (n_images, k), padded with -1 and NaN.
    skipped
        Lines that could not be used, with the reasons.
    notes
        What a person should know: images that the file lacks or that the project lacks, other original labels.
    """

    class_index: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]
    skipped: tuple[SkippedRow, ...]
    notes: tuple[str, ...]


def paired_predictions(project: Project, path: Path) -> PairedPredictions:
    """Return what a table of lists says about a project's images; a line that cannot be used is skipped and named.

    Raise `DatasetError` if the file cannot be read, if no line can be used or names an image of the project, if two
    lines name the same image, or if the file's original labels show that it numbers classes differently.
    """
    space = project.label_space
    lines: list[ListedImage] = []
    bad: list[BadLine] = []
    for line in read_predictions_tsv(path, len(space)):
        if isinstance(line, ListedImage):
            lines.append(line)
        else:
            bad.append(line)
    if not lines:
        raise DatasetError(
            f"{path}, line {bad[0].line}: {bad[0].reason}; none of {len(bad):,} lines can be used"
            if bad
            else f"{path}: holds nothing but a header"
        )
    image = images_named(project, [line.filename for line in lines])
    known = [(int(index), line) for index, line in zip(image, lines, strict=True) if index >= 0]
    if not known:
        raise DatasetError(
            f"{path}, line {lines[0].line}: names {lines[0].filename!r}, and no line names an image of {project.root}; "
            "the names are compared with the images' ids and paths"
        )
    line_of: dict[int, ListedImage] = {}
    for index, line in known:
        if index in line_of:
            raise DatasetError(
                f"{path}, line {line.line}: names {line.filename!r}, which line {line_of[index].line} names, too; "
                "keep one of them"
            )
        line_of[index] = line
    original = original_labels(project)
    n_others = _check_originals(project, path, line_of, original)
    classes, scores = padded(list(line_of.values()), TOP_K)
    class_index = np.full((len(original), classes.shape[1]), -1, dtype=np.int32)
    score = np.full(class_index.shape, np.nan, dtype=np.float32)
    rows = np.fromiter(line_of, dtype=np.int64, count=len(line_of))
    class_index[rows], score[rows] = classes, scores
    skipped = tuple(SkippedRow(line.filename, None, f"{path.name}, line {line.line}: {line.reason}") for line in bad)
    counts = (
        (len(bad), f"lines cannot be used; the first: line {bad[0].line}, {bad[0].reason}" if bad else ""),
        (len(lines) - len(known), "lines name no image of the project"),
        (len(original) - len(line_of), "images of the project are not in it"),
        (n_others, "images have another gt_index there than their original label here"),
    )
    notes = tuple(f"{path.name}: {n:,} {what}" for n, what in counts if n)
    return PairedPredictions(class_index, score, skipped, notes)


def _check_originals(
    project: Project, path: Path, line_of: dict[int, ListedImage], original: npt.NDArray[np.int32]
) -> int:
    """Return how many images have another original label in the file; refuse a file that numbers classes otherwise."""
    pairs = [
        (line.gt_index, int(original[index]))
        for index, line in line_of.items()
        if line.gt_index is not None and original[index] >= 0
    ]
    if not pairs:
        return 0
    given, own = (np.array(column) for column in zip(*pairs, strict=True))
    column = {"gt_index": given[:, None]}
    refuse_shifted(column, np.arange(len(own)), own, project.label_space, f"{path}, column gt_index")
    return int(np.count_nonzero(given != own))
