"""Group commit: saves that arrive together share one transaction, and so one wait for the disk.

One thread appends. While it waits for a commit, the next saves gather; they are the next transaction. A save is
acknowledged after the commit that holds it, never before.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.annotation.events import Event
from pipeline.annotation.session import SaveResult
from pipeline.errors import StoreError
from pipeline.store import SqlStore

_MAX_EVENTS_AT_ONCE = 2_000
_MAX_WAITING = 5_000


@dataclass(frozen=True, slots=True)
class _Save:
    events: Sequence[Event]
    result: Future[list[SaveResult]]


class GroupWriter:
    """Appends to a store from one thread.

    Parameters
    ----------
    store
        Where events go.
    on_commit
        Called in the writer's thread with the number of saves that shared a transaction.
    """

    def __init__(self, store: SqlStore, on_commit: Callable[[int], None] = lambda _n: None) -> None:
        self._store = store
        self._on_commit = on_commit
        self._waiting: queue.Queue[_Save | None] = queue.Queue(_MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def append(self, events: Sequence[Event]) -> Future[list[SaveResult]]:
        """Queue events for the next transaction.

        Returns
        -------
        Future of list of SaveResult
            As `SqlStore.append` answers, once committed; or its `StoreError`.

        Raises
        ------
        StoreError
            If thousands of saves are waiting already.
        """
        save = _Save(events, Future())
        # It is under way from here on: a caller who has gone cannot cancel it, and so end the thread that answers.
        save.result.set_running_or_notify_cancel()
        try:
            self._waiting.put_nowait(save)
        except queue.Full:
            raise StoreError(f"{_MAX_WAITING} saves are waiting for the store; send it again in a moment") from None
        return save.result

    def close(self) -> None:
        """Finish what is queued, and stop."""
        self._waiting.put(None)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        is_open = True
        while is_open:
            first = self._waiting.get()
            if first is None:
                return
            group = [first]
            n_events = len(first.events)
            while n_events < _MAX_EVENTS_AT_ONCE:
                try:
                    save = self._waiting.get_nowait()
                except queue.Empty:
                    break
                if save is None:
                    is_open = False
                    break
                group.append(save)
                n_events += len(save.events)
            self._commit(group)

    def _commit(self, group: Sequence[_Save]) -> None:
        try:
            results = self._store.append([event for save in group for event in save.events])
        except Exception as error:  # noqa: BLE001 - the writer must outlive every failure, and each save hear of it
            self._answer_failure(group, error)
            return
        self._on_commit(len(group))
        start = 0
        for save in group:
            save.result.set_result(results[start : start + len(save.events)])
            start += len(save.events)

    def _answer_failure(self, group: Sequence[_Save], error: Exception) -> None:
        if len(group) == 1 or isinstance(error.__cause__, sa.exc.OperationalError | sqlite3.Error):
            for save in group:
                save.result.set_exception(error)
            return
        for save in group:  # one save that the database cannot take must not fail the others
            self._commit([save])
