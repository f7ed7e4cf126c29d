"""Which images stand for a class: a reproducible draw from a reference set."""

from __future__ import annotations

import filecmp
import os
import posixpath
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.datasets.walking import walk_files
from pipeline.images.locations import has_image_suffix, natural_key, open_location
from pipeline.images.remote import is_url
from pipeline.images.within import place_within
from pipeline.project.class_references import read_class_references
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import settled
from pipeline.project.opaque_ids import example_group


def example_candidates(project: Project) -> dict[int, list[str]]:
    """Return every image that may stand for a class: class index to paths below `examples_root`.

    They are the images in the examples' folder. If that is also the folder of the project's images, they are those
    images, by original label.
    """
    if project.examples_root == project.images_root:
        return _own_images(project)
    return _by_class(walk_files(project.examples_root), project.label_space)


def groups_of_candidates(project: Project, candidates: Mapping[int, Sequence[str]]) -> dict[str, str]:
    """Return the group of each candidate that is an image of the project, by its path below `examples_root`.

    It is one if it is the same file, or a copy of it: a file of the same name and size. Copies behind a URL and in
    Parquet are not recognized, since asking for so many sizes takes too long.
    """
    images, examples = (_real_root(root) for root in (project.images_root, project.examples_root))
    table = image_columns(project, ["image_index", "path"])
    indices, paths = (table.column(name).to_pylist() for name in ("image_index", "path"))
    at = {posixpath.join(images, path): index for index, path in zip(indices, paths, strict=True) if path is not None}
    named: dict[str, list[str]] = defaultdict(list)
    for location in at:
        named[posixpath.basename(location)].append(location)
    found: dict[str, str] = {}
    for path in (path for of_class in candidates.values() for path in of_class):
        location = posixpath.join(examples, path)
        original = location if location in at else _copied(location, named.get(posixpath.basename(location), ()))
        if original is not None:
            found[path] = example_group(at[original])
    return found


def _real_root(root: str) -> str:
    """Return a folder by its own name, however links lead to it."""
    return root if is_url(root) else os.path.realpath(root)


def _copied(location: str, of_same_name: Sequence[str]) -> str | None:
    """Return the image of which a file is a copy, or to which it is a link."""
    size = _size(location) if of_same_name else None
    found = [] if size is None else [other for other in of_same_name if _size(other) == size]
    if len(found) > 1:  # data sets with a folder a class number the images of each from 1
        found = [other for other in found if _is_same(location, other)]
    return found[0] if found else None


def _is_same(location: str, other: str) -> bool:
    if place_within(other) is None:
        return filecmp.cmp(location, other, shallow=False)
    with open_location(location) as one, open_location(other) as two:
        return one.read() == two.read()


def _size(location: str) -> int | None:
    place = place_within(location)
    try:
        if place is not None:
            return place.n_bytes
        return None if is_url(location) else Path(location).stat().st_size
    except OSError:
        return None


def draw_order(candidates: Sequence[str], class_key: str, seed: int) -> list[str]:
    """Return a class's candidates in the order drawn, which depends only on them, the class and the seed."""
    drawn = sorted(candidates, key=natural_key)
    random.Random(f"{seed}\0{class_key}").shuffle(drawn)
    return drawn


def _by_class(paths: Iterable[str], space: LabelSpace) -> dict[int, list[str]]:
    images = [path for path in paths if has_image_suffix(path)]
    folders = {settled(path.split("/", 1)[0]) for path in images if "/" in path}
    index_of = read_class_references(folders, space, "the examples' folders").index_of
    found: Mapping[int, list[str]] = defaultdict(list)
    for path in images:
        key = settled(path.split("/", 1)[0] if "/" in path else posixpath.splitext(path)[0])
        index = index_of.get(key) if "/" in path else space.index_of(key) if key in space else None
        if index is not None:
            found[index].append(path)
    return dict(found)


def _own_images(project: Project) -> dict[int, list[str]]:
    found: Mapping[int, list[str]] = defaultdict(list)
    table = image_columns(project, ["path", "original_label"])
    for path, label in zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True):
        if path is not None and label is not None:
            found[label].append(path)
    return dict(found)
