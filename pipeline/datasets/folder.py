"""Images from a folder: one sub-folder a class (an `ImageFolder`), or flat files named by their class."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.folder_order import FolderOrder, sorted_in
from pipeline.datasets.records import ImageRecord, SkippedRow
from pipeline.errors import DatasetError
from pipeline.images.locations import has_image_suffix, is_url, natural_key
from pipeline.project.class_references import ClassNumbers, read_class_references
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import settled, settled_all
from pipeline.project.notices import tell


def walk_files(root: str) -> Iterator[str]:
    """Yield every file below a local folder or URL, relative to it, in natural order; hidden ones are left out.

    Raises
    ------
    DatasetError
        If there is no such folder.
    """
    if is_url(root):
        yield from _walk_url(root)
        return
    if Path(root).is_file():
        raise DatasetError(f"{root}: neither a folder of images nor a manifest (.csv, .tsv or .parquet)")
    if not Path(root).is_dir():
        raise DatasetError(f"{root}: no such folder of images")
    yield from _walk_local(root, "")


def class_folders(root: str) -> list[str]:
    """Return what the sub-folders that hold images are called, in natural order; names that look alike are one."""
    found = {path.split("/", 1)[0] for path in walk_files(root) if "/" in path and has_image_suffix(path)}
    return sorted(set(settled_all(found, "class", root).values()), key=natural_key)


def folder_records(
    root: str, space: LabelSpace, numbers: ClassNumbers = "auto", order: FolderOrder = "natural"
) -> Iterator[ImageRecord | SkippedRow]:
    """Yield the images of a folder, with their original labels.

    In a tree the first sub-folder names the class, by its key or by a number
    (:mod:`pipeline.project.class_references`). Files directly in the folder are labelled by their own name
    (`<class key>.jpg`) if any of them is named so, and have no label otherwise.

    Parameters
    ----------
    root
        Local folder or fsspec URL.
    space
        The label space.
    numbers
        How folders that are called by numbers are read.
    order
        In which they come.
    """
    folders = {path.split("/", 1)[0]: "" for path in walk_files(root) if "/" in path and has_image_suffix(path)}
    folders = {name: settled(name) for name in folders}
    reading = read_class_references(set(folders.values()), space, f"{root}, class folders", numbers)
    if reading.told and not all(name in space for name in folders.values()):
        tell(reading.told)
    flat_is_labelled: bool | None = None
    paths = walk_files(root)
    for path in paths if order == "natural" else sorted_in(order, paths):
        image_id = settled(path)
        if not has_image_suffix(path):
            yield SkippedRow(image_id, path, "not an image: its name does not end like one")
            continue
        if "/" in path:
            key = folders[path.split("/", 1)[0]]
            index = reading.index_of.get(key)
        else:
            if flat_is_labelled is None:
                flat_is_labelled = _has_class_named_files(root, space)
            if not flat_is_labelled:
                yield ImageRecord(image_id, path, None)
                continue
            key = settled(posixpath.splitext(path)[0])
            index = space.index_of(key) if key in space else None
        if index is None:
            yield SkippedRow(image_id, path, f"unknown class {key!r}: it is not in {space.name}")
            continue
        yield ImageRecord(image_id, path, index)


def _has_class_named_files(root: str, space: LabelSpace) -> bool:
    flat = (path for path in walk_files(root) if "/" not in path)
    return any(settled(posixpath.splitext(path)[0]) in space for path in flat if has_image_suffix(path))


def _walk_local(root: str, folder: str) -> Iterator[str]:
    with os.scandir(Path(root) / folder) as entries:
        found = [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    for name, is_folder in sorted(found, key=lambda entry: natural_key(entry[0])):
        path = f"{folder}/{name}" if folder else name
        if is_folder:
            yield from _walk_local(root, path)
        else:
            yield path


def _walk_url(root: str) -> Iterator[str]:
    import fsspec

    try:
        filesystem, base = fsspec.core.url_to_fs(root)
        found = filesystem.find(base)
    except (OSError, ImportError, ValueError) as error:
        raise DatasetError(f"{root}: cannot be listed: {error}") from error
    if not found:
        raise DatasetError(f"{root}: no such folder of images, or an empty one")
    prefix = base.rstrip("/") + "/"
    paths = (path.removeprefix(prefix) for path in found)
    visible = (path for path in paths if not any(part.startswith(".") for part in path.split("/")))
    yield from sorted(visible, key=natural_key)
