"""Rows on their way into `images.parquet` and `skipped.parquet`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.images.locations import has_image_suffix
from pipeline.project.tables import IMAGES, IMAGES_ROW_GROUP, SKIPPED
from pipeline.project.writing import whole_file

#: Key of the file's metadata that says which source rows became images: a JSON object of :class:`SourceRows`.
SOURCE_ROWS_KEY = b"source_rows"


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One image as its source describes it; `path` is None if there is no file; `label` is a class index."""

    image_id: str
    path: str | None
    label: int | None


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """One image or row that could not be used, and why."""

    image_id: str | None
    path: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class SourceOrder:
    """The order in which a folder was read (empty for a manifest, which has its own order).

    Parameters
    ----------
    order
        Its name in :mod:`pipeline.datasets.folder_order`.
    is_given
        Whether a person chose it.
    names_classes
        Whether the classes are named by the sub-folders alone.
    """

    order: str = ""
    is_given: bool = False
    names_classes: bool = False


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Which rows of the source became images. Tables made elsewhere follow the order of *those* rows."""

    n_rows: int
    skipped: tuple[int, ...]
    origin: SourceOrder = SourceOrder()


class ImageTableWriter:
    """Write images and skipped rows as they come, one row group at a time.

    Parameters
    ----------
    images_path, skipped_path
        The two Parquet files. They are complete only once the context is left without an error.
    origin
        The order in which the source was read.
    before
        A table of images that the new one begins with, and the skipped rows that go with it.
    """

    def __init__(
        self,
        images_path: Path,
        skipped_path: Path,
        origin: SourceOrder = SourceOrder(),
        before: tuple[Path, Path] | None = None,
    ) -> None:
        self._origin = origin
        self.n_images = 0
        self.skipped: list[SkippedRow] = []
        self._skipped_positions: list[int] = []
        self._n_rows = 0
        self._buffer: list[ImageRecord] = []
        self._writer = pq.ParquetWriter(images_path, IMAGES, compression="zstd")
        self._skipped_path = skipped_path
        if before is not None:
            self._begin_with(*before)

    def _begin_with(self, images_path: Path, skipped_path: Path) -> None:
        for batch in pq.ParquetFile(images_path, pre_buffer=False).iter_batches(columns=IMAGES.names[1:]):
            for image_id, path, label in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                self.add(ImageRecord(image_id, path, label))
        rows = read_source_rows(images_path)
        self.skipped = read_skipped(skipped_path)
        self._n_rows, self._skipped_positions, self._origin = rows.n_rows, list(rows.skipped), rows.origin

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._writer.close()
            return
        self._flush()
        rows = {"n_rows": self._n_rows, "skipped": self._skipped_positions, **asdict(self._origin)}
        self._writer.add_key_value_metadata({SOURCE_ROWS_KEY.decode(): json.dumps(rows)})
        self._writer.close()
        write_skipped(self.skipped, self._skipped_path)

    def add(self, row: ImageRecord | SkippedRow) -> None:
        """Take the next row of the source."""
        if isinstance(row, SkippedRow):
            self.skipped.append(row)
            if self._is_source_row(row):
                self._skipped_positions.append(self._n_rows)
                self._n_rows += 1
            return
        self._n_rows += 1
        self.n_images += 1
        self._buffer.append(row)
        if len(self._buffer) == IMAGES_ROW_GROUP:
            self._flush()

    def _is_source_row(self, row: SkippedRow) -> bool:
        """Tell whether others count this row, too. In a folder they list only the images."""
        return not self._origin.order or has_image_suffix(row.path or "")

    def _flush(self) -> None:
        if not self._buffer:
            return
        first = self.n_images - len(self._buffer)
        columns = [
            pa.array(range(first, self.n_images), pa.int32()),
            pa.array([row.image_id for row in self._buffer], pa.string()),
            pa.array([row.path for row in self._buffer], pa.string()),
            pa.array([row.label for row in self._buffer], pa.int32()),
        ]
        self._writer.write_table(pa.table(columns, schema=IMAGES), row_group_size=IMAGES_ROW_GROUP)
        self._buffer.clear()


def read_source_rows(images_path: Path) -> SourceRows:
    """Return which rows of the source became images; all of them if the file does not say."""
    metadata = pq.read_metadata(images_path)
    found = (metadata.metadata or {}).get(SOURCE_ROWS_KEY)
    if found is None:
        return SourceRows(metadata.num_rows, ())
    content = json.loads(found)
    origin = SourceOrder(**{name: content[name] for name in ("order", "is_given", "names_classes") if name in content})
    return SourceRows(int(content["n_rows"]), tuple(content["skipped"]), origin)


def write_skipped(rows: list[SkippedRow], path: Path) -> None:
    """Write `skipped.parquet` in one step."""
    with whole_file(path) as unfinished:
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=SKIPPED), unfinished)


def read_skipped(path: Path) -> list[SkippedRow]:
    """Return the rows of `skipped.parquet`; none if there is no such file."""
    if not path.exists():
        return []
    return [SkippedRow(**row) for row in pq.read_table(path).to_pylist()]
