"""One way to write files so that they exist whole or not at all, even when the power fails.

Everything is first written under another name in the same folder and put on disk. Only then does it replace what was
there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ENDING = ".partial"


@contextmanager
def whole_file(path: Path, *, mode: int = 0o666) -> Iterator[Path]:
    """Give a temporary path to write to; what was written there replaces `path` at the end.

    If writing fails, `path` stays as it was and nothing is left beside it.

    Parameters
    ----------
    path
        Where the file goes. Its folder must exist.
    mode
        The file's permissions from the moment it is made, less the process's own umask.
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
    """Write a text file in UTF-8; the parameters are those of :func:`whole_file`."""
    with whole_file(path, mode=mode) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def put_in_place(finished: Path, path: Path) -> None:
    """Give a written file its final name once its content is on disk."""
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    finished.replace(path)
    with suppress(OSError):  # some mounted file systems cannot sync a folder; the content is safe without it
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def is_unfinished(name: str) -> bool:
    """Return whether a file of this name was being written when the process ended."""
    return name.startswith(".") and name.endswith(_ENDING)
