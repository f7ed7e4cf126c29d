"""Watching the store while the service runs: that it is intact, and that it holds every acknowledged event."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.service.logs import LOGGER, log
from pipeline.store import SqlStore
from pipeline.store.standing import MARK_FILE, read_mark, write_mark

_CHECK_EVERY_S = 600.0
_MARK_EVERY_S = 1.0


class StoreWatch:
    """Checks a store when the service starts and every ten minutes; keeps a mark of what was acknowledged.

    Parameters
    ----------
    store
        The open store; after a failed check it accepts nothing more.
    folder
        The project's folder, where the mark lies.
    check_every_s
        Seconds between two checks of all pages.
    is_shared
        Whether other processes acknowledge events of this store, too. Then the mark is of the last that any of them
        acknowledged, and each expects the store to hold it.

    Raises
    ------
    StoreError
        If the store is damaged, or lacks an event that was acknowledged.
    """

    def __init__(
        self, store: SqlStore, folder: Path, check_every_s: float = _CHECK_EVERY_S, *, is_shared: bool = False
    ) -> None:
        self._store = store
        self._folder = folder
        self._is_shared = is_shared
        self._marked_seq = 0
        self._kept = read_mark(folder)
        store.check_standing(self._kept)
        self._closing = threading.Event()
        # Apart: a check reads the whole file, and marks must not wait for that.
        self._marking = threading.Thread(target=self._mark, name="store-marks", daemon=True)
        self._checking = threading.Thread(target=self._check, args=(check_every_s,), name="store-watch", daemon=True)
        self._marking.start()
        self._checking.start()

    def close(self) -> None:
        """Stop checking, and keep the last mark."""
        self._closing.set()
        self._marking.join()
        self._checking.join(timeout=30)
        self._keep_mark()

    def _keep_mark(self) -> None:
        try:
            if self._is_shared:
                with _alone(self._folder):
                    self._keep_shared_mark()
                return
            last = self._store.last
            if last.seq != self._marked_seq:
                write_mark(self._folder, last)
                self._marked_seq = last.seq
        except (OSError, StoreError) as error:  # the votes are kept: failing to keep a mark must not hold them up
            log("mark not kept", reason=str(error))

    def _keep_shared_mark(self) -> None:
        last = self._store.last
        try:
            kept = read_mark(self._folder)
        except StoreError as error:  # written anew, or no process could start again
            log("mark not readable", reason=str(error))
            newest = max(self._kept, last, key=lambda mark: mark.seq)
            if newest.seq:
                write_mark(self._folder, newest)
            return
        self._kept = kept
        self._store.expect(kept)
        if kept.seq < last.seq:
            write_mark(self._folder, last)

    def _mark(self) -> None:
        # Here and not by whoever commits: a mark is put on disk, and saves would have to wait for that.
        while not self._closing.wait(_MARK_EVERY_S):
            self._keep_mark()

    def _check(self, check_every_s: float) -> None:
        while not self._closing.wait(check_every_s):
            try:
                self._store.check_standing()
            except StoreError:
                LOGGER.exception("the store is in doubt")
            except OSError as error:  # such as too many open files: the next check may succeed
                log("store not checked", reason=str(error))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from the mark: two that write it at once would take each other's unfinished file away."""
    lock = os.open(folder / f".{MARK_FILE}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
