"""Images from a folder: one sub-folder a class (an `ImageFolder`), or flat files named by their class."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.records import ImageRecord, SkippedRow
from pipeline.errors import DatasetError
from pipeline.images.locations import has_image_suffix, is_url, natural_key
from pipeline.project.label_space import LabelSpace


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
    """Return the names of the sub-folders that hold images, in natural order."""
    found = {path.split("/", 1)[0] for path in walk_files(root) if "/" in path and has_image_suffix(path)}
    return sorted(found, key=natural_key)


def folder_records(root: str, space: LabelSpace) -> Iterator[ImageRecord | SkippedRow]:
    """Yield the images of a folder, with their original labels.

    In a tree the first sub-folder names the class. Files directly in the folder are labelled by their own name
    (`<class key>.jpg`) if any of them is named so, and have no label otherwise.

    Parameters
    ----------
    root
        Local folder or fsspec URL.
    space
        The label space.
    """
    flat_is_labelled: bool | None = None
    for path in walk_files(root):
        if not has_image_suffix(path):
            yield SkippedRow(path, path, "not an image: its name does not end like one")
            continue
        if "/" in path:
            key = path.split("/", 1)[0]
        else:
            if flat_is_labelled is None:
                flat_is_labelled = _has_class_named_files(root, space)
            if not flat_is_labelled:
                yield ImageRecord(path, path, None)
                continue
            key = posixpath.splitext(path)[0]
        if key not in space:
            yield SkippedRow(path, path, f"unknown class {key!r}: it is not in {space.name}")
            continue
        yield ImageRecord(path, path, space.index_of(key))


def _has_class_named_files(root: str, space: LabelSpace) -> bool:
    flat = (path for path in walk_files(root) if "/" not in path)
    return any(posixpath.splitext(path)[0] in space for path in flat if has_image_suffix(path))


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
