"""Images from a folder: one sub-folder per class (an `ImageFolder`), or flat files named by their class."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from pipeline.datasets.folder_order import FolderOrder, sorted_in
from pipeline.datasets.records import ImageRecord, SkippedRow
from pipeline.datasets.walking import Found, walk
from pipeline.images.kinds import why_no_image
from pipeline.images.locations import has_image_suffix, natural_key
from pipeline.project.class_references import ClassNumbers, read_class_references
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import settled, settled_all
from pipeline.project.notices import tell


def class_folders(root: str) -> list[str]:
    """Return the names of the sub-folders that hold images, in natural order; names that look alike count as one."""
    return sorted(set(settled_all(_class_folders(root), "class", root).values()), key=natural_key)


def folder_records(
    root: str, space: LabelSpace, numbers: ClassNumbers = "auto", order: FolderOrder = "natural"
) -> Iterator[ImageRecord | SkippedRow]:
    """Yield the images of a folder, with their original labels.

    In a tree, the first sub-folder names the class, by its key or by a number
    (:mod:`pipeline.project.class_references`). Files directly in the folder are labelled by their own names if any of
    them is named `<class key>.jpg`, and have no label otherwise.

    Parameters
    ----------
    root
        Local folder or fsspec URL.
    numbers
        How to read folder names that are numbers.
    order
        The order in which images are yielded.
    """
    folders = {name: settled(name) for name in _class_folders(root)}
    reading = read_class_references(set(folders.values()), space, f"{root}, class folders", numbers)
    if reading.told and not all(name in space for name in folders.values()):
        tell(reading.told)
    flat_is_labelled: bool | None = None
    n_from_windows = 0
    for found in _in_order(walk(root), order):
        path, name, image_id = found.path, found.name, settled(found.name)
        if found.reason or not has_image_suffix(name):
            yield SkippedRow(image_id, path, found.reason or why_no_image(name))
            continue
        n_from_windows += name != path
        if "/" in name:
            key = folders[name.split("/", 1)[0]]
            index = reading.index_of.get(key)
        else:
            if flat_is_labelled is None:
                flat_is_labelled = _has_class_named_files(root, space)
            if not flat_is_labelled:
                yield ImageRecord(image_id, path, None)
                continue
            key = settled(posixpath.splitext(name)[0])
            index = space.index_of(key) if key in space else None
        if index is None:
            yield SkippedRow(image_id, path, f"unknown class {key!r}: it is not in {space.name}")
            continue
        yield ImageRecord(image_id, path, index)
    if n_from_windows:
        tell(
            f"{root}: {n_from_windows:,} file names hold backslashes, as a zip made on Windows leaves them; "
            "they are read as folders"
        )


def _class_folders(root: str) -> list[str]:
    """Return the first sub-folder of every image, each once, as spelled."""
    names = (found.name for found in walk(root) if not found.reason)
    return list(dict.fromkeys(name.split("/", 1)[0] for name in names if "/" in name and has_image_suffix(name)))


def _in_order(walked: Iterator[Found], order: FolderOrder) -> Iterable[Found]:
    if order == "natural":
        return walked
    by_name = {found.name: found for found in walked}
    return [by_name[name] for name in sorted_in(order, by_name)]


def _has_class_named_files(root: str, space: LabelSpace) -> bool:
    flat = (found.name for found in walk(root) if "/" not in found.name and not found.reason)
    return any(settled(posixpath.splitext(path)[0]) in space for path in flat if has_image_suffix(path))
