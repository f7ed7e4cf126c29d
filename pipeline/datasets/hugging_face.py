"""Hugging Face data sets on disk: Arrow as `save_to_disk` writes it, Parquet as the hub has it; without `datasets`.

A picture is a record of `bytes` and `path`. In Arrow its bytes lie in the file as they are, and their place is noted;
in Parquet they are packed, and row group and row are noted. A row with a path alone names a file.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.manifest import LABEL_COLUMNS, PATH_COLUMNS
from pipeline.datasets.packed import LABEL_OPTION, NO_LABELS, PackedImage
from pipeline.errors import DatasetError
from pipeline.images.locations import relative_location
from pipeline.images.remote import is_url
from pipeline.images.within import location_within, opened_in_place, picture_column, pictures_of_group
from pipeline.project.columns import class_names_of, text_column
from pipeline.project.names import column_name, settled
from pipeline.project.notices import tell

#: From this size on, unpacking a row group makes each look at one of its images slow.
_LARGE_GROUP_BYTES = 1 << 28
_Place = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a table hold the pictures and their labels, and the names of its classes."""

    pictures: str
    label: str | None
    classes: tuple[str, ...]


class PictureTables:
    """Reads tables with pictures one after the other; all have the columns of the first.

    Parameters
    ----------
    source
        What messages call all of them.
    column
        The column of labels, :data:`pipeline.datasets.packed.NO_LABELS`, or empty for the one there is.
    """

    def __init__(self, source: str, column: str) -> None:
        self._source, self._column = source, column
        self._images: list[PackedImage] = []
        self._columns: _Columns | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes in order, where the data set keeps them."""
        return self._columns.classes if self._columns else ()

    def read(self, root: str, file: str) -> None:
        """Note the pictures of a file, in its order; `file` is its path below `root`.

        Raise `DatasetError` if it cannot be read, if nothing says which column is meant, or if the columns are not
        those of the files before.
        """
        location = f"{root.rstrip('/')}/{file}"
        try:
            with opened_in_place(location) as opened:
                if file.lower().endswith(".parquet"):
                    self._read_parquet(pq.ParquetFile(opened), root, file)
                else:
                    buffer = (
                        pa.memory_map(location).read_buffer() if not is_url(location) else pa.py_buffer(opened.read())
                    )
                    self._read_arrow(buffer, root, file)
        except pa.ArrowException as error:
            told = " ".join(str(error).split())
            raise DatasetError(f"{location}: cannot be read: {told}; copy or download it again") from error

    def images(self) -> list[PackedImage]:
        """Return the pictures of all tables with their labels."""
        return self._images

    def _read_parquet(self, parquet: Any, root: str, file: str) -> None:
        columns = self._of(parquet.schema_arrow, file)
        wanted = [f"{columns.pictures}.path", *([columns.label] if columns.label else [])]
        row = 0
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=wanted)
            lacks = _lacks_bytes(parquet, group, columns.pictures, f"{root.rstrip('/')}/{file}")
            places: list[_Place] = [None if lacking else (group, at) for at, lacking in enumerate(lacks)]
            self._take(table.combine_chunks(), places, columns, root, file, row)
            row += len(table)
        largest = max(
            (parquet.metadata.row_group(at).total_byte_size for at in range(parquet.num_row_groups)), default=0
        )
        if largest > _LARGE_GROUP_BYTES:
            tell(
                f"{file}: a row group takes {largest >> 20:,} MiB, and is unpacked for each look at one of its images; "
                "write it with smaller ones (`row_group_size=100` of pyarrow), or with save_to_disk of datasets"
            )

    def _read_arrow(self, buffer: Any, root: str, file: str) -> None:
        is_file = buffer.slice(0, 6).to_pybytes() == b"ARROW1"
        with (pa.ipc.open_file if is_file else pa.ipc.open_stream)(buffer) as reader:
            columns = self._of(reader.schema, file)
            batches = (reader.get_batch(at) for at in range(reader.num_record_batches)) if is_file else reader
            row = 0
            for batch in batches:
                places = _places(_plain(batch.column(columns.pictures)).field("bytes"), buffer)
                if places is None:
                    raise DatasetError(
                        f"{file}: its columns are compressed, so that no picture can be read by itself; save it again "
                        "without compression, as save_to_disk of datasets does"
                    )
                self._take(pa.Table.from_batches([batch]), places, columns, root, file, row)
                row += len(batch)

    def _of(self, schema: Any, file: str) -> _Columns:
        pictures = picture_column(schema)
        if pictures is None:
            known = ", ".join(schema.names)
            raise DatasetError(
                f"{file}: has no column of pictures (a record of bytes and path); it has {known}. A table of paths is "
                "read by its own name: --images FILE.parquet"
            )
        label = self._label(schema, file)
        names = class_names_of(schema, label) if label else None
        found = _Columns(pictures, label, tuple(map(settled, names or ())))
        if self._columns is None:
            self._columns = found
        if found != self._columns:
            raise DatasetError(
                f"{file}: has other columns or class names than the files before; give those of one data set"
            )
        return found

    def _label(self, schema: Any, file: str) -> str | None:
        if self._column == NO_LABELS:
            return None
        if self._column:
            if self._column not in schema.names:
                raise DatasetError(
                    f"{file}: no column {self._column!r} ({LABEL_OPTION}); it has {', '.join(schema.names)}"
                )
            return self._column
        usual = [name for of in LABEL_COLUMNS for name in schema.names if column_name(name) == of]
        named = [name for name in schema.names if class_names_of(schema, name)]
        candidates = usual[:1] or named
        if len(candidates) > 1:
            raise DatasetError(
                f"{file}: has several columns of classes: {', '.join(named)}; say which with {LABEL_OPTION}"
            )
        others = [name for name in dict.fromkeys((*usual, *named)) if name not in candidates]
        if others:
            tell(f"{self._source}: column {candidates[0]!r} is used, and {', '.join(map(repr, others))} is not")
        return candidates[0] if candidates else None

    def _take(self, table: Any, places: list[_Place], columns: _Columns, root: str, file: str, row: int) -> None:
        names = _plain(table.column(columns.pictures).combine_chunks()).field("path").cast(pa.string()).to_pylist()
        labels = [""] * len(names)
        if columns.label:
            labels = [text or "" for text in text_column(table.column(columns.label), columns.label, file).to_pylist()]
        for at, (place, name, label) in enumerate(zip(places, names, labels, strict=True), start=row):
            self._images.append(_image(root, file, at, place, name or "", label, columns.classes))


def holds_pictures(location: str) -> bool:
    """Tell whether a Parquet file holds pictures themselves, and not only the paths of files."""
    try:
        with opened_in_place(location) as opened:
            parquet = pq.ParquetFile(opened)
            schema = parquet.schema_arrow
            name = picture_column(schema)
            if name is None or {column_name(each) for each in schema.names} & {*PATH_COLUMNS}:
                return False
            groups = range(parquet.num_row_groups)
            return not all(_lacks_bytes(parquet, group, name, location).all() for group in groups)
    except (OSError, pa.ArrowException, DatasetError):
        return False  # whoever reads it as a manifest says what is wrong


def _image(
    root: str, file: str, row: int, place: _Place, name: str, label: str, classes: tuple[str, ...]
) -> PackedImage:
    flaw, path = "", None
    if classes and label:
        number = int(label)
        is_known = 0 <= number < len(classes)
        flaw = "" if is_known or number == -1 else f"{file}, row {row}: class {number} is none of its {len(classes)}"
        label = settled(classes[number]) if is_known else ""
    if place is not None:
        name = posixpath.basename(name.replace("\\", "/"))
        path = location_within(file, *place, name or str(row))
    elif not name or is_url(name):
        flaw = f"{file}, row {row}: holds no picture" + (f" but an address ({name}); fetch it" if name else "")
    else:
        try:
            path = relative_location(name, root)
        except DatasetError:
            path = posixpath.normpath(name)
        name = posixpath.basename(path)
    return PackedImage(file, name, path, settled(label), flaw, str(row))


def _lacks_bytes(parquet: Any, group: int, name: str, location: str) -> Any:
    """Return which rows of a row group have no bytes: bool ``(n_rows,)``. They are read where nothing else tells."""
    metadata = parquet.metadata.row_group(group)
    chunks = (metadata.column(at) for at in range(metadata.num_columns))
    chunk = next((each for each in chunks if each.path_in_schema == f"{name}.bytes"), None)
    statistics = None if chunk is None else chunk.statistics
    if statistics is not None and statistics.has_null_count and statistics.null_count in {0, metadata.num_rows}:
        return np.full(metadata.num_rows, statistics.null_count > 0)
    return pictures_of_group(location, group).is_null().to_numpy(zero_copy_only=False)


def _places(column: Any, buffer: Any) -> list[_Place] | None:
    """Return from which byte of a file on each value lies, and how many it has; None if they lie outside of it."""
    if not len(column):
        return []
    _, offsets_buffer, data = column.buffers()
    if data is None or offsets_buffer is None:
        return [None] * len(column)
    start = data.address - buffer.address
    if not 0 <= start <= buffer.size - data.size:
        return None
    kind = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    offsets = np.frombuffer(offsets_buffer, kind)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    lacks = column.is_null().to_numpy(zero_copy_only=False)
    ends = zip((start + offsets[:-1]).tolist(), np.diff(offsets).tolist(), lacks.tolist(), strict=True)
    return [None if is_lacking else (first, n_bytes) for first, n_bytes, is_lacking in ends]


def _plain(column: Any) -> Any:
    """Return a column of records without the extension type that it may have."""
    return column.storage if isinstance(column.type, pa.BaseExtensionType) else column
