"""Reading proposals by row group: what a session needs of a table of any size.

Nothing here imports torch or pandas.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DatasetError
from pipeline.project.current_classes import CurrentClasses
from pipeline.project.folder import Project
from pipeline.project.list_columns import as_numpy, pad_lists
from pipeline.project.tables import PROPOSALS_ROW_GROUP

_GROUPS_KEPT = 8


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """The proposals of one image, the best first; `score` holds None for proposals without a score.

    `view` is the part of the image that spoke loudest for each: its number among the views of the run, where 0 is the
    whole image.
    """

    class_index: tuple[int, ...]
    score: tuple[float | None, ...]
    model: tuple[str, ...]
    view: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalArrays:
    """All proposals at once, padded at the end of each row.

    Parameters
    ----------
    class_index
        int32 (n_images, n_proposals), padded with -1.
    score
        float32, same shape; NaN where there is none.
    model
        int16, same shape: position in `models`, padded with -1.
    models
        Names of the models.
    view
        int8, same shape: the view that spoke loudest; 0 is the whole image.
    """

    class_index: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]
    model: npt.NDArray[np.int16]
    models: tuple[str, ...]
    view: npt.NDArray[np.int8]


def open_proposals(project: Project) -> ProposalReader:
    """Open a project's proposals, as they read under its list of classes.

    Raise `ProjectError` if it has none yet. Raise `DatasetError` if the file is no table of proposals.
    """
    return ProposalReader(project.require(project.proposals_path, "mlf propose"), project.current_classes)


class ProposalReader:
    """A finished `proposals.parquet`; opening it reads only its footer, and threads may share it.

    Parameters
    ----------
    path
        The file.
    current
        What its classes mean now; where left out, they mean what they meant when it was written.

    Raises
    ------
    DatasetError
        If it is not a table of proposals.
    """

    def __init__(self, path: str | Path, current: CurrentClasses | None = None) -> None:
        self.path = Path(path)
        self._current = None if current is None or current.is_plain else current
        try:
            self._file = pq.ParquetFile(self.path)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{self.path}: cannot be read as proposals: {error}") from error
        metadata: Mapping[bytes, bytes] = self._file.metadata.metadata or {}
        if b"models" not in metadata:
            raise DatasetError(f"{self.path}: names no models; make it again with `mlf propose --restart`")
        self.models: tuple[str, ...] = tuple(json.loads(metadata[b"models"]))
        self.n_images: int = self._file.metadata.num_rows
        self.has_views: bool = "view" in self._file.schema_arrow.names
        self._groups: OrderedDict[int, pa.Table] = OrderedDict()
        self._lock = Lock()

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Return how the proposals were made, as recorded in the file."""
        content: dict[str, Any] = json.loads((self._file.metadata.metadata or {}).get(b"settings", b"{}"))
        return content

    def rows(self, image_indices: Iterable[int]) -> dict[int, ProposalRow]:
        """Return the proposals of these images; only the row groups that hold them are read.

        Raise `DatasetError` if there is no such image.
        """
        return {image_index: self._row(image_index) for image_index in image_indices}

    def images_proposing(self, class_index: int, n_proposals: int | None = None) -> list[int]:
        """Return the images for which a class is among the first `n_proposals` (among all if None), in order."""
        meant = [class_index] if self._current is None else self._current.meaning(class_index)
        found: list[npt.NDArray[np.int64]] = []
        first = 0
        for group in range(self._file.num_row_groups):
            with self._lock:
                column = self._file.read_row_group(group, columns=["class_index"]).column(0).combine_chunks()
            offsets = as_numpy(column.offsets) - column.offsets[0].as_py()
            hits = np.flatnonzero(np.isin(as_numpy(column.flatten()), meant))
            rows = np.searchsorted(offsets, hits, side="right") - 1
            if n_proposals is not None:
                rows = rows[hits - offsets[rows] < n_proposals]
            found.append(np.unique(rows) + first)
            first += len(column)
        return np.concatenate(found).tolist() if found else []

    def classes(self) -> npt.NDArray[np.int32]:
        """Return every image's proposed classes alone, as :attr:`ProposalArrays.class_index`."""
        with self._lock:
            column = self._file.read(columns=["class_index"]).column(0)
        found = pad_lists(column, -1, np.dtype(np.int32))
        return found if self._current is None else self._current.rankings(found)[0]

    def as_arrays(self) -> ProposalArrays:
        """Return every image's proposals as padded arrays."""
        with self._lock:
            table = self._file.read()
        class_index = pad_lists(table.column("class_index"), -1, np.dtype(np.int32))
        score = pad_lists(table.column("score"), np.nan, np.dtype(np.float32))
        model = pad_lists(table.column("model"), -1, np.dtype(np.int16))
        view = np.zeros_like(class_index, np.int8)
        if self.has_views:
            view = pad_lists(table.column("view"), 0, np.dtype(np.int8))
        if self._current is not None:
            class_index, score, model, view = self._current.rankings(
                class_index, (score, np.nan), (model, -1), (view, 0)
            )
        return ProposalArrays(class_index, score, model, self.models, view)

    def _row(self, image_index: int) -> ProposalRow:
        if not 0 <= image_index < self.n_images:
            raise DatasetError(f"{self.path}: no image {image_index}; it has images 0 to {self.n_images - 1}")
        row = self._group(image_index // PROPOSALS_ROW_GROUP).slice(image_index % PROPOSALS_ROW_GROUP, 1).to_pylist()[0]
        if row["image_index"] != image_index:
            raise DatasetError(
                f"{self.path}: image {row['image_index']} lies where image {image_index} should; "
                "make the proposals again with `mlf propose --restart`"
            )
        names = tuple(self.models[position] for position in row["model"])
        view = row.get("view") or [0] * len(names)
        classes = row["class_index"]
        now = list(enumerate(classes)) if self._current is None else self._current.places(classes)
        at = [place for place, _ in now]
        return ProposalRow(
            tuple(class_index for _, class_index in now),
            tuple(row["score"][place] for place in at),
            tuple(names[place] for place in at),
            tuple(view[place] for place in at),
        )

    def _group(self, group: int) -> pa.Table:
        with self._lock:
            if group in self._groups:
                self._groups.move_to_end(group)
                return self._groups[group]
            table = self._file.read_row_group(group)
            self._groups[group] = table
            if len(self._groups) > _GROUPS_KEPT:
                self._groups.popitem(last=False)
            return table
