"""Changing several files of a project as one: a stop at any moment leaves the project as it was, or wholly changed.

New files are made in `.change/` first. Then one small file, the journal, names them all: it is written in one step, and
from that moment the change counts. Moving the files into place comes after it, and whoever opens the project next
finishes that where it was cut off.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import ProjectError, in_plain_words
from pipeline.project.history import HISTORY_FILE, Change, next_change
from pipeline.project.writing import put_in_place, write_text

CHANGE_FOLDER = ".change"
#: What the store is still to be told about the newest change (:mod:`pipeline.store.pending`).
PENDING_FILE = "pending.json"
_JOURNAL = "journal.json"
_FILES = "files"
_LOCK = ".change.lock"


class FileChange:
    """A change in the making; nothing of it shows until :meth:`commit`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: list[str] = []

    def path(self, name: str) -> Path:
        """Return where to write the new content of a file of the project, named by its path within it."""
        if name not in self._files:
            self._files.append(name)
        path = self.root / CHANGE_FOLDER / _FILES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def scratch(self, name: str) -> Path:
        """Return a path for what is needed on the way and not kept."""
        path = self.root / CHANGE_FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def commit(
        self, what: str, detail: Mapping[str, Any], by: str = "", pending: Mapping[str, Any] | None = None
    ) -> Change:
        """Make the change count, with a line in the history, and move its files into place.

        Parameters
        ----------
        what, detail, by
            As for :func:`pipeline.project.history.next_change`.
        pending
            What the store is still to be told (:mod:`pipeline.store.pending`).
        """
        change, history = next_change(self.root, what, detail, by)
        self.path(HISTORY_FILE).write_text(history, encoding="utf-8")
        if pending is not None:
            described = {**pending, "change": change.number, "seal": change.seal}
            self.path(PENDING_FILE).write_text(json.dumps(described), encoding="utf-8")
        for name in self._files:
            _put_on_disk(self.path(name))
        write_text(self.root / CHANGE_FOLDER / _JOURNAL, json.dumps({"files": self._files}))
        _move_into_place(self.root)
        return change


def note_change(root: Path, what: str, detail: Mapping[str, Any], by: str = "") -> Change:
    """Note in the history a change that was made in the store; the parameters are those of `next_change`."""
    with changing(root, wait=True) as files:
        return files.commit(what, detail, by)


@contextmanager
def changing(root: Path, *, wait: bool = False) -> Iterator[FileChange]:
    """Begin a change of a project's files; leaving without :meth:`FileChange.commit` leaves the project as it was.

    With `wait`, another change that is under way is waited for.

    Raise `ProjectError` if another change is under way, or the folder cannot be written to.
    """
    with _locked(root, "another change of this project is under way; wait for it to end", wait=wait):
        _finish(root)
        shutil.rmtree(root / CHANGE_FOLDER, ignore_errors=True)
        try:
            yield FileChange(root)
        finally:
            if not (root / CHANGE_FOLDER / _JOURNAL).exists():
                shutil.rmtree(root / CHANGE_FOLDER, ignore_errors=True)


def finish_change(root: Path) -> None:
    """Finish a change that counts and was cut off before all of its files were in place; quick where there is none.

    Raise `ProjectError` if there is one, and this process may not write to the project's folder.
    """
    if not (root / CHANGE_FOLDER / _JOURNAL).exists():
        return
    with _locked(root, "", wait=True):
        _finish(root)


def _finish(root: Path) -> None:
    if (root / CHANGE_FOLDER / _JOURNAL).exists():
        _move_into_place(root)


def _move_into_place(root: Path) -> None:
    folder = root / CHANGE_FOLDER
    journal = folder / _JOURNAL
    for name in json.loads(journal.read_text(encoding="utf-8"))["files"]:
        staged = folder / _FILES / name
        if staged.exists():  # otherwise it was moved before the process was cut off
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            put_in_place(staged, root / name)
    journal.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _put_on_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _locked(root: Path, busy: str, *, wait: bool) -> Iterator[None]:
    try:
        lock = os.open(root / _LOCK, os.O_CREAT | os.O_RDWR, 0o666)
    except OSError as error:
        raise ProjectError(
            f"{in_plain_words(error, root)}; a change of this project is made, or finished, by somebody who may write "
            "to its folder"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise ProjectError(f"{root}: {busy}") from error
        yield
    finally:
        os.close(lock)
