"""Refined labels as others publish them, paired with images by name.

Two formats of JSON are read: an object from image name to a list of classes (Multilabelfy), and a list of lists in the
order of the sorted image names (ReaL). Classes are indices (``370`` or ``"370"``) or keys (``"n01667114"``) of the
label space.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.records import SkippedRow
from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists
from pipeline.images.locations import has_image_suffix
from pipeline.project.label_space import LabelSpace

_IMAGENET_VAL = re.compile(r"ILSVRC2012_val_(\d{8})(\.\w+)?")


@dataclass(frozen=True)
class PairedLabels:
    """The label sets of those images whose labels could be read.

    Parameters
    ----------
    labels
        One set an image, in the order of the images asked for.
    rows
        ``(len(labels),)``: position of each among the images asked for.
    skipped
        The other images, each with the reason.
    n_unused
        Entries of the file that belong to none of the images asked for.
    """

    labels: LabelSets
    rows: NDArray[np.int64]
    skipped: tuple[SkippedRow, ...]
    n_unused: int


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with its repeated keys."""


def read_refined_labels(path: Path, image_ids: Sequence[str], space: LabelSpace) -> PairedLabels:
    """Read the refined labels of these images.

    Images are paired by name. In an object, the ending (``.jpeg``) may be missing on one side or differ, as long as
    names without their endings stay unique. A list is paired with the images' names in sorted order, one entry an
    image; names of the ImageNet validation set (``ILSVRC2012_val_00000293.JPEG``) carry their number, so any part of
    them will do.

    Parameters
    ----------
    path
        A JSON file in either format.
    image_ids
        Unique image names, in any order.
    space
        Which classes there are.

    Raises
    ------
    DatasetError
        If the file is missing or not in one of the formats, a list's length does not fit, names are ambiguous, or no
        image at all is left. An image that alone is at fault (absent, listed twice, a class out of range or repeated)
        is skipped and named.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_Pairs)
    except FileNotFoundError as error:
        raise DatasetError(f"{path}: no such file; give the JSON of the refined labels") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as JSON: {error}") from error
    if isinstance(content, _Pairs):
        entries = _entries_by_name(content, image_ids, path)
    elif isinstance(content, list):
        entries = _entries_by_order(content, image_ids, path)
    else:
        raise DatasetError(
            f"{path}: holds a {type(content).__name__}; an object from image to classes or a list of lists is due"
        )
    return _paired(entries, len(content), image_ids, space, path)


def _entries_by_name(pairs: _Pairs, image_ids: Sequence[str], path: Path) -> list[list[Any]]:
    """Return, for each image, every entry of the file that names it (exactly one, if all is well)."""
    listed = [name for name, _ in pairs]
    is_exact = set(image_ids) <= set(listed)
    name_of = str if is_exact else _without_image_suffix
    if not is_exact:
        _require_distinct(image_ids, "the images")
        _require_distinct(listed, str(path))
    by_name: dict[str, list[Any]] = {}
    for name, classes in pairs:
        by_name.setdefault(name_of(name), []).append(classes)
    return [by_name.get(name_of(image), []) for image in image_ids]


def _entries_by_order(lists: Sequence[Any], image_ids: Sequence[str], path: Path) -> list[list[Any]]:
    numbered = [_IMAGENET_VAL.fullmatch(posixpath.basename(image)) for image in image_ids]
    if all(numbered):
        numbers = [int(match[1]) for match in numbered if match]
        return [[lists[number - 1]] if 1 <= number <= len(lists) else [] for number in numbers]
    if len(lists) != len(image_ids):
        raise DatasetError(
            f"{path}: {len(lists)} label lists for {len(image_ids)} images; a list is paired with the sorted image "
            "names, so give every image, or use an object from image name to classes"
        )
    order = sorted(range(len(image_ids)), key=image_ids.__getitem__)
    entries: list[list[Any]] = [[] for _ in image_ids]
    for classes, row in zip(lists, order, strict=True):
        entries[row].append(classes)
    return entries


def _paired(
    entries: Sequence[Sequence[Any]], n_listed: int, image_ids: Sequence[str], space: LabelSpace, path: Path
) -> PairedLabels:
    index_of: dict[object, int] = {str(index): index for index in range(len(space))}
    index_of |= {index: index for index in range(len(space))}
    index_of |= {key: index for index, key in enumerate(space.keys)}
    rows, lists, skipped = [], [], []
    for row, (image, found) in enumerate(zip(image_ids, entries, strict=True)):
        read = _class_indices(found, index_of, space, path)
        if isinstance(read, str):
            skipped.append(SkippedRow(image, None, read))
            continue
        rows.append(row)
        lists.append(read)
    if not rows:
        first = f"; the first, {image_ids[0]!r}: {skipped[0].reason}" if skipped else ""
        raise DatasetError(f"{path}: gives usable labels to none of the {len(image_ids)} images{first}")
    labels = label_sets_from_lists(lists, [image_ids[row] for row in rows])
    n_used = sum(len(found) for found in entries)
    return PairedLabels(labels, np.array(rows, dtype=np.int64), tuple(skipped), n_listed - n_used)


def _class_indices(
    found: Sequence[Any], index_of: Mapping[object, int], space: LabelSpace, path: Path
) -> list[int] | str:
    """Return the class indices of one image, or the reason why there are none."""
    if len(found) != 1:
        return f"{path.name} names it {len(found)} times" if found else f"{path.name} does not name it"
    if type(found[0]) is not list:
        return f"{path.name} gives it {found[0]!r} where a list of classes is due"
    indices: list[int] = []
    for value in found[0]:
        index = index_of.get(value) if type(value) in (str, int) else None
        if index is None:
            return f"{path.name} gives it the class {value!r}: not among the {len(space)} classes of {space.name}"
        indices.append(index)
    if len(set(indices)) != len(indices):
        repeated = Counter(indices).most_common(1)[0][0]
        return f"{path.name} gives it the class {space[repeated].key!r} (index {repeated}) more than once"
    return indices


def _without_image_suffix(name: str) -> str:
    return posixpath.splitext(name)[0] if has_image_suffix(name) else name


def _require_distinct(names: Sequence[str], where: str) -> None:
    """Refuse names that differ in their ending alone; the very same name twice is another matter."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(_without_image_suffix(name), name)
        if other != name:
            raise DatasetError(
                f"{where}: {other!r} and {name!r} differ in their ending alone, so labels cannot be paired without it; "
                "use the same full names on both sides"
            )
