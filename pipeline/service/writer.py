"""Group commit: saves that arrive together share one transaction, and so one wait for the disk.

One thread appends. While it waits for a commit, the next saves gather; they form the next transaction. A save is
acknowledged after the commit that holds it, never before.

People take turns: a transaction takes only so many events from each, so that whoever sends endlessly delays only
themselves.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import sqlalchemy as sa

from pipeline.annotation.events import Event
from pipeline.annotation.session import SaveResult
from pipeline.errors import StoreError
from pipeline.store import SqlStore

_MAX_EVENTS_AT_ONCE = 2_000
_MAX_EVENTS_A_TURN = 100
#: Most saves that may wait: of everybody together, and of one person, who thus cannot fill the queue alone.
_MAX_WAITING = 5_000
_MAX_WAITING_EACH = 200


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
        #: Waiting saves by person, whoever has waited longest first.
        self._waiting: OrderedDict[str, deque[_Save]] = OrderedDict()
        self._n_waiting = 0
        self._is_open = True
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def append(self, events: Sequence[Event], who: str = "") -> Future[list[SaveResult]]:
        """Queue events for one of the next transactions.

        Parameters
        ----------
        events
            All events of one save.
        who
            Whose they are; each person has a turn in every transaction.

        Returns
        -------
        Future of list of SaveResult
            What `SqlStore.append` returns, once committed; or its `StoreError`.

        Raises
        ------
        StoreError
            If hundreds of this person's saves are already waiting, or thousands of everybody's.
        """
        save = _Save(events, Future())
        # Marked as running from the start: if a caller who left could cancel it, setting its result would raise and
        # end the thread.
        save.result.set_running_or_notify_cancel()
        with self._news:
            own = self._waiting.get(who, ())
            if len(own) >= _MAX_WAITING_EACH or self._n_waiting >= _MAX_WAITING:
                raise StoreError(
                    f"{max(len(own), self._n_waiting)} saves are waiting for the store; send it again in a moment"
                )
            self._waiting.setdefault(who, deque()).append(save)
            self._n_waiting += 1
            self._news.notify()
        return save.result

    def close(self) -> None:
        """Finish what is queued, and stop."""
        with self._news:
            self._is_open = False
            self._news.notify()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while group := self._next_group():
            self._commit(group)

    def _next_group(self) -> list[_Save]:
        """Wait for saves, and return those of the next transaction; none at the end."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or not self._is_open)
            group: list[_Save] = []
            n_events = 0
            for who in list(self._waiting):
                if n_events >= _MAX_EVENTS_AT_ONCE:
                    break
                turn = self._turn(self._waiting.pop(who), who)
                group += turn
                n_events += sum(len(save.events) for save in turn)
            self._n_waiting -= len(group)
            return group

    def _turn(self, own: deque[_Save], who: str) -> list[_Save]:
        """Return a person's saves for one turn; if some are left, the person goes to the end of the line."""
        turn = [own.popleft()]
        n_events = len(turn[0].events)
        while own and n_events + len(own[0].events) <= _MAX_EVENTS_A_TURN:
            turn.append(own.popleft())
            n_events += len(turn[-1].events)
        if own:
            self._waiting[who] = own
        return turn

    def _commit(self, group: Sequence[_Save]) -> None:
        try:
            results = self._store.append([event for save in group for event in save.events])
        except Exception as error:  # noqa: BLE001 - the writer must outlive every failure and report it to each save
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
