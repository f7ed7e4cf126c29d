"""Is the store still the store? What must hold before a write is acknowledged, and before a service starts.

A database can be swapped under a running process: an older copy laid over it, its file replaced, its write-ahead log
deleted. Writes then succeed and are lost. Three things tell: the file (and its log) at the path is the one that was
opened; the last event that this process wrote is still in the log; and beside the store lies a *mark*, the last event
that a service acknowledged, which outlives the service.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import StoreError
from pipeline.project.writing import write_text
from pipeline.store.tables import events

MARK_FILE = "store.mark"
_WHAT_TO_DO = (
    "nothing more is acknowledged. Stop the hub, look at both copies with `mlf store verify`, and put the right one "
    "back (`mlf restore`), join them (`mlf store merge`), or take the store as it is (`mlf store accept`)"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """An event that must be in the log: its `seq` and its digest; a log without events has none."""

    seq: int = 0
    digest: str = ""


class StandingFile:
    """A SQLite store's file, as it was when it was first looked at; other databases guard themselves.

    SQLite deletes the write-ahead log when the last connection closes. So one is kept open here, and a log that goes
    or changes meanwhile was taken away by somebody else.
    """

    def __init__(self, engine: sa.Engine) -> None:
        database = engine.url.database
        is_file = engine.dialect.name == "sqlite" and database not in {None, "", ":memory:"}
        self.path = Path(database) if is_file and database else None
        self._anchor: sqlite3.Connection | None = None
        self._files: dict[Path, tuple[int, int] | None] = {}

    def hold(self) -> None:
        """Take the files as they are now for the store's; does nothing where they are held already.

        Raises
        ------
        sqlite3.Error
            If the database cannot be read.
        """
        if self.path is None or self._anchor is not None:
            return
        anchor = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode=rw", uri=True, timeout=30, check_same_thread=False
        )
        try:
            anchor.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error:
            anchor.close()
            raise
        self._anchor = anchor
        self._files = {path: _identity(path) for path in self._paths()}

    def release(self) -> None:
        """Let go of the files: whoever opens the store next takes them as they are then."""
        if self._anchor is not None:
            self._anchor.close()
        self._anchor, self._files = None, {}

    def check(self) -> None:
        """Raise `StoreError` unless the files at the path are those that were held."""
        for path, held in self._files.items():
            found = _identity(path)
            if found != held:
                what = "was deleted" if found is None else "was replaced by another file"
                raise StoreError(f"{path.name} {what} while it was in use; {_WHAT_TO_DO}")

    def check_pages(self) -> None:
        """Raise `StoreError` if SQLite finds the file damaged; reads all of it, and blocks nobody."""
        if self.path is None:
            return
        try:
            # A connection of its own: one that has been in use would answer from its cache.
            with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as store:
                verdict = str(store.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                return
            verdict = str(error)
        except sqlite3.Error as error:
            verdict = str(error)
        if verdict != "ok":
            raise StoreError(f"{self.path.name} is damaged ({' '.join(verdict.split())}); {_WHAT_TO_DO}")

    def _paths(self) -> tuple[Path, ...]:
        return () if self.path is None else (self.path, self.path.with_name(self.path.name + "-wal"))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - twice a commit: as cheap as it gets
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def check_mark(connection: sa.Connection, mark: Mark) -> None:
    """Raise `StoreError` unless the log holds an event that was acknowledged."""
    if not mark.seq:
        return
    found = connection.scalar(sa.select(events.c.digest).where(events.c.seq == mark.seq))
    if found != mark.digest:
        last = connection.scalar(sa.select(sa.func.max(events.c.seq))) or 0
        what = f"its log ends at event {last:,}" if last < mark.seq else "it holds another event in its place"
        raise StoreError(f"the store lacks event {mark.seq:,}, which was acknowledged: {what}; {_WHAT_TO_DO}")


def read_mark(folder: Path) -> Mark:
    """Return the mark that lies in a project's folder; that of an empty log where none does.

    Raises
    ------
    StoreError
        If the file is not a mark.
    """
    path = folder / MARK_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Mark(int(content["seq"]), str(content["digest"]))
    except FileNotFoundError:
        return Mark()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path} cannot be read ({error}); `mlf store accept` writes it from the store") from error


def write_mark(folder: Path, mark: Mark) -> None:
    """Keep a mark in a project's folder, in one step.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    write_text(folder / MARK_FILE, json.dumps(asdict(mark)) + "\n")
