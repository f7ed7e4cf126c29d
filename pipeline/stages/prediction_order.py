"""Predictions for the images of a folder, in the order in which the framework that made them lists folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.folder_order import FolderOrder, classes_in_order, positions_in, sorted_in
from pipeline.datasets.records import SourceRows, read_skipped
from pipeline.errors import DatasetError
from pipeline.images.locations import has_image_suffix
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns

Rankings = npt.NDArray[np.integer[Any]]


def reordering(
    project: Project, rows: SourceRows, order: FolderOrder | None, predictions: Path
) -> Callable[[Rankings], Rankings]:
    """Return a function that brings a file's rankings ``(n_rows, k)`` into the project's order of rows and classes.

    Parameters
    ----------
    rows
        The rows of the project's source.
    order
        The file's order; None where nobody said.
    predictions
        The file, for messages.

    Raises
    ------
    DatasetError
        If the project was made from a folder whose two orders differ and none is given, or if an order is given but the
        project was made from a manifest, which has its own order.
    """
    if not rows.origin.order:
        if order:
            raise DatasetError(f"{project.root} was made from a manifest, whose order is its own; leave out --order")
        return _as_it_is
    own: FolderOrder = "torchvision" if rows.origin.order == "torchvision" else "natural"
    if order == own or (order is None and rows.origin.is_given):
        return _as_it_is
    other: FolderOrder = order or ("natural" if own == "torchvision" else "torchvision")
    paths, keys = _paths(project, rows), list(project.label_space.keys)
    place = positions_in(other, paths)
    # What the file calls class c is the project's class meaning[c].
    meaning = np.arange(len(keys))
    if rows.origin.names_classes:
        meaning = np.array([project.label_space.index_of(key) for key in classes_in_order(keys, other, "")])
    is_same = bool((place == np.arange(len(place))).all() and (meaning == np.arange(len(keys))).all())
    if is_same:
        return _as_it_is
    if order is None:
        raise DatasetError(
            f"{predictions}: the folder of {project.root} has two customary orders of its classes and images, and "
            f"nothing says which one the file is in: --order natural (timm: {_some(own, other, paths, 'natural')}) or "
            f"--order torchvision (Keras and Hugging Face, too: {_some(own, other, paths, 'torchvision')})"
        )

    def reordered(ranking: Rankings) -> Rankings:
        return meaning.astype(ranking.dtype)[ranking[place]] if len(ranking) == len(place) else ranking

    return reordered


def _as_it_is(ranking: Rankings) -> Rankings:
    return ranking


def _paths(project: Project, rows: SourceRows) -> list[str]:
    """Return the paths of all rows of the source, with skipped rows in their places."""
    images = image_columns(project, ["path"]).column(0).to_pylist()
    counted = [row.path for row in read_skipped(project.skipped_path) if row.path and has_image_suffix(row.path)]
    skipped = dict(zip(rows.skipped, counted, strict=False))
    rest = iter(images)
    return [skipped[at] if at in skipped else next(rest) for at in range(rows.n_rows)]


def _some(own: FolderOrder, other: FolderOrder, paths: list[str], shown: FolderOrder) -> str:
    listed = sorted_in(shown, paths)
    pairs = zip(sorted_in(own, paths), sorted_in(other, paths), strict=True)
    at = next((position for position, (one, another) in enumerate(pairs) if one != another), 0)
    return f"row {at} is {listed[at]!r}"
