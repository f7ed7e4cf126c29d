"""Images from a manifest: a CSV or Parquet file with one row per image."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.datasets.records import ImageRecord, SkippedRow
from pipeline.errors import DatasetError
from pipeline.images.locations import (
    has_image_suffix,
    is_below,
    natural_key,
    open_location,
    relative_location,
    spelling_on_disk,
)
from pipeline.images.remote import is_url
from pipeline.project.class_references import Agreement, ClassNumbers, Reading, read_class_references
from pipeline.project.columns import class_names_of, refuse_twice, text_column
from pipeline.project.csv_dialect import csv_rows, twice
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import column_name, settled, settled_all
from pipeline.project.notices import tell
from pipeline.project.wording import so_many

PATH_COLUMNS = ("path", "file", "filename", "file_name", "filepath", "file_path", "image_path")
ID_COLUMNS = ("image_id", "id", "image")
LABEL_COLUMNS = ("label", "wnid", "class", "original_label")
_ROLES = (PATH_COLUMNS, ID_COLUMNS, LABEL_COLUMNS)
_SUFFIXES = (".csv", ".tsv", ".parquet")
_BATCH_ROWS = 65_536
_WITH_ZERO_FRACTION = re.compile(r"\d+\.0+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One row: its settled id, its path and label as spelled, `where` it is in the file, and its `flaw`, if any.

    Without an id of its own, the path stands for it.
    """

    where: str
    image_id: str
    path: str
    label: str
    flaw: str = ""
    has_own_id: bool = True


def is_manifest(location: str) -> bool:
    """Tell whether a location names a manifest rather than a folder."""
    return location.lower().endswith(_SUFFIXES)


def manifest_rows(location: str) -> Iterator[ManifestRow]:
    """Find the columns of a manifest, and yield its rows with their names settled.

    The columns, in upper or lower case, are a path (`path`, `file`, `filename`, …), an id (`image_id`, `id`, `image`)
    and a label (`label`, `wnid`, `class`, `original_label`). If there is no path column, values of `image` that end
    like an image file are paths. Columns of a `.csv` are separated by commas, or by semicolons or tabs if its first
    line shows that. If a Parquet column holds Hugging Face's class numbers, the names stored with it are the labels.

    Parameters
    ----------
    location
        Local path or URL of a `.csv`, `.tsv` or `.parquet` file.

    Raises
    ------
    DatasetError
        If the file cannot be read, no column names the image, or a needed column is there twice or holds no text.
    """
    with _open(location) as (columns, rows):
        path_at, id_at, label_at = (_column(columns, names, location) for names in _ROLES)
        if path_at is None and id_at is None:
            wanted, found = ", ".join((*ID_COLUMNS, *PATH_COLUMNS)), ", ".join(filter(None, columns)) or "none"
            raise DatasetError(f"{location}: no column names the image; expected one of {wanted}, found {found}")
        is_path_column = path_at is not None
        if path_at is None and "image" in columns:
            path_at = columns.index("image")
        for where, flaw, cells in rows:
            path, image_id, label = (_cell(cells, at) for at in (path_at, id_at, label_at))
            settled_path = settled(path)
            own_id = settled(image_id)
            yield ManifestRow(
                where=where,
                image_id=own_id or settled_path,
                path=path if settled_path and (is_path_column or has_image_suffix(settled_path)) else "",
                label=label,
                flaw=flaw,
                has_own_id=bool(own_id),
            )


def read_labels(
    location: str, space: LabelSpace, numbers: ClassNumbers = "auto", agreement: Agreement | None = None
) -> Reading:
    """Decide what all labels of a manifest mean. The result lists them as the manifest spells them.

    Raise `DatasetError` if it cannot be read, or its class numbers fit two readings.
    """
    forms = settled_all({row.label for row in manifest_rows(location) if not row.flaw}, "class", location)
    reading = read_class_references(set(forms.values()) - {""}, space, f"{location}, labels", numbers, agreement)
    if reading.told:
        tell(reading.told)
    known = {raw: reading.index_of[form] for raw, form in forms.items() if form in reading.index_of}
    return Reading(known, reading.told)


def manifest_records(
    location: str,
    space: LabelSpace,
    images_root: str,
    *,
    has_files: bool = True,
    labels: Reading | None = None,
    folders: Sequence[str] = (),
) -> Iterator[ImageRecord | SkippedRow]:
    """Yield the images of a manifest in its order.

    Without an id, an image is called by its path: one below `images_root` by that from there, however it is spelled.

    Parameters
    ----------
    location
        As for :func:`manifest_rows`.
    images_root
        What the paths are relative to; absolute paths must lie below it.
    has_files
        False means that no image has a file here (predictions were made elsewhere).
    labels
        What its labels mean, if that is already decided (:func:`read_labels`).
    folders
        Further folders below which absolute paths may lie (:func:`folders_elsewhere`).

    Raises
    ------
    DatasetError
        If the file cannot be read, or its class numbers fit two readings.
    """
    index_of = (labels or read_labels(location, space)).index_of
    n_absolute = 0
    for row in manifest_rows(location):
        if row.flaw:
            yield SkippedRow(row.image_id or None, row.path or None, f"{row.where}: {row.flaw}")
            continue
        record = _record(row, row.path if has_files else "", index_of, space, images_root, folders)
        n_absolute += isinstance(record, ImageRecord) and not row.has_own_id and record.image_id.startswith("/")
        yield record
    if n_absolute and images_root:
        tell(
            f"{location}: {so_many(n_absolute, 'image')} outside of {images_root} will be known by absolute paths; a "
            "column image_id gives other names, and --images-root another folder"
        )


def folders_elsewhere(location: str, images_root: str) -> list[str]:
    """Return the folders outside of `images_root` in which the absolute paths of a manifest lie, as few as reasonable.

    Raise `DatasetError` if the file cannot be read.
    """
    rows = manifest_rows(location)
    paths = (settled(row.path).replace("\\", "/") for row in rows if row.path and not is_url(row.path))
    return folders_of(paths, images_root)


def folders_of(paths: Iterable[str], images_root: str) -> list[str]:
    """Return the folders outside of `images_root` in which absolute paths lie, as few as reasonable."""
    parents: dict[tuple[str, ...], set[str]] = {}
    for path in map(posixpath.normpath, paths):
        if path.startswith("/") and not is_below(path, images_root):
            folder = posixpath.dirname(path)
            parents.setdefault(tuple(folder.split("/")[:3]), set()).add(folder)
    return sorted(posixpath.commonpath(sorted(folders)) for folders in parents.values())


def manifest_classes(location: str) -> list[str]:
    """Return the distinct labels of a manifest in natural order: the label space if none is given.

    If the labels are Hugging Face's class numbers, return all the class names stored with them, in that order.

    Raise `DatasetError` if it cannot be read or has no labels.
    """
    with _open(location) as (columns, rows):
        label_at = _column(columns, LABEL_COLUMNS, location)
        if label_at is None:
            raise DatasetError(
                f"{location}: no label column ({', '.join(LABEL_COLUMNS)}); say which classes there are, with --classes"
            )
        named = rows.class_names.get(label_at) if isinstance(rows, _ParquetRows) else None
        flaw, found = "", set[str]()
        for where, wrong, cells in rows:
            if not wrong:
                found.add(_cell(cells, label_at))
            elif not flaw:
                flaw = f"; {where}: {wrong}"
    if named:
        return [settled(name) for name in named]
    keys = set(settled_all(found, "class", location).values()) - {""}
    if keys and all(_WITH_ZERO_FRACTION.fullmatch(key) for key in keys):  # pandas writes 3 as 3.0 if a label is missing
        keys = {key.partition(".")[0] for key in keys}
    if not keys:
        raise DatasetError(
            f"{location}: names no class in its column {columns[label_at]!r}; "
            f"say which classes there are, with --classes{flaw}"
        )
    return sorted(keys, key=natural_key)


def default_images_root(location: str) -> str:
    """Return the folder that contains a manifest."""
    if is_url(location):
        return location.rsplit("/", 1)[0]
    return str(Path(location).parent)


def _record(
    row: ManifestRow,
    path: str,
    index_of: Mapping[str, int],
    space: LabelSpace,
    images_root: str,
    folders: Sequence[str],
) -> ImageRecord | SkippedRow:
    if not row.image_id:
        return SkippedRow(None, None, f"{row.where}: names no image")
    if path:
        path = spelling_on_disk(path, images_root)
        try:
            path = relative_location(path, images_root)
        except DatasetError as error:
            path = posixpath.normpath(path)
            if not any(is_below(path, folder) for folder in folders):
                return SkippedRow(row.image_id, path, f"{row.where}: {error}")
    image_id, label = _called(row, path, images_root), settled(row.label)
    if label and row.label not in index_of:
        reason = f"{row.where}: unknown class {label!r}: it is not in {space.name}"
        return SkippedRow(image_id, path or None, reason)
    return ImageRecord(image_id, path or None, index_of[row.label] if label else None)


def _called(row: ManifestRow, path: str, images_root: str) -> str:
    """Return an image's id; an absolute path that stands for one says where below the root, as a folder's images do."""
    # Without a root there is nothing that it lies below: an empty one would be the working directory.
    if not images_root or row.has_own_id or not row.image_id.startswith("/"):
        return row.image_id
    if path:
        return settled(path)
    try:
        return relative_location(row.image_id, images_root)
    except DatasetError:
        return row.image_id


def _column(columns: Sequence[str], names: Sequence[str], location: str) -> int | None:
    """Return the position of the first of these columns that exists, and tell the user which others are not used."""
    present = [name for name in names if name in columns]
    if not present:
        return None
    if columns.count(present[0]) > 1:
        raise DatasetError(twice(location, present[0]))
    unused = [name for name in present[1:] if name != "image"]
    if unused:
        tell(f"{location}: column {present[0]!r} is used, and {', '.join(map(repr, unused))} is not")
    return list(columns).index(present[0])


def _cell(row: Sequence[str], position: int | None) -> str:
    return "" if position is None or position >= len(row) else row[position]


class _ParquetRows:
    """Rows of an open Parquet table as text, with the class names that Hugging Face stores for columns, by position."""

    def __init__(self, table: Any, names: Sequence[str], location: str) -> None:
        self._table, self._names, self._location = table, names, location
        named = {at: class_names_of(table.schema_arrow, name) for at, name in enumerate(names)}
        self.class_names = {at: of_column for at, of_column in named.items() if of_column}

    def __iter__(self) -> Iterator[tuple[str, str, list[str]]]:
        number = 0
        for batch in self._table.iter_batches(batch_size=_BATCH_ROWS, columns=list(self._names)):
            columns = [self._texts(batch.column(name), at, name) for at, name in enumerate(self._names)]
            for cells in zip(*columns, strict=True):
                yield f"row {number}", "", list(cells)
                number += 1

    def _texts(self, column: Any, at: int, name: str) -> list[str]:
        texts = [text or "" for text in text_column(column, name, self._location).to_pylist()]
        names = self.class_names.get(at)
        if names is None:
            return texts
        return [names[int(text)] if text.isdecimal() and int(text) < len(names) else "" for text in texts]


def _role(field: Any) -> str:
    """Return what a Parquet column is called here; an image column of pictures' paths alone is a column of paths."""
    import pyarrow as pa

    name = column_name(field.name)
    return PATH_COLUMNS[0] if name == "image" and pa.types.is_struct(field.type) else name


@contextmanager
def _open(location: str) -> Iterator[tuple[Sequence[str], Iterable[tuple[str, str, list[str]]]]]:
    """Open a manifest: yield its column names and, for every row, its place, what is wrong with it, and its cells."""
    if not location.lower().endswith(".parquet"):
        separator = "\t" if location.lower().endswith(".tsv") else None
        with csv_rows(open_location(location), location, separator=separator) as table:
            yield table.header, ((f"line {line}", table.surplus(cells), cells) for line, cells in table.rows)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = [name for names in _ROLES for name in names]
    with open_location(location) as file:
        try:
            parquet = pq.ParquetFile(file)
            refuse_twice(parquet.schema_arrow, wanted, location)
            found = [name for name in parquet.schema_arrow.names if column_name(name) in wanted]
            if set(map(column_name, found)) & set(PATH_COLUMNS):  # then pictures inside a column are not needed
                found = [name for name in found if not pa.types.is_struct(parquet.schema_arrow.field(name).type)]
            columns = [_role(parquet.schema_arrow.field(name)) for name in found or parquet.schema_arrow.names]
            yield columns, _ParquetRows(parquet, found, location)
        except pa.ArrowException as error:
            raise DatasetError(f"{location}: cannot be read as Parquet: {error}") from error
