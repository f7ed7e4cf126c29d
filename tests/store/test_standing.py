"""A store that is no longer the store acknowledges nothing."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.annotation.events import Event, EventKind
from pipeline.errors import StoreError
from pipeline.store import Assignment, SqlStore, open_store
from pipeline.store.standing import Mark, read_mark, write_mark
from pipeline.votes.words import Round


def vote(number: int) -> Event:
    return Event(
        f"event-{number:04}", Round.ANNOTATION, "ann", number % 3, EventKind.VOTE, {"class_index": 0, "vote": "yes"}
    )


def opened(path: Path) -> SqlStore:
    store = open_store(f"sqlite:///{path}", 3)
    store.add_annotators(["ann"])
    store.assign(Round.ANNOTATION, [Assignment("ann", image) for image in range(3)])
    return store


def older_copy(path: Path, folder: Path) -> Path:
    """Return a complete copy of the store as it was after two events."""
    store = opened(path)
    store.append([vote(0), vote(1)])
    store.close()
    return Path(shutil.copy(path, folder / "older.sqlite"))


def replaced(path: Path, older: Path) -> None:
    older.replace(path)


def overwritten(path: Path, older: Path) -> None:
    path.write_bytes(older.read_bytes())
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)


def overwritten_in_place(path: Path, older: Path) -> None:
    """Both files stay what they are; the write-ahead log is empty, as it is whenever its pages have been moved."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    path.write_bytes(older.read_bytes())


def without_its_log(path: Path, older: Path) -> None:
    path.with_name(path.name + "-wal").unlink()


def gone(path: Path, older: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("swap", [replaced, overwritten, overwritten_in_place, without_its_log, gone])
def test_nothing_is_acknowledged_after_the_file_was_swapped(tmp_path: Path, swap: Callable[[Path, Path], None]) -> None:
    path = tmp_path / "store.sqlite"
    older = older_copy(path, tmp_path)
    store = opened(path)
    store.append([vote(number) for number in range(2, 40)])
    swap(path, older)
    for number in (50, 51):
        with pytest.raises(StoreError, match="mlf store"):
            store.append([vote(number)])
    store.close()


def test_damaged_pages_are_found_and_stop_all_writing(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    store = opened(path)
    store.append([vote(number) for number in range(100)])
    store.close()
    store = opened(path)
    store.check_standing()
    content = bytearray(path.read_bytes())
    for start in range(4096 * 3, len(content) - 100, 4096):
        content[start : start + 100] = b"\xff" * 100
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        store.check_standing()
    with pytest.raises(StoreError, match="is damaged"):
        store.append([vote(200)])
    store.close()


def test_a_log_that_lacks_what_was_acknowledged_is_told_by_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    older = older_copy(path, tmp_path)
    store = opened(path)
    store.append([vote(2), vote(3)])
    mark = store.last
    assert mark == store.end_of_log() == Mark(4, mark.digest)
    write_mark(tmp_path, mark)
    store.close()
    replaced(path, older)
    again = opened(path)
    with pytest.raises(StoreError, match="lacks event 4, which was acknowledged: its log ends at event 2"):
        again.check_standing(read_mark(tmp_path))
    again.close()
    other = opened(tmp_path / "other.sqlite")
    other.append([vote(number) for number in range(10, 16)])
    with pytest.raises(StoreError, match="another event in its place"):
        other.check_standing(mark)
    other.close()


def test_a_folder_without_a_mark_has_an_empty_one_and_a_broken_mark_is_named(tmp_path: Path) -> None:
    assert read_mark(tmp_path) == Mark()
    (tmp_path / "store.mark").write_text("{")
    with pytest.raises(StoreError, match=r"store\.mark cannot be read"):
        read_mark(tmp_path)
