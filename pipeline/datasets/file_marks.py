"""What the images' files looked like when they came: by it, files that changed or vanished since are noticed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DatasetError
from pipeline.images.locations import join_location
from pipeline.images.remote import is_url
from pipeline.images.within import file_of
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.writing import whole_file

#: A Parquet table; not named as one, since its times are no data of the project.
MARKS_FILE = "files.marks"
_MARKS = pa.schema([pa.field("size", pa.int64()), pa.field("mtime_ns", pa.int64())])
_THREADS, _FILES_AT_ONCE = 8, 1024
_NONE = (-1, -1)


@dataclass(frozen=True, slots=True)
class FileChanges:
    """Images whose files are not what they were, by id.

    Parameters
    ----------
    changed
        The file was written again: its size or its time differ.
    vanished
        There is no file any more.
    n_looked_at
        How many files were looked at; 0 where the project keeps no marks, or its images are behind a URL.
    """

    changed: tuple[str, ...]
    vanished: tuple[str, ...]
    n_looked_at: int


def write_marks(project: Project, destination: Path) -> None:
    """Write size and time of every image's file, in order of `image_index`; -1 where this machine has no file."""
    marks = _marks(project)
    table = pa.table([pa.array([mark[i] for mark in marks], pa.int64()) for i in range(2)], schema=_MARKS)
    with whole_file(destination) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")


def changed_files(project: Project) -> FileChanges:
    """Compare the images' files with what they were when they came.

    Raise `DatasetError` if the marks cannot be read.
    """
    path = project.root / MARKS_FILE
    if not path.exists():
        return FileChanges((), (), 0)
    try:
        then = list(zip(*(column.to_pylist() for column in pq.read_table(path).columns), strict=True))
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(
            f"{path}: cannot be read: {error}; `mlf add PROJECT --accept-files` makes it anew"
        ) from error
    ids = image_columns(project, ["image_id"]).column(0).to_pylist()
    known = [
        (image_id, was, now) for image_id, was, now in zip(ids, then, _marks(project), strict=False) if was != _NONE
    ]
    vanished = tuple(image_id for image_id, _, now in known if now == _NONE)
    changed = tuple(image_id for image_id, was, now in known if now not in (was, _NONE))
    return FileChanges(changed, vanished, len(known))


def _marks(project: Project) -> list[tuple[int, int]]:
    paths = image_columns(project, ["path"]).column(0)
    if is_url(project.images_root) or paths.null_count == len(paths):
        return [_NONE] * len(paths)
    # A thread gets many files at a time: a task for each of a million takes a gigabyte.
    parts = (paths[first : first + _FILES_AT_ONCE].to_pylist() for first in range(0, len(paths), _FILES_AT_ONCE))
    with ThreadPoolExecutor(_THREADS) as pool:
        marked = pool.map(lambda part: [_mark(project.images_root, p, project.image_folders) for p in part], parts)
        return [mark for part in marked for mark in part]


def _mark(root: str, path: str | None, folders: list[str]) -> tuple[int, int]:
    if path is None or is_url(path):
        return _NONE
    try:
        found = os.stat(file_of(join_location(root, path, folders)))  # noqa: PTH116 - once per file, of a million
    except (OSError, DatasetError):
        return _NONE
    return found.st_size, found.st_mtime_ns
