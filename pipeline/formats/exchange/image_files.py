"""The files of images that go along with labels: their sizes, and links to them in a folder that is exported."""

from __future__ import annotations

import posixpath
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from pipeline.errors import DatasetError
from pipeline.images.locations import open_location
from pipeline.images.remote import is_url
from pipeline.images.within import file_of


def size_of(location: str | None) -> tuple[int, int] | None:
    """Return the width and height in pixels that a local image's header tells; None where it cannot be read."""
    if location is None or is_url(location):
        return None
    try:
        with open_location(location) as file, Image.open(file) as image:
            return image.size
    except (DatasetError, OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def link_into(folder: Path, location: str | None, name: str) -> str | None:
    """Put a link to an image into a folder under its own name, and return its path there; None where there is no file.

    An image inside a larger file is written out.

    What was there under this name is replaced if it is a link, and left if it is the file of somebody.
    """
    if location is None or is_url(location) or not Path(file_of(location)).exists():
        return None
    relative = posixpath.normpath(name).lstrip("/")
    if relative.startswith("../"):
        relative = posixpath.basename(relative)
    path = folder / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    if path.exists():
        return relative
    if file_of(location) == location:
        path.symlink_to(Path(location).resolve())
    else:  # nothing can be a link to a part of a file
        with open_location(location) as file:
            path.write_bytes(file.read())
    return relative
