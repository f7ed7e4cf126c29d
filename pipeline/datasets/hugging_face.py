"""Hugging Face data sets on disk: Arrow as `save_to_disk` writes it, Parquet as the hub has it; without `datasets`.

A picture is a record of `bytes` and `path`. In Arrow its bytes lie in the file as they are, and their place is noted;
in Parquet they are packed, and row group and row are noted; in both a checksum, by which the picture is known again. A
row with a path alone names a file.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.datasets.manifest import LABEL_COLUMNS
from pipeline.datasets.packed import LABEL_OPTION, NO_LABELS, PackedImage
from pipeline.errors import DatasetError
from pipeline.images.kinds import N_FIRST_BYTES, format_of
from pipeline.images.locations import has_image_suffix, relative_location
from pipeline.images.remote import is_url
from pipeline.images.within import (
    digest_of,
    is_usual_name,
    location_within,
    opened_in_place,
    picture_columns,
    pictures_of_group,
)
from pipeline.project.columns import class_names_of, text_column
from pipeline.project.names import column_name, first_few, settled
from pipeline.project.notices import tell

#: From this size on, unpacking a row group makes each look at one of its images slow.
_LARGE_GROUP_BYTES = 1 << 28
#: So many rows of Parquet are unpacked at once.
_ROWS_AT_ONCE = 64
#: Columns of classes that are known by their names.
_LABELS = (*LABEL_COLUMNS, "labels")
#: The two numbers of a place, and the picture there.
_Place = tuple[int, int, Any] | None


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a table hold the pictures and their labels, and the names of its classes.

    `is_numbered` says that labels are numbers of these.
    """

    pictures: str
    label: str | None
    classes: tuple[str, ...]
    is_numbered: bool


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
        wanted = [columns.pictures, *([columns.label] if columns.label else [])]
        row = 0
        for group in range(parquet.num_row_groups):
            first = row
            for batch in parquet.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=wanted):
                pictures = (each.as_buffer() if each.is_valid else None for each in _part(batch, columns, "bytes"))
                places = [
                    (group, at, picture) if picture else None for at, picture in enumerate(pictures, start=row - first)
                ]
                self._take(batch, places, columns, root, file, row)
                row += len(batch)
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
                places = _places(_part(batch, columns, "bytes"), buffer)
                if places is None:
                    raise DatasetError(
                        f"{file}: its columns are compressed, so that no picture can be read by itself; save it again "
                        "without compression, as save_to_disk of datasets does"
                    )
                self._take(batch, places, columns, root, file, row)
                row += len(batch)

    def _of(self, schema: Any, file: str) -> _Columns:
        pictures, *others = picture_columns(schema) or [""]
        if not pictures:
            known = ", ".join(schema.names)
            raise DatasetError(
                f"{file}: has no column of pictures (a record of bytes and path); it has {known}. A table of paths is "
                "read by its own name: --images FILE.parquet"
            )
        if others and not is_usual_name(pictures):
            raise DatasetError(
                f"{file}: has several columns of pictures: {', '.join([pictures, *others])}; call the one of the "
                "images `image`, or leave the others out"
            )
        if others:
            tell(f"{self._source}: pictures are those of {pictures!r}, and not of {', '.join(map(repr, others))}")
        _refuse_bytes(schema, pictures, file)
        label = self._label(schema, pictures, file)
        names = class_names_of(schema, label) if label else None
        if label:
            _refuse_labels(schema, label, file)
        kind = schema.field(label).type if label else pa.null()
        is_numbered = bool(names) and (pa.types.is_integer(kind) or pa.types.is_floating(kind))
        found = _Columns(pictures, label, tuple(map(settled, names or ())), is_numbered)
        if self._columns is None:
            self._columns = found
        if found != self._columns:
            raise DatasetError(
                f"{file}: has other columns or class names than the files before; give those of one data set"
            )
        return found

    def _label(self, schema: Any, pictures: str, file: str) -> str | None:
        if self._column == NO_LABELS:
            return None
        if self._column:
            if self._column not in schema.names:
                raise DatasetError(
                    f"{file}: no column {self._column!r} ({LABEL_OPTION}); it has {', '.join(schema.names)}"
                )
            return self._column
        usual = [name for of in _LABELS for name in schema.names if column_name(name) == of]
        named = [name for name in schema.names if class_names_of(schema, name)]
        candidates = usual[:1] or named
        if len(candidates) > 1:
            raise DatasetError(
                f"{file}: has several columns of classes: {', '.join(named)}; say which with {LABEL_OPTION}"
            )
        others = [name for name in dict.fromkeys((*usual, *named)) if name not in candidates]
        if others:
            tell(f"{self._source}: column {candidates[0]!r} is used, and {', '.join(map(repr, others))} is not")
        more = [name for name in schema.names if name != pictures]
        if more and not candidates:
            tell(f"{self._source}: no column is known to hold classes; {LABEL_OPTION} reads one: {first_few(more, 10)}")
        return candidates[0] if candidates else None

    def _take(self, batch: Any, places: list[_Place], columns: _Columns, root: str, file: str, row: int) -> None:
        names = _part(batch, columns, "path").cast(pa.string()).to_pylist()
        labels = [""] * len(names)
        if columns.label:
            labels = [text or "" for text in text_column(batch.column(columns.label), columns.label, file).to_pylist()]
        for at, (place, name, label) in enumerate(zip(places, names, labels, strict=True), start=row):
            classes = columns.classes if columns.is_numbered else ()
            self._images.append(_image(root, file, at, place, name or "", label, classes))


def holds_pictures(location: str) -> bool:
    """Tell whether a Parquet file holds pictures themselves, and not only the paths of files."""
    try:
        with opened_in_place(location) as opened:
            parquet = pq.ParquetFile(opened)
            schema = parquet.schema_arrow
            names = picture_columns(schema)
            groups = range(parquet.num_row_groups if names else 0)
            return not all(_lacks_bytes(parquet, group, names[0], location).all() for group in groups)
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
        first, second, picture = place
        name = posixpath.basename(name.replace("\\", "/"))
        path = location_within(file, first, second, _with_ending(name or str(row), picture), digest_of(picture))
    elif not name or is_url(name):
        flaw = f"{file}, row {row}: holds no picture" + (f" but an address ({name}); fetch it" if name else "")
    else:
        try:
            path = relative_location(name, root)
        except DatasetError:
            path = posixpath.normpath(name)
        name = posixpath.basename(path)
    return PackedImage(file, name, path, settled(label), flaw, str(row))


def _with_ending(name: str, picture: Any) -> str:
    """Return a picture's name with the ending of an image, by its first bytes: exports go by it."""
    kind = None if has_image_suffix(name) else format_of(bytes(memoryview(picture)[:N_FIRST_BYTES]))
    return name if kind is None else f"{name}.{'jp2' if kind == 'JPEG2000' else kind.lower()}"


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
    if not len(column) or pa.types.is_null(column.type):
        return [None] * len(column)
    _, offsets_buffer, data = column.buffers()
    if data is None or offsets_buffer is None:
        return [None] * len(column)
    start = data.address - buffer.address
    if not 0 <= start <= buffer.size - data.size:
        return None
    kind = np.int64 if pa.types.is_large_binary(column.type) else np.int32
    offsets = np.frombuffer(offsets_buffer, kind)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    lacks = column.is_null().to_numpy(zero_copy_only=False)
    if offsets[0] < 0 or np.diff(offsets).min() < 0 or start + offsets[-1] > buffer.size:
        raise pa.ArrowInvalid("a picture lies outside of it")
    ends = zip((start + offsets[:-1]).tolist(), np.diff(offsets).tolist(), lacks.tolist(), strict=True)
    return [
        None if is_lacking or not n_bytes else (first, n_bytes, buffer.slice(first, n_bytes))
        for first, n_bytes, is_lacking in ends
    ]


def _part(batch: Any, columns: _Columns, part: str) -> Any:
    """Return the `bytes` or the `path` of all pictures, null where the picture itself is."""
    column = batch.column(columns.pictures)
    return pc.struct_field(column.storage if isinstance(column.type, pa.BaseExtensionType) else column, part)


def _refuse_bytes(schema: Any, pictures: str, file: str) -> None:
    """Refuse pictures whose bytes are of a type that is not read."""
    kind = schema.field(pictures).type
    kind = (kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind).field("bytes").type
    is_view = pa.types.is_binary_view(kind)
    is_read = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_null(kind)
    if not is_read and not (is_view and file.lower().endswith(".parquet")):
        raise DatasetError(
            f"{file}: column {pictures!r} holds pictures as {kind}; save it again with `bytes` as binary"
        )


def _refuse_labels(schema: Any, label: str, file: str) -> None:
    """Refuse a column of labels by its type."""
    try:
        text_column(schema.empty_table().column(label), label, file)
    except DatasetError as error:
        raise DatasetError(
            f"{error}. One class an image is read; {LABEL_OPTION} names another column, or `{NO_LABELS}`"
        ) from error
