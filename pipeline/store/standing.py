"""Is this still the same, whole store? Checks before a write is acknowledged, and before a service starts.

A database can be swapped under a running process: an older copy may overwrite it, its file may be replaced, its
write-ahead log deleted. Writes then succeed and are lost. Three checks reveal this. The file (and its write-ahead log)
at the path must be the one that was opened. The last event that this process wrote must still be in the log. And the
log must hold the *mark*, the last event that a service acknowledged; it is kept beside the store and outlives the
service.
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
    """An event that must be in the log: its `seq` and its digest (0 and empty for a log without events)."""

    seq: int = 0
    digest: str = ""


class StandingFile:
    """The file of a SQLite store, as it was when first looked at. Other databases guard their own files.

    SQLite deletes the write-ahead log when the last connection closes. So one is kept open here: if the
    log disappears or changes meanwhile, somebody else did it.
    """

    def __init__(self, engine: sa.Engine) -> None:
        database = engine.url.database
        is_file = engine.dialect.name == "sqlite" and database not in {None, "", ":memory:"}
        self.path = Path(database) if is_file and database else None
        self._anchor: sqlite3.Connection | None = None
        self._files: dict[Path, tuple[int, int] | None] = {}

    def hold(self) -> None:
        """Remember the files as they are now as the store's own; do nothing if they are held already.

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
        """Let go of the files. The next :meth:`hold` takes them as they are then."""
        if self._anchor is not None:
            self._anchor.close()
        self._anchor, self._files = None, {}

    def check(self) -> None:
        """Raise `StoreError` unless the files at the path are those that are held."""
        for path, held in self._files.items():
            found = _identity(path)
            if found != held:
                what = "was deleted" if found is None else "was replaced by another file"
                raise StoreError(f"{path.name} {what} while it was in use; {_WHAT_TO_DO}")

    def check_pages(self) -> None:
        """Raise `StoreError` if SQLite finds the file damaged. This reads the whole file and blocks nobody."""
        if self.path is None:
            return
        try:
            # A new connection: one that has been in use would answer from its cache.
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
        found = os.stat(path)  # noqa: PTH116 - called twice per commit, so as cheap as possible
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def check_mark(connection: sa.Connection, mark: Mark) -> None:
    """Raise `StoreError` unless the log contains the event of a mark, which was acknowledged."""
    if not mark.seq:
        return
    found = connection.scalar(_DIGEST_AT, {"seq": mark.seq})
    if found != mark.digest:
        last = connection.scalar(sa.select(sa.func.max(events.c.seq))) or 0
        what = f"its log ends at event {last:,}" if last < mark.seq else "it holds another event in its place"
        raise StoreError(f"the store lacks event {mark.seq:,}, which was acknowledged: {what}; {_WHAT_TO_DO}")


_DIGEST_AT = sa.select(events.c.digest).where(events.c.seq == sa.bindparam("seq"))


def read_mark(folder: Path) -> Mark:
    """Return the mark in a project's folder, or the mark of an empty log if there is none.

    Raise `StoreError` if the file is not a mark.
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
    """Write a mark to a project's folder, in one step; raise `OSError` if it cannot be written."""
    write_text(folder / MARK_FILE, json.dumps(asdict(mark)) + "\n")
