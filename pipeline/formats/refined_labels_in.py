"""Refined labels as others publish them, paired with images by name.

Two JSON formats are read: an object from image name to a list of classes (Multilabelfy), and a list of lists in the
order of the sorted image names (ReaL). Classes are keys (``"n01667114"``) or numbers (``370`` or ``"370"``, which mean
the same). What the numbers mean is decided once for the whole file (:mod:`pipeline.project.class_references`).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.datasets.records import SkippedRow
from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_lists
from pipeline.images.locations import without_image_suffix
from pipeline.project.class_references import ClassNumbers, is_clearly_more, read_class_references
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import settled, settled_all
from pipeline.project.notices import tell

#: The provenance of a file of refined labels lies beside it, under the same name with this ending.
PROVENANCE_SUFFIX = ".provenance.json"
_IMAGENET_VAL = re.compile(r"ILSVRC2012_val_(\d{8})(\.\w+)?")


@dataclass(frozen=True)
class PairedLabels:
    """The label sets of those images whose labels could be read.

    Parameters
    ----------
    labels
        One label set per image, in the order of the images asked for.
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
    """A JSON object that keeps repeated keys."""


def read_evidence_models(path: Path) -> frozenset[str]:
    """Return the models that gave evidence for a file's labels, from the provenance beside it; empty without one.

    Raise `DatasetError` if there is a provenance file and it cannot be read.
    """
    beside = path.with_suffix(PROVENANCE_SUFFIX)
    if not beside.is_file():
        return frozenset()
    try:
        return frozenset(json.loads(beside.read_text(encoding="utf-8"))["evidence_models"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{beside}: cannot be read as the provenance of {path.name}: {error}") from error


def read_refined_labels(
    path: Path,
    image_ids: Sequence[str],
    space: LabelSpace,
    numbers: ClassNumbers = "auto",
    original: Sequence[int] | None = None,
) -> PairedLabels:
    """Read the refined labels of these images.

    Images are paired by name. In an object, the ending (``.jpeg``) may differ or be missing on one side, as long as
    names without their endings stay unique. A list is paired with the images' names in sorted order, one entry per
    image. Names of the ImageNet validation set (``ILSVRC2012_val_00000293.JPEG``) contain their number, so any subset
    of them will do.

    Parameters
    ----------
    path
        A JSON file in either format.
    image_ids
        Unique image names, in any order.
    numbers
        How class numbers are read.
    original
        ``(len(image_ids),)``: each image's original label, or -1. Most images keep their original label, so it shows
        which reading is right if class numbers, or the order of a list, could be read in two ways.

    Raises
    ------
    DatasetError
        If the file is missing or in neither format, a list's length does not fit, names are ambiguous, class numbers
        fit two readings, a list fits another order clearly better, or no image is left. If only single images are at
        fault (absent, listed twice, a class out of range or repeated), they are skipped and named.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Pairs)
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
            f"{path}: holds a {type(content).__name__}; expected an object from image to classes, or a list of lists"
        )
    referred = [[reference for reference in map(_reference, _classes(found)) if reference] for found in entries]
    agreement = None if original is None else partial(_n_keeping, referred, original)
    distinct = {reference for of_image in referred for reference in of_image}
    reading = read_class_references(distinct, space, path, numbers, agreement)
    if reading.told:
        tell(reading.told)
    if isinstance(content, list) and original is not None:
        _check_order(
            content, entries, image_ids, partial(_n_keeping, original=original, index_of=reading.index_of), path
        )
    return _paired(entries, len(content), image_ids, reading.index_of, space, path)


def _entries_by_name(pairs: _Pairs, image_ids: Sequence[str], path: Path) -> list[list[Any]]:
    """Return, for each image, every entry of the file that names it (exactly one, if all is well)."""
    pairs = _settled_names(pairs, path)
    listed = [name for name, _ in pairs]
    is_exact = set(image_ids) <= set(listed)
    name_of = str if is_exact else without_image_suffix
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
    if order != sorted(order):
        tell(
            f"{path}: a list says nothing of its images: its entries are taken in the order of the sorted image names, "
            f"{image_ids[order[0]]!r} first, not of the image list, which begins with {image_ids[0]!r}"
        )
    entries: list[list[Any]] = [[] for _ in image_ids]
    for classes, row in zip(lists, order, strict=True):
        entries[row].append(classes)
    return entries


def _settled_names(pairs: _Pairs, path: Path) -> _Pairs:
    forms = settled_all((name for name, _ in pairs), "image", path)
    return _Pairs((forms[name], classes) for name, classes in pairs)


def _classes(found: Sequence[Any]) -> Sequence[Any]:
    """Return an image's classes if it has exactly one entry and that is a list; otherwise nothing."""
    return found[0] if len(found) == 1 and type(found[0]) is list else ()


def _reference(value: object) -> str | None:
    """Return a class reference as text (``370`` means the same as ``"370"``); None if it is not one."""
    if isinstance(value, str):
        return settled(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        return None
    return str(int(value))


def _n_keeping(referred: Sequence[Sequence[str]], original: Sequence[int], index_of: Mapping[str, int]) -> int:
    """Return how many images have their original label among the refined ones, if classes are read in this way."""
    return sum(
        any(index_of.get(reference, -1) == label for reference in of_image)
        for of_image, label in zip(referred, original, strict=True)
        if label >= 0
    )


def _paired(
    entries: Sequence[Sequence[Any]],
    n_listed: int,
    image_ids: Sequence[str],
    index_of: Mapping[str, int],
    space: LabelSpace,
    path: Path,
) -> PairedLabels:
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


def _class_indices(found: Sequence[Any], index_of: Mapping[str, int], space: LabelSpace, path: Path) -> list[int] | str:
    """Return the class indices of one image, or the reason why there are none."""
    if len(found) != 1:
        return f"{path.name} names it {len(found)} times" if found else f"{path.name} does not name it"
    if type(found[0]) is not list:
        return f"{path.name} gives it {found[0]!r}; expected a list of classes"
    indices: list[int] = []
    for value in found[0]:
        index = index_of.get(_reference(value) or "")
        if index is None:
            return f"{path.name} gives it the class {value!r}: not among the {len(space)} classes of {space.name}"
        indices.append(index)
    if len(set(indices)) != len(indices):
        repeated = Counter(indices).most_common(1)[0][0]
        return f"{path.name} gives it the class {space[repeated].key!r} (index {repeated}) more than once"
    return indices


def _check_order(
    lists: Sequence[Any],
    entries: Sequence[Sequence[Any]],
    image_ids: Sequence[str],
    n_keeping: Callable[[Sequence[Sequence[str]]], int],
    path: Path,
) -> None:
    """Refuse a list whose entries clearly fit the order of the image list better than that of the sorted names."""
    if len(lists) != len(image_ids):
        return

    def n_fitting(of_images: Iterable[Sequence[Any]]) -> int:
        return n_keeping([[text for text in map(_reference, _classes(found)) if text] for found in of_images])

    as_sorted, as_listed = n_fitting(entries), n_fitting([classes] for classes in lists)
    if is_clearly_more(as_listed, as_sorted):
        raise DatasetError(
            f"{path}: a list is taken in the order of the sorted image names, but its entries fit the order of the "
            f"image list: read so, {as_listed:,} images keep their original label, as sorted {as_sorted:,}; "
            "give an object from image name to classes"
        )


def _require_distinct(names: Sequence[str], where: str) -> None:
    """Refuse names that differ only in their ending. The same name twice is handled elsewhere."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(without_image_suffix(name), name)
        if other != name:
            raise DatasetError(
                f"{where}: {other!r} and {name!r} differ only in their ending, so labels cannot be paired without it; "
                "use the same full names on both sides"
            )
