"""Labels that refiners are asked about although nobody voted on them: kept in the project, read by sessions.

Models suggest them, but a refiner is not told so: such a label stands among the others, and counts by their vote alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.result_paths import tables_dir
from pipeline.project.writing import whole_file

_FILE = "suggestions.parquet"
_SCHEMA = pa.schema([("image_index", pa.int32()), ("class_index", pa.int32())])


class SuggestedLabels:
    """Reads a project's suggestions; a file that was written meanwhile is read again."""

    def __init__(self, project: Project) -> None:
        self._path = _path(project)
        self._read_from: tuple[int, int, int] | None = None
        self._of_image: dict[int, tuple[int, ...]] = {}

    def of_image(self, image_index: int) -> tuple[int, ...]:
        """Return the classes suggested for an image, in no order that says anything."""
        status = self._path.stat() if self._path.exists() else None
        # Two files that are written soon after each other can have the same time.
        written = None if status is None else (status.st_mtime_ns, status.st_ino, status.st_size)
        if written != self._read_from:
            self._of_image, self._read_from = _read(self._path) if written else {}, written
        return self._of_image.get(image_index, ())


def write_suggestions(project: Project, suggested: Iterable[tuple[int, int]]) -> None:
    """Add suggestions, as pairs of image and class index, to those that refiners have already."""
    path = _path(project)
    earlier = [(image, c) for image, classes in _read(path).items() for c in classes] if path.exists() else []
    pairs = sorted({*earlier, *suggested})
    table = pa.table([[image for image, _ in pairs], [c for _, c in pairs]], schema=_SCHEMA)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished:
        pq.write_table(table, unfinished)


def _path(project: Project) -> Path:
    return tables_dir(project, "refinement") / _FILE


def _read(path: Path) -> dict[int, tuple[int, ...]]:
    try:
        table = pq.read_table(path)
        found: dict[int, tuple[int, ...]] = {}
        pairs = zip(table.column("image_index").to_pylist(), table.column("class_index").to_pylist(), strict=True)
        for image_index, class_index in pairs:
            found[image_index] = (*found.get(image_index, ()), class_index)
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ProjectError(f"{path}: cannot be read: {error}; remove it and give the images out again") from error
    return found
