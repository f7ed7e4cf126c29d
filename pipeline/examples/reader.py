"""Reading a class's examples: its sprite from `examples.parquet`, and one enlarged example from its own file.

Nothing here imports torch or pandas.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.annotation.session import Picture, Sprite
from pipeline.errors import DatasetError
from pipeline.images import display_jpeg
from pipeline.images.locations import join_location
from pipeline.project.tables import EXAMPLES_ROW_GROUP

_GROUPS_KEPT = 16
_ENLARGED_PX = 1024


class ExampleReader:
    """A finished `examples.parquet`; opening it reads only its footer, and threads may share it.

    Parameters
    ----------
    path
        The file.
    examples_root
        Folder or URL of the example images, for enlarging them; without it, tiles are shown as they are.

    Raises
    ------
    DatasetError
        If it is not a table of examples.
    """

    def __init__(self, path: str | Path, examples_root: str = "") -> None:
        self.path = Path(path)
        self._examples_root = examples_root
        try:
            self._file = pq.ParquetFile(self.path)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{self.path}: cannot be read as examples: {error}") from error
        self.n_classes: int = self._file.metadata.num_rows
        self._lock = Lock()
        self._read_group = lru_cache(maxsize=_GROUPS_KEPT)(self._load_group)

    def sprite(self, class_index: int) -> Sprite:
        """Return a class's examples in one JPEG; if there are none, `n_examples` is 0 and `data` is empty.

        Raises
        ------
        DatasetError
            If there is no such class.
        """
        row = self._row(class_index)
        return Sprite(
            row["sprite"], "image/jpeg", row["n_examples"], row["n_columns"], row["tile_px"], row.get("groups") or ""
        )

    def sources(self, class_index: int) -> tuple[str, ...]:
        """Return the paths of a class's examples relative to `examples_root`, in tile order."""
        return tuple(self._row(class_index)["sources"])

    def enlarged(self, class_index: int, number: int) -> Picture:
        """Return one example in its own size, at most 1,024 px; if its file cannot be had, return its tile.

        Raises
        ------
        DatasetError
            If there is no such class or example.
        """
        row = self._row(class_index)
        if not 0 <= number < row["n_examples"]:
            raise DatasetError(f"class {class_index} has {row['n_examples']} examples; there is no number {number}")
        try:
            location = join_location(self._examples_root, row["sources"][number])
            data, width_px, height_px = display_jpeg(location, _ENLARGED_PX)
        except DatasetError:
            return _tile(row, number)
        return Picture(data, "image/jpeg", width_px, height_px)

    def _row(self, class_index: int) -> dict[str, Any]:
        if not 0 <= class_index < self.n_classes:
            raise DatasetError(f"{self.path}: no class {class_index}; it has classes 0 to {self.n_classes - 1}")
        with self._lock:
            rows = self._read_group(class_index // EXAMPLES_ROW_GROUP)
        return rows[class_index % EXAMPLES_ROW_GROUP]

    def _load_group(self, group: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._file.read_row_group(group).to_pylist()
        return rows


def _tile(row: dict[str, Any], number: int) -> Picture:
    tile_px = row["tile_px"]
    top, left = (tile_px * part for part in divmod(number, row["n_columns"]))
    buffer = BytesIO()
    with Image.open(BytesIO(row["sprite"])) as sprite:
        sprite.crop((left, top, left + tile_px, top + tile_px)).save(buffer, "JPEG", quality=90)
    return Picture(buffer.getvalue(), "image/jpeg", tile_px, tile_px)
