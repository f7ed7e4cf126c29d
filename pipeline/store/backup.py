"""Copy a project while people work on it, and restore a project from a copy.

A backup is a project folder like any other. Its store is one SQLite file, whatever the store was before, so it can be
opened on any machine. The copy shows the store at one moment, with every vote that was acknowledged before it began.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from pipeline.errors import ProjectError, StoreError, in_plain_words
from pipeline.project.folder import SETTINGS_FILE, Project, open_project
from pipeline.project.settings import write_settings
from pipeline.project.writing import is_unfinished
from pipeline.store.engine import first_line, open_engine
from pipeline.store.tables import annotators, events, states, tasks

#: Folder of a backup with the state of the project's hub, which is no part of the project.
HUB_FOLDER = "hub-state"
_STORE_FILE = "store.sqlite"
#: What SQLite keeps beside a file that was not closed: commits that are not in it yet, or what a rollback needs.
_BESIDE_A_STORE = ("-wal", "-journal")
_COPY_TRIES = 5
_CHUNK = 5_000
_PAGES_A_STEP = 2_000
_TABLES = (annotators, tasks, events, states)


@dataclass(frozen=True, slots=True)
class BackupSummary:
    """A backup: its folder, its number of events, and its size in bytes."""

    folder: Path
    n_events: int
    n_bytes: int


def back_up(project: Project, destination: str | Path) -> BackupSummary:
    """Copy a project and its store while it is in use.

    Parameters
    ----------
    project
        An open project. Images and examples outside its folder stay where they are.
    destination
        A new folder. It appears whole or not at all.

    Raises
    ------
    ProjectError
        If the destination exists, or lies inside the project.
    StoreError
        If the store cannot be read, or the disk is full. In that case no folder is left behind.
    """
    return _copy_project(project, destination, lambda target: _copy_store(project, target))


def restore(backup: str | Path, destination: str | Path, store_url: str = "") -> BackupSummary:
    """Make a project from a backup.

    Parameters
    ----------
    backup
        The folder of a backup. Nothing is written there, so it may be on a read-only medium.
    destination
        A new folder. It appears whole or not at all.
    store_url
        SQLAlchemy URL of an empty database for the store. If left out, the store is the project's own SQLite file.

    Raises
    ------
    ProjectError
        If `backup` is not a backup, or the destination exists.
    StoreError
        If the backup's store is damaged or being written to, or the database already holds events.
    """
    source = open_project(backup)
    _check_is_backup(source)
    summary = _copy_project(source, destination, lambda target: _copy_resting_store(source.root / _STORE_FILE, target))
    if not store_url:
        return summary
    restored = open_project(summary.folder)
    try:
        _fill(restored, store_url)
    except StoreError:
        shutil.rmtree(summary.folder)  # our own copy; left here, it would block the next try
        raise
    write_settings(restored.settings.with_changes("store", url=store_url), restored.root / SETTINGS_FILE)
    (restored.root / _STORE_FILE).unlink()
    return summary


def _copy_project(project: Project, destination: str | Path, copy_store: Callable[[Path], int]) -> BackupSummary:
    """Copy the folder to a new one; `copy_store` writes the store's file at a path and returns its number of events."""
    target = Path(destination).expanduser().resolve()
    if target.exists():
        raise ProjectError(f"{target} exists already; name a new folder")
    if target.is_relative_to(project.root.resolve()):
        raise ProjectError(f"{target} lies inside {project.root}; name a folder elsewhere, best on another disk")
    building = target.with_name(target.name + ".new")
    _remove(building)
    try:
        building.mkdir(mode=0o700, parents=True)  # private until it gets the project's own mode
        _copy_files(project.root, building)
        n_events = copy_store(building / _STORE_FILE)
        settings = project.settings.with_changes("store", url="").with_changes(
            "project", images_root=project.images_root, examples_root=project.examples_root
        )
        write_settings(settings, building / SETTINGS_FILE)
        building.rename(target)
    except OSError as error:
        raise StoreError(
            f"the copy to {target} failed, and nothing is left of it: {in_plain_words(error, target)}"
        ) from error
    finally:
        _remove(building)
    return BackupSummary(target, n_events, sum(path.stat().st_size for path in target.rglob("*") if path.is_file()))


def _copy_files(root: Path, target: Path) -> None:
    def skipped(_folder: str, names: list[str]) -> set[str]:
        return {n for n in names if n.startswith(_STORE_FILE) or is_unfinished(n) or n == HUB_FOLDER}

    shutil.copytree(root, target, ignore=skipped, symlinks=True, dirs_exist_ok=True)
    _let_owner_write(target)


def _let_owner_write(folder: Path) -> None:
    """Let the owner change what was copied from a read-only medium."""
    for path in (folder, *folder.rglob("*")):
        needed = 0o700 if path.is_dir() else 0o200
        if not path.is_symlink() and path.stat().st_mode & needed != needed:
            path.chmod(path.stat().st_mode & 0o777 | needed)


def _remove(folder: Path) -> None:
    if folder.is_symlink():  # what it points to is not ours
        with suppress(OSError):
            folder.unlink()
    elif folder.is_dir():
        _let_owner_write(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _copy_store(project: Project, target: Path) -> int:
    url = sa.make_url(project.store_url)
    is_file = url.get_backend_name() == "sqlite"
    if is_file:
        open_engine(project.store_url).dispose()  # the copy has today's schema
    # Give it the permissions of the store's file. What a database kept behind a password is for its owner alone.
    target.touch(mode=0o600)
    target.chmod(Path(str(url.database)).stat().st_mode & 0o777 if is_file else 0o600)
    if is_file:
        _copy_sqlite(Path(str(url.database)), target)
    else:
        _copy_tables(open_engine(project.store_url), open_engine(f"sqlite:///{target}"))
    return _finish(target)


def _copy_resting_store(source: Path, target: Path) -> int:
    """Copy a store that is not in use, and open only the copy: SQLite writes files beside whatever it opens."""
    for _ in range(_COPY_TRIES):
        before = _fingerprint(source)
        for ending in ("", *_BESIDE_A_STORE):
            beside, copy = source.with_name(source.name + ending), target.with_name(target.name + ending)
            copy.unlink(missing_ok=True)
            if beside.exists():
                copy.touch(mode=0o600)
                shutil.copyfile(beside, copy)
        if _fingerprint(source) == before:
            break
    else:
        raise StoreError(f"{source} is being written to; copy it with `mlf backup` while people work on it")
    _check_whole(target, source)
    open_engine(f"sqlite:///{target}").dispose()  # the copy has today's schema
    target.chmod(source.stat().st_mode & 0o777 | 0o600)
    return _finish(target)


def _fingerprint(store: Path) -> list[tuple[int, int] | None]:
    """Return the sizes and times of a store's files, which change when somebody writes."""
    files = (store.with_name(store.name + ending) for ending in ("", *_BESIDE_A_STORE))
    return [(file.stat().st_size, file.stat().st_mtime_ns) if file.exists() else None for file in files]


def _finish(copy_path: Path) -> int:
    """Bring all of a copied store into one file; return how many events it has."""
    with closing(sqlite3.connect(copy_path)) as copy:
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(copy.execute("SELECT count(*) FROM events").fetchone()[0])


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy with SQLite's online backup: writers go on, and the copy shows one moment (sqlite.org/backup.html)."""
    try:
        with closing(sqlite3.connect(source, timeout=30)) as live, closing(sqlite3.connect(target)) as copy:
            # A read transaction fixes the moment. Without it, every write by another process would restart the copy.
            live.execute("BEGIN")
            live.execute("SELECT count(*) FROM sqlite_master").fetchone()
            live.backup(copy, pages=_PAGES_A_STEP, sleep=0)
    except sqlite3.Error as error:
        raise StoreError(f"the store could not be copied: {error}; nothing is left of the backup") from error


def _copy_tables(source: sa.Engine, target: sa.Engine) -> None:
    """Copy all rows in one snapshot of the source."""
    is_postgres = source.dialect.name == "postgresql"
    try:
        reader = source.execution_options(
            mlf_reader=True, **({"isolation_level": "REPEATABLE READ"} if is_postgres else {})
        )
        with reader.connect() as live, target.begin() as copy:
            for table in _TABLES:
                for rows in _row_groups(live, table):
                    copy.execute(table.insert(), rows)
            if target.dialect.name == "postgresql":
                # The rows kept their `seq`; the next event must come after them.
                copy.execute(
                    sa.text(
                        "SELECT setval(pg_get_serial_sequence('events', 'seq'), "
                        "greatest((SELECT coalesce(max(seq), 0) FROM events), 1), "
                        "EXISTS (SELECT 1 FROM events))"
                    )
                )
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"the store could not be copied: {first_line(error)}") from error
    finally:
        source.dispose()
        target.dispose()


def _row_groups(connection: sa.Connection, table: sa.Table) -> Iterator[list[dict[str, object]]]:
    rows = connection.execution_options(yield_per=_CHUNK).execute(sa.select(table).order_by(*table.primary_key.columns))
    for group in rows.partitions():
        yield [dict(row._mapping) for row in group]  # noqa: SLF001 - SQLAlchemy's public name


def _check_is_backup(backup: Project) -> None:
    if backup.settings.store.url or not (backup.root / _STORE_FILE).exists():
        raise ProjectError(
            f"{backup.root} is not a backup: it has no {_STORE_FILE}, or its store lies in another database; "
            "name a folder that `mlf backup` made"
        )


def _check_whole(copy: Path, source: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as store:
            verdict = store.execute("PRAGMA integrity_check").fetchone()[0]
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict != "ok":
        raise StoreError(f"{source} is damaged ({verdict}); take another backup")


def _fill(restored: Project, store_url: str) -> None:
    engine = open_engine(store_url)
    with engine.connect() as connection:
        n_rows = sum(connection.scalar(sa.select(sa.func.count()).select_from(t)) or 0 for t in (annotators, events))
    if n_rows:
        engine.dispose()
        raise StoreError("the database holds a project already; name an empty one to restore into")
    _copy_tables(open_engine(restored.store_url), engine)
