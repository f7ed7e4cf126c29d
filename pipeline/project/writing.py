"""Files that are there whole or not at all, even when the power fails: one way to write them.

Everything is written beside its place under another name, put on disk, and only then takes the place of what was there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ENDING = ".partial"


@contextmanager
def whole_file(path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Give the path to write to instead; what was written there takes the place of `path` at the end.

    Where writing fails, `path` stays as it was and nothing is left beside it.

    Parameters
    ----------
    path
        Where the file shall lie. Its folder exists.
    mode
        Who may read it, from the moment it is made; the process's own mask is taken off.
    """
    unfinished = path.with_name(f".{path.name}{_ENDING}")
    unfinished.unlink(missing_ok=True)
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
        yield unfinished
        put_in_place(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Write a text file, in UTF-8; parameters as :func:`whole_file` has them."""
    with whole_file(path, mode=mode) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def put_in_place(finished: Path, path: Path) -> None:
    """Give a file that has been written its final name, once its content is on disk."""
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    finished.replace(path)
    with suppress(OSError):  # some mounted file systems cannot sync a folder; the content is safe without
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def is_unfinished(name: str) -> bool:
    """Return whether a file of this name was being written when the process ended."""
    return name.startswith(".") and name.endswith(_ENDING)
