"""Reading a class's examples: its sprite from `examples.parquet`, and one enlarged example from its own file.

Nothing here imports torch or pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.annotation.session import Picture, Sprite
from pipeline.errors import DatasetError
from pipeline.examples.sprite import cut_sprite, tile_alone, tiles_for
from pipeline.images import display_jpeg
from pipeline.images.locations import join_location
from pipeline.project.tables import EXAMPLES_ROW_GROUP

_GROUPS_KEPT = 16
#: Sprites that were cut for a group: it takes some milliseconds.
_SPRITES_KEPT = 256
_ENLARGED_PX = 1024


class ExampleReader:
    """A finished `examples.parquet`; opening it reads only its footer, and threads may share it.

    Parameters
    ----------
    path
        The file.
    examples_root
        Folder or URL of the example images, for enlarging them; without it, tiles are shown as they are.
    folders
        Further folders in which examples lie whose paths are absolute.

    Raises
    ------
    DatasetError
        If it is not a table of examples.
    """

    def __init__(self, path: str | Path, examples_root: str = "", folders: Sequence[str] = ()) -> None:
        self._folders = tuple(folders)
        self.path = Path(path)
        self._examples_root = examples_root
        try:
            self._file = pq.ParquetFile(self.path)
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{self.path}: cannot be read as examples: {error}") from error
        self.n_classes: int = self._file.metadata.num_rows
        self._lock = Lock()
        self._read_group = lru_cache(maxsize=_GROUPS_KEPT)(self._load_group)
        self._cut = lru_cache(maxsize=_SPRITES_KEPT)(self._load_sprite)

    @cached_property
    def has_own_images(self) -> bool:
        """Whether an example is an image of the project. This reads only the footer of the table."""
        if "groups" not in self._file.schema_arrow.names:
            return False  # packed by an early version
        footer = self._file.metadata
        place = next(i for i in range(footer.num_columns) if footer.schema.column(i).path == "groups")
        known = [footer.row_group(number).column(place).statistics for number in range(footer.num_row_groups)]
        return any(one is None or bool(one.max) for one in known)

    def sprite(self, class_index: int, group: str = "") -> Sprite:
        """Return a class's examples in one JPEG; if there are none, `n_examples` is 0 and `data` is empty.

        Parameters
        ----------
        group
            The :func:`pipeline.project.opaque_ids.example_group` of the image that they are for: none of them is an
            image of this group. Empty: none of them is an image of the project.

        Raises
        ------
        DatasetError
            If there is no such class.
        """
        return self._cut(class_index, group)

    def sources(self, class_index: int, group: str = "") -> tuple[str, ...]:
        """Return the paths of the same examples relative to `examples_root`, in tile order."""
        row = self._row(class_index)
        return tuple(row["sources"][tile] for tile in _tiles(row, group))

    def enlarged(self, class_index: int, number: int, group: str = "") -> Picture:
        """Return one of the same examples in its own size, at most 1,024 px; if its file cannot be had, its tile.

        Raise `DatasetError` if there is no such class or example.
        """
        row = self._row(class_index)
        tiles = _tiles(row, group)
        if not 0 <= number < len(tiles):
            raise DatasetError(f"class {class_index} has {len(tiles)} examples; there is no number {number}")
        try:
            location = join_location(self._examples_root, row["sources"][tiles[number]], self._folders)
            data, width_px, height_px = display_jpeg(location, _ENLARGED_PX)
        except DatasetError:
            tile_px = row["tile_px"]
            return Picture(tile_alone(_whole(row), tiles[number]), "image/jpeg", tile_px, tile_px)
        return Picture(data, "image/jpeg", width_px, height_px)

    def _load_sprite(self, class_index: int, group: str) -> Sprite:
        row = self._row(class_index)
        return cut_sprite(_whole(row), _tiles(row, group))

    def _row(self, class_index: int) -> dict[str, Any]:
        if not 0 <= class_index < self.n_classes:
            raise DatasetError(f"{self.path}: no class {class_index}; it has classes 0 to {self.n_classes - 1}")
        with self._lock:
            rows = self._read_group(class_index // EXAMPLES_ROW_GROUP)
        return rows[class_index % EXAMPLES_ROW_GROUP]

    def _load_group(self, group: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._file.read_row_group(group, use_threads=False).to_pylist()
        return rows


def _tiles(row: dict[str, Any], group: str) -> list[int]:
    return tiles_for(row.get("groups") or "", row["n_examples"], group)


def _whole(row: dict[str, Any]) -> Sprite:
    return Sprite(row["sprite"], "image/jpeg", row["n_examples"], row["n_columns"], row["tile_px"])
