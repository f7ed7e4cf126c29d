"""Where an image is: a local path or a URL that `fsspec` understands, or a place inside such a file."""

from __future__ import annotations

import os
import posixpath
import re
import unicodedata
from collections.abc import Collection
from io import BytesIO
from pathlib import Path
from typing import IO

from pipeline.errors import DatasetError, in_plain_words
from pipeline.images.remote import is_url, opened_url, refuse_secret
from pipeline.images.within import at_once, file_of, place_within, read_within
from pipeline.project.names import settled

#: File name endings of images, in lower case.
IMAGE_SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".jfi", ".jif", ".pjpeg", ".pjp", ".mpo",
        ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
        ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx",
        ".avif", ".avifs", ".heic", ".heics", ".heif", ".heifs", ".hif",
    }
)  # fmt: skip
_DIGITS = re.compile(r"(\d+)")


def has_image_suffix(path: str) -> bool:
    """Tell whether a path ends like an image file."""
    return posixpath.splitext(path)[1].lower() in IMAGE_SUFFIXES


def without_image_suffix(name: str) -> str:
    """Return an image's name without its ending; a name that does not end like an image file stays as it is."""
    return posixpath.splitext(name)[0] if has_image_suffix(name) else name


def natural_key(path: str) -> tuple[tuple[tuple[tuple[int, int, str], ...], ...], str]:
    """Return a sort key that puts `img2` before `img10`, folder by folder. No two paths have the same key."""
    parts = tuple(
        tuple((0, int(chunk), "") if chunk.isdecimal() else (1, 0, chunk) for chunk in _DIGITS.split(part) if chunk)
        for part in path.split("/")
    )
    return parts, path


def join_location(root: str, path: str, folders: Collection[str] = ()) -> str:
    """Return the location of a file below `root`, or below one of further `folders`.

    Parameters
    ----------
    root
        A local folder or an fsspec URL.
    path
        Path relative to `root`, with `/` between folders; or an absolute one below one of the folders.
    folders
        Absolute folders and URLs.

    Raises
    ------
    DatasetError
        If the path is absolute, a URL, or climbs out of `root`: a manifest must not reach other files.
    """
    if any(is_below(path, folder) for folder in folders):
        return path
    normal = posixpath.normpath(path)
    if not path or posixpath.isabs(normal) or is_url(path) or normal == ".." or normal.startswith("../"):
        raise DatasetError(f"{path!r} leads out of {root or 'the data set'}; paths must be relative and stay below it")
    if not root:
        raise DatasetError(f"{path!r}: the project names no folder for it; set images_root in mlf.toml")
    if is_url(root):
        return f"{root.rstrip('/')}/{normal}"
    return str(Path(root) / normal)


def is_below(path: str, folder: str) -> bool:
    """Tell whether a location lies below a folder, without climbing out of it on the way."""
    return path.startswith(f"{folder.rstrip('/')}/") and ".." not in path.split("/")


def relative_location(location: str, root: str) -> str:
    """Return `location` relative to `root`, in one spelling for all ways to write it (`./x` is `x`).

    Raise `DatasetError` if it does not lie below `root`.
    """
    if is_url(location):
        prefix = root.rstrip("/") + "/"
        if not location.startswith(prefix):
            raise DatasetError(f"{location} lies outside of the images' root {root}; name another root")
        return posixpath.normpath(location.removeprefix(prefix))
    location = posixpath.normpath(location)
    if not Path(location).is_absolute():
        return location
    # A root that is a link has two names, and a manifest may use either.
    for known in () if is_url(root) else (Path(root), Path(root).resolve()):
        if Path(location).is_relative_to(known):
            return Path(location).relative_to(known).as_posix()
    raise DatasetError(f"{location} lies outside of the images' root {root}; name another root")


def absolute_location(location: str | Path) -> str:
    """Return a location that does not depend on the working directory: `~` and `..` are resolved, but links are not.

    A link's target may have another suffix and other neighbours, as in the caches of git-annex, DVC and Hugging Face.

    Raise `DatasetError` if it is the address of a store with a key in it.
    """
    text = str(location)
    if is_url(text):
        refuse_secret(text)
        return text.rstrip("/")
    path = Path(text).expanduser().absolute()
    return str(path.parent.resolve() / path.name if ".." in path.parts else path)


def same_image_key(image_id: str, path: str | None) -> str:
    """Return a key that is the same for two rows that name one image: its file, or its id if there is no file here.

    Parameters
    ----------
    image_id
        As the source spells it. An id that ends like an image file is taken as a path.
    path
        As :func:`relative_location` returns it.
    """
    return path or (posixpath.normpath(image_id) if has_image_suffix(image_id) else image_id)


def open_location(location: str) -> IO[bytes]:
    """Open a file for reading. One that is remote, or inside another, is fetched whole: image decoders seek in it.

    Raise `DatasetError` if it is missing or cannot be read.
    """
    try:
        place = place_within(location)
        if place is not None:
            return BytesIO(read_within(place))
        if not is_url(location):
            return open(location, "rb", opener=at_once)
        with opened_url(location) as (filesystem, path), filesystem.open(path, "rb") as file:
            return BytesIO(file.read())
    except FileNotFoundError as error:
        if Path(file_of(location)).is_symlink():
            fetch = "fetch it, with `git annex get` or `dvc pull` for instance"
            raise DatasetError(f"{location}: no such file: a link to one that is not there; {fetch}") from error
        raise DatasetError(f"{location}: no such file") from error
    except OSError as error:
        raise DatasetError(f"{location}: cannot be read: {in_plain_words(error)}") from error


def spelling_on_disk(path: str, root: str) -> str:
    """Return a manifest's path as the file system spells it, where the two differ in ways that people do not see.

    A zip unpacked from macOS has names in Unicode's normal form D; Windows writes backslashes between folders. A local
    path that exists as written is returned unchanged. If no spelling of it exists, it is returned settled, with `/`
    between folders.
    """
    if is_url(path) or is_url(root) or (path.isascii() and "\\" not in path and path == path.strip()):
        return path
    spellings = [path, path.strip(), settled(path)]
    spellings += [spelling.replace("\\", "/") for spelling in spellings]
    spellings += [unicodedata.normalize(form, spelling) for form in ("NFC", "NFD") for spelling in spellings]
    there = (spelling for spelling in spellings if os.path.lexists(Path(root) / spelling))
    return next(there, settled(path).replace("\\", "/"))
