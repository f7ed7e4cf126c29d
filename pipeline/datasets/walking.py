"""Every file below a folder, and what is left out on the way, with the reason."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DatasetError, in_plain_words
from pipeline.images.locations import natural_key
from pipeline.images.remote import is_url, opened_url

#: Folders that network storage, Windows and macOS add among people's own, in lower case.
_OF_THE_SYSTEM = frozenset(
    {
        "@eadir", "@tmp", "#recycle", "#snapshot",  # Synology
        "@recycle", "@recently-snapshot", "@__thumb",  # QNAP
        "$recycle.bin", "system volume information", "__macosx", "lost+found",
    }
)  # fmt: skip
_LEFT_OUT = "a folder of the storage or the system, not of the data set: left out"


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or something that is left out.

    Parameters
    ----------
    path
        Path below the folder, as the file system spells it. Bytes that are not UTF-8 are escaped.
    name
        The same path with `/` between folders, even if a zip made on Windows left backslashes in file names.
    reason
        Why it is left out; empty for a file.
    """

    path: str
    name: str
    reason: str = ""


def walk(root: str) -> Iterator[Found]:
    """Yield every file below a local folder or URL in natural order; what is left out is yielded, too, in its place.

    Hidden files and folders are left out silently. Links to folders are followed, except those that lead back to a
    folder that contains them.

    Raise `DatasetError` if there is no such folder, or a folder in it may not be read.
    """
    if is_url(root):
        yield from _walk_url(root)
        return
    if Path(root).is_file():
        raise DatasetError(
            f"{root}: neither a folder of images nor a manifest (.csv, .tsv or .parquet); "
            "give one of them with --images"
        )
    if not Path(root).is_dir():
        raise DatasetError(f"{root}: no such folder of images")
    yield from _walk_local(root, "", (os.path.realpath(root),))


def walk_files(root: str) -> Iterator[str]:
    """Yield only the files that :func:`walk` finds, as the file system spells them."""
    return (found.path for found in walk(root) if not found.reason)


def _walk_local(root: str, folder: str, above: tuple[str, ...]) -> Iterator[Found]:
    try:
        with os.scandir(Path(root) / folder) as entries:
            visible = [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise DatasetError(in_plain_words(error, Path(root) / folder)) from error
    for entry in sorted(visible, key=lambda entry: natural_key(entry.name)):
        path = f"{folder}/{entry.name}" if folder else entry.name
        if not entry.is_dir():
            yield _file(path, entry)
        elif entry.name.lower() in _OF_THE_SYSTEM:
            yield Found(path, path, _LEFT_OUT)
        else:
            real = os.path.realpath(entry.path) if entry.is_symlink() else f"{above[-1]}/{entry.name}"
            if real in above:
                yield Found(path, path, "a link to a folder that it lies in itself: not followed")
            else:
                yield from _walk_local(root, path, (*above, real))


def _file(path: str, entry: os.DirEntry[str]) -> Found:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    if shown != path:
        return Found(shown, shown, "its name is not in UTF-8: rename it, with `convmv -f latin1 -t utf8` for instance")
    if not entry.is_file() and not entry.is_symlink():  # a broken link is reported when it is opened
        return Found(path, path, "neither a file nor a folder: left out")
    return Found(path, path if os.sep == "\\" else path.replace("\\", "/"))


def _walk_url(root: str) -> Iterator[Found]:
    found: list[str] = []
    with opened_url(root, "cannot be listed") as (filesystem, base), suppress(FileNotFoundError):
        found = filesystem.find(base)
    if not found:
        raise DatasetError(f"{root}: no such folder of images, or an empty one")
    prefix = base.rstrip("/") + "/"
    paths = (path.removeprefix(prefix) for path in found)
    visible = (path for path in paths if not any(part.startswith(".") for part in path.split("/")))
    for path in sorted(visible, key=natural_key):
        is_left_out = any(part.lower() in _OF_THE_SYSTEM for part in path.split("/")[:-1])
        yield Found(path, path, _LEFT_OUT if is_left_out else "")
