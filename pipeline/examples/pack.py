"""Packing each class's examples into one picture, so that a browser fetches them only once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from pipeline.errors import DatasetError
from pipeline.examples.choice import draw_order, example_candidates, groups_of_candidates
from pipeline.examples.references import known_features
from pipeline.examples.sprite import MAX_COLUMNS, OUTSIDE, joined_tiles
from pipeline.examples.teaching import are_alike, are_alike_to_a_model, plain_features, teaching_order
from pipeline.images import read_image
from pipeline.images.locations import join_location
from pipeline.project.folder import Project
from pipeline.project.opaque_ids import N_EXAMPLE_GROUPS
from pipeline.project.tables import EXAMPLES, EXAMPLES_ROW_GROUP
from pipeline.project.writing import whole_file

_SPRITE_QUALITY = 85
_THREADS = 8
_CLASSES_AT_ONCE = 64
#: Examples are chosen among this many times as many images, drawn at random.
_CHOOSE_AMONG = 3


@dataclass(frozen=True, slots=True)
class ExampleSummary:
    """How many classes have examples, how many examples there are, and which files could not be read and why."""

    n_classes: int
    n_classes_with_examples: int
    n_examples: int
    unreadable: tuple[str, ...]
    #: Keys of the classes without any example.
    without: tuple[str, ...] = ()


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

    They are chosen to teach (:func:`pipeline.examples.teaching.teaching_order`) among some drawn at random: by a
    backbone's features where one has looked at them, else by their colours. The choice depends only on these, the
    images, the class and the project's seed. Unreadable files are skipped, and the next one drawn
    takes their place. The table appears under its name only when it is complete.

    Raise `DatasetError` if the folder of examples is missing.
    """
    settings = project.settings.proposals
    candidates = example_candidates(project) if settings.examples_per_class else {}
    space = project.label_space
    groups = groups_of_candidates(project, candidates)
    drawn = [draw_order(candidates.get(info.index, ()), info.key, settings.seed) for info in space]
    likely = [path for of_class in drawn for path in of_class[: 2 * _pool_size(project, groups)]]
    features = known_features(project, likely)

    def pack(class_index: int) -> _PackedClass:
        return _pack_class(class_index, drawn[class_index], project, groups, features)

    n_with_examples = n_examples = 0
    without: list[str] = []
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
            without += [space[row.class_index].key for row in packed if not row.sources]
            n_examples += sum(len(row.sources) for row in packed)
            unreadable += [reason for row in packed for reason in row.unreadable]
            progress.update(len(batch))
        summary = ExampleSummary(len(space), n_with_examples, n_examples, tuple(unreadable), tuple(without))
        writer.add_key_value_metadata({"unreadable": json.dumps(unreadable)})
    return summary


def extend_examples(project: Project, destination: Path) -> None:
    """Write a project's packed examples with those of the classes that its list has and the table lacks.

    A class that stands for others has their examples.

    Parameters
    ----------
    project
        A project with packed examples and, perhaps, a longer list of classes.
    destination
        Where the whole table goes.
    """
    settings, space = project.settings.proposals, project.label_space
    with pq.ParquetFile(project.examples_path) as file:
        before, metadata = file.read().replace_schema_metadata(None), file.metadata.metadata or {}
    candidates = example_candidates(project) if settings.examples_per_class else {}
    groups = groups_of_candidates(project, candidates)
    packed = []
    for class_index in range(before.num_rows, len(space)):
        meant = project.current_classes.meaning(class_index)
        own = dict.fromkeys(path for index in meant for path in candidates.get(index, ()))
        drawn = draw_order(list(own), space[class_index].key, settings.seed)
        packed.append(_pack_class(class_index, drawn, project, groups, {}))
    whole = pa.concat_tables([before, _table(packed, settings.thumbnail_px).select(before.column_names)])
    with pq.ParquetWriter(destination, before.schema) as writer:
        writer.write_table(whole, row_group_size=EXAMPLES_ROW_GROUP)
        writer.add_key_value_metadata({"unreadable": metadata.get(b"unreadable", b"[]").decode()})


def _n_of_group(project: Project) -> int:
    # Beside each of the project's own images, one group of examples is left out: enough must remain without it.
    return -(-project.settings.proposals.examples_per_class // (N_EXAMPLE_GROUPS - 1))


def _pool_size(project: Project, groups: Mapping[str, str]) -> int:
    """Return among how many images examples are chosen."""
    return _CHOOSE_AMONG * (project.settings.proposals.examples_per_class + (_n_of_group(project) if groups else 0))


def _pack_class(
    class_index: int,
    drawn: Sequence[str],
    project: Project,
    groups: Mapping[str, str],
    features: Mapping[str, NDArray[np.float32]],
) -> _PackedClass:
    settings = project.settings.proposals
    side_px, pool_size = settings.thumbnail_px, _pool_size(project, groups)
    pool: list[tuple[str, Image.Image]] = []
    unreadable: list[str] = []
    for path in drawn:
        if len(pool) == pool_size:
            break
        try:
            image = read_image(join_location(project.examples_root, path, project.image_folders), reduce_to_px=side_px)
        except DatasetError as error:
            unreadable.append(str(error))
            continue
        pool.append((path, ImageOps.fit(image, (side_px, side_px), Image.Resampling.LANCZOS)))
    seen = np.stack([plain_features(tile) for _, tile in pool]) if pool else np.empty((0, 1), np.float32)
    alike = are_alike(seen)
    if pool and all(path in features for path, _ in pool):
        seen = np.stack([features[path] for path, _ in pool])
        alike |= are_alike_to_a_model(seen)
    groups_of_pool = [groups.get(path) for path, _ in pool]
    chosen = teaching_order(seen, pool_size // _CHOOSE_AMONG, groups_of_pool, _n_of_group(project), alike)
    tiles, sources = [pool[place][1] for place in chosen], [pool[place][0] for place in chosen]
    n_columns = max(1, min(MAX_COLUMNS, len(tiles)))
    digits = "".join(groups.get(path, OUTSIDE) for path in sources) if groups else ""
    data = joined_tiles(tiles, n_columns, _SPRITE_QUALITY)
    return _PackedClass(class_index, n_columns, data, sources, digits, unreadable)


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
