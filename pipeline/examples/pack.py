"""Packing each class's examples into one picture, so that a browser fetches them only once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from pipeline.errors import DatasetError
from pipeline.examples.choice import draw_order, example_candidates, groups_of_candidates
from pipeline.images import read_image
from pipeline.images.locations import join_location
from pipeline.project.folder import Project
from pipeline.project.opaque_ids import N_EXAMPLE_GROUPS
from pipeline.project.tables import EXAMPLES, EXAMPLES_ROW_GROUP
from pipeline.project.writing import whole_file

_MAX_COLUMNS = 5
_SPRITE_QUALITY = 85
_THREADS = 8
_CLASSES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ExampleSummary:
    """How many classes have examples, how many examples there are, and which files could not be read and why."""

    n_classes: int
    n_classes_with_examples: int
    n_examples: int
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _PackedClass:
    class_index: int
    n_columns: int
    sprite: bytes
    sources: list[str]
    groups: str
    unreadable: list[str]


def pack_examples(project: Project) -> ExampleSummary:
    """Choose up to `examples_per_class` images per class and write them to `examples.parquet`.

    The choice depends only on the images, the class and the project's seed. Unreadable files are skipped, and the next
    one drawn takes their place. The table appears under its name only when it is complete.

    Raises
    ------
    DatasetError
        If the folder of examples is missing.
    """
    settings = project.settings.proposals
    candidates = example_candidates(project) if settings.examples_per_class else {}
    space = project.label_space
    groups = groups_of_candidates(project, candidates)
    drawn = [draw_order(candidates.get(info.index, ()), info.key, settings.seed) for info in space]

    def pack(class_index: int) -> _PackedClass:
        return _pack_class(class_index, drawn[class_index], project, groups)

    n_with_examples = n_examples = 0
    unreadable: list[str] = []
    indices = iter(range(len(space)))
    progress = tqdm(total=len(space), desc="examples", unit=" classes")
    with (
        whole_file(project.examples_path) as unfinished,
        ThreadPoolExecutor(_THREADS) as pool,
        progress,
        pq.ParquetWriter(unfinished, EXAMPLES) as writer,
    ):
        while batch := list(islice(indices, _CLASSES_AT_ONCE)):
            packed = list(pool.map(pack, batch))
            writer.write_table(_table(packed, settings.thumbnail_px), row_group_size=EXAMPLES_ROW_GROUP)
            n_with_examples += sum(bool(row.sources) for row in packed)
            n_examples += sum(len(row.sources) for row in packed)
            unreadable += [reason for row in packed for reason in row.unreadable]
            progress.update(len(batch))
        summary = ExampleSummary(len(space), n_with_examples, n_examples, tuple(unreadable))
        writer.add_key_value_metadata({"unreadable": json.dumps(unreadable)})
    return summary


def _pack_class(class_index: int, drawn: Sequence[str], project: Project, groups: Mapping[str, int]) -> _PackedClass:
    settings = project.settings.proposals
    n_wanted, side_px = settings.examples_per_class, settings.thumbnail_px
    # Beside each of the project's own images, one group of examples is left out: enough must remain without it.
    n_of_group = -(-n_wanted // (N_EXAMPLE_GROUPS - 1))
    n_most = n_wanted + n_of_group if groups else n_wanted
    room = {group: n_most if group is None else n_of_group for group in {groups.get(path) for path in drawn}}
    tiles: list[Image.Image] = []
    sources: list[str] = []
    unreadable: list[str] = []
    for path in drawn:
        if len(tiles) == n_most or not any(room.values()):
            break
        if room[groups.get(path)] == 0:
            continue
        try:
            image = read_image(join_location(project.examples_root, path), reduce_to_px=side_px)
        except DatasetError as error:
            unreadable.append(str(error))
            continue
        tiles.append(ImageOps.fit(image, (side_px, side_px), Image.Resampling.LANCZOS))
        sources.append(path)
        room[groups.get(path)] -= 1
    n_columns = max(1, min(_MAX_COLUMNS, len(tiles)))
    digits = "".join(str(groups.get(path, "-")) for path in sources) if groups else ""
    return _PackedClass(class_index, n_columns, _sprite(tiles, n_columns), sources, digits, unreadable)


def _sprite(tiles: Sequence[Image.Image], n_columns: int) -> bytes:
    if not tiles:
        return b""
    tile_px = tiles[0].width
    n_rows = -(-len(tiles) // n_columns)
    sprite = Image.new("RGB", (n_columns * tile_px, n_rows * tile_px), "white")
    for number, tile in enumerate(tiles):
        row, column = divmod(number, n_columns)
        sprite.paste(tile, (column * tile_px, row * tile_px))
    buffer = BytesIO()
    sprite.save(buffer, "JPEG", quality=_SPRITE_QUALITY)
    return buffer.getvalue()


def _table(packed: Sequence[_PackedClass], tile_px: int) -> pa.Table:
    columns: dict[str, list[Any]] = {
        "class_index": [row.class_index for row in packed],
        "n_examples": [len(row.sources) for row in packed],
        "n_columns": [row.n_columns for row in packed],
        "tile_px": [tile_px] * len(packed),
        "sprite": [row.sprite for row in packed],
        "sources": [row.sources for row in packed],
        "groups": [row.groups for row in packed],
    }
    return pa.table(columns, schema=EXAMPLES)
