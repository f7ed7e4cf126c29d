"""Watching the store while the service runs: that it is intact, and that it holds every acknowledged event."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from pipeline.errors import StoreError
from pipeline.service.logs import LOGGER, log
from pipeline.store import SqlStore
from pipeline.store.standing import read_mark, write_mark

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

    Raises
    ------
    StoreError
        If the store is damaged, or lacks an event that was acknowledged.
    """

    def __init__(self, store: SqlStore, folder: Path, check_every_s: float = _CHECK_EVERY_S) -> None:
        self._store = store
        self._folder = folder
        self._marked_s = 0.0
        store.check_standing(read_mark(folder))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(check_every_s,), name="store-watch", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """Mark the last event that was written, at most once a second; called after each commit."""
        now = time.monotonic()
        if now - self._marked_s >= _MARK_EVERY_S:
            self._marked_s = now
            self._keep_mark()

    def close(self) -> None:
        """Stop checking, and keep the last mark."""
        self._closing.set()
        self._thread.join(timeout=30)
        self._keep_mark()

    def _keep_mark(self) -> None:
        if not self._store.last.seq:
            return
        try:
            write_mark(self._folder, self._store.last)
        except OSError as error:  # the votes are in the store: failing to keep a mark must not hold them up
            log("mark not kept", reason=str(error))

    def _run(self, check_every_s: float) -> None:
        while not self._closing.wait(check_every_s):
            try:
                self._store.check_standing()
            except StoreError:
                LOGGER.exception("the store is in doubt")
