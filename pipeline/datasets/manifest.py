"""Images from a manifest: a CSV or Parquet file with one row an image."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from io import TextIOWrapper

from pipeline.datasets.records import ImageRecord, SkippedRow
from pipeline.errors import DatasetError
from pipeline.images.locations import has_image_suffix, is_url, natural_key, open_location, relative_location
from pipeline.project.csv_dialect import separator_of
from pipeline.project.label_space import LabelSpace

PATH_COLUMNS = ("path", "file", "filename")
ID_COLUMNS = ("image_id", "id", "image")
LABEL_COLUMNS = ("label", "wnid", "class", "original_label")
_SUFFIXES = (".csv", ".tsv", ".parquet")
_BATCH_ROWS = 65_536


def is_manifest(location: str) -> bool:
    """Tell whether a location names a manifest rather than a folder."""
    return location.lower().endswith(_SUFFIXES)


def manifest_records(
    location: str, space: LabelSpace, images_root: str, *, has_files: bool = True
) -> Iterator[ImageRecord | SkippedRow]:
    """Yield the images of a manifest in its order.

    Columns: a path (`path`, `file`, `filename`), an id (`image_id`, `id`, `image`) and a label (`label`, `wnid`,
    `class`, `original_label`), which holds class keys or class indices. Where there is no path column, values of
    `image` that end like an image file are paths, and the others ids of images without a file. Columns of a `.csv` are
    separated by commas; by semicolons or tabulators where its first line shows that
    (:mod:`pipeline.project.csv_dialect`).

    Parameters
    ----------
    location
        Local path or URL of a `.csv`, `.tsv` or `.parquet` file.
    space
        The label space.
    images_root
        What the paths are relative to; absolute paths must lie below it.
    has_files
        False takes every image for one without a file (predictions were made elsewhere).

    Raises
    ------
    DatasetError
        If the file cannot be read or has no column that names the image.
    """
    rows = _rows(location)
    header = next(rows, None)
    if header is None:
        raise DatasetError(f"{location}: empty; the first row must name the columns")
    path_at, id_at, label_at = (_column(header, names) for names in (PATH_COLUMNS, ID_COLUMNS, LABEL_COLUMNS))
    if path_at is None and id_at is None:
        wanted = ", ".join((*ID_COLUMNS, *PATH_COLUMNS))
        raise DatasetError(f"{location}: no column names the image; one of {wanted} is due, found {', '.join(header)}")
    id_may_be_path = id_at is not None and header[id_at].lower() == "image"
    for number, row in enumerate(rows, start=2):
        path, image_id, label = (_cell(row, position) for position in (path_at, id_at, label_at))
        if _has_surplus(row, header):
            yield SkippedRow(image_id or path or None, path or None, f"row {number}: {_surplus(row, header)}")
            continue
        if path_at is None and id_may_be_path and has_image_suffix(image_id):
            path = image_id
        yield _record(image_id or path, path if has_files else "", label, space, images_root, f"row {number}")


def manifest_classes(location: str) -> list[str]:
    """Return the distinct labels of a manifest in natural order: the label space where none is given.

    Raises
    ------
    DatasetError
        If it cannot be read or has no labels.
    """
    rows = _rows(location)
    header = next(rows, [])
    label_at = _column(header, LABEL_COLUMNS)
    if label_at is None:
        raise DatasetError(f"{location}: no label column ({', '.join(LABEL_COLUMNS)}); say which classes there are")
    surplus, found = "", set[str]()
    for number, row in enumerate(rows, start=2):
        if not _has_surplus(row, header):
            found.add(_cell(row, label_at))
        elif not surplus:
            surplus = f"; row {number}: {_surplus(row, header)}"
    found.discard("")
    if not found:
        raise DatasetError(
            f"{location}: names no class in its column {header[label_at]!r}; say which classes there are{surplus}"
        )
    return sorted(found, key=natural_key)


def _record(
    image_id: str, path: str, label: str, space: LabelSpace, images_root: str, where: str
) -> ImageRecord | SkippedRow:
    if not image_id:
        return SkippedRow(None, None, f"{where}: names no image")
    if path:
        try:
            path = relative_location(path, images_root)
        except DatasetError as error:
            return SkippedRow(image_id, path, f"{where}: {error}")
    if not label:
        return ImageRecord(image_id, path or None, None)
    index = _class_index(label, space)
    if index is None:
        return SkippedRow(image_id, path or None, f"{where}: unknown class {label!r}: it is not in {space.name}")
    return ImageRecord(image_id, path or None, index)


def _class_index(label: str, space: LabelSpace) -> int | None:
    if label in space:
        return space.index_of(label)
    if label.isascii() and label.isdecimal() and int(label) < len(space):
        return int(label)
    return None


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    lowered = [name.strip().lower() for name in header]
    return next((lowered.index(name) for name in names if name in lowered), None)


def _cell(row: Sequence[str], position: int | None) -> str:
    return "" if position is None or position >= len(row) else row[position].strip()


def _has_surplus(row: Sequence[str], header: Sequence[str]) -> bool:
    """Tell whether a row says more than the columns hold, so that its values may stand in the wrong ones."""
    return any(cell.strip() for cell in row[len(header) :])


def _surplus(row: Sequence[str], header: Sequence[str]) -> str:
    return f"{len(row)} values for {len(header)} columns; quote values that hold a comma or semicolon"


def _rows(location: str) -> Iterator[Sequence[str]]:
    """Yield the header, then the rows, as text."""
    return _parquet_rows(location) if location.lower().endswith(".parquet") else _csv_rows(location)


def _csv_rows(location: str) -> Iterator[Sequence[str]]:
    with open_location(location) as binary, TextIOWrapper(binary, encoding="utf-8-sig", newline="") as text:
        try:
            delimiter = "\t" if location.lower().endswith(".tsv") else separator_of(text)
            yield from (row for row in csv.reader(text, delimiter=delimiter, strict=True) if row)
        except (UnicodeDecodeError, csv.Error) as error:
            raise DatasetError(f"{location}: cannot be read as CSV in UTF-8: {error}") from error


def _parquet_rows(location: str) -> Iterator[Sequence[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = {*PATH_COLUMNS, *ID_COLUMNS, *LABEL_COLUMNS}
    with open_location(location) as file:
        try:
            table = pq.ParquetFile(file)
            names = [name for name in table.schema_arrow.names if name.lower() in wanted]
            yield names or table.schema_arrow.names
            for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                columns = [column.to_pylist() for column in batch.columns]
                for row in zip(*columns, strict=True):
                    yield ["" if value is None else str(value) for value in row]
        except pa.ArrowException as error:
            raise DatasetError(f"{location}: cannot be read as Parquet: {error}") from error


def default_images_root(location: str) -> str:
    """Return the folder that a manifest lies in."""
    if is_url(location):
        return location.rsplit("/", 1)[0]
    from pathlib import Path

    return str(Path(location).resolve().parent)
