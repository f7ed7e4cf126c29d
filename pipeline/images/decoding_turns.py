"""Limit how many large pictures are decoded at once: each may need gigabytes for a moment; most need megabytes."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

#: A picture that takes no more than this never waits: enough for a 12-megapixel photograph reduced for the screen.
SMALL_BYTES = 64 * 2**20
#: On a small machine even less, so that sixteen threads together take at most half of its memory.
_SMALL_SHARE = 1 / 32
#: The share of the machine's memory that large pictures may take together.
_SHARE_OF_MEMORY = 0.25
#: The share that one picture may take; a larger one could end the process, and everybody's work with it.
_SHARE_OF_ONE = 0.5
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
#: What a caller that must not wait already holds; None for a caller that may wait.
_HELD_BYTES: ContextVar[int | None] = ContextVar("held_bytes", default=None)
_T = TypeVar("_T")


class NoTurnError(Exception):
    """A large picture would have to wait for its turn, and its caller must not; `n_bytes` is what the picture takes."""

    def __init__(self, n_bytes: int) -> None:
        super().__init__(f"no turn for a picture of {n_bytes:,} bytes")
        self.n_bytes = n_bytes


class Place:
    """A place in the line; it is a turn once `has_come` is true."""

    def __init__(self, n_bytes: int, when_come: Callable[[], object]) -> None:
        self.n_bytes = n_bytes
        self.has_come = False
        self._when_come = when_come

    def come(self) -> None:
        """Turn the place into a turn."""
        self.has_come = True
        self._when_come()


class Turns:
    """Lets large pictures be decoded in the order of arrival, as many at once as cores and memory allow.

    A picture that takes more than the limit for all of them has its turn when no other is being decoded.

    Parameters
    ----------
    n_cores
        At most this many are decoded at once.
    memory_bytes
        Memory of the machine. Large pictures get a quarter of it, and no picture may take more than half.
    """

    def __init__(self, n_cores: int, memory_bytes: int) -> None:
        self.n_at_once = max(1, n_cores)
        self.budget_bytes = int(memory_bytes * _SHARE_OF_MEMORY)
        self.small_bytes = min(SMALL_BYTES, int(memory_bytes * _SMALL_SHARE))
        self.most_bytes = int(memory_bytes * _SHARE_OF_ONE)
        self._lock = Lock()
        self._waiting: deque[Place] = deque()
        self._under_way: list[Place] = []

    @contextmanager
    def take(self, n_bytes: int) -> Iterator[None]:
        """Hold a turn for a picture that takes `n_bytes` to decode. A large picture waits for its turn first.

        Raises
        ------
        NoTurnError
            Inside :func:`without_waiting`, if it would have to wait.
        """
        held_bytes = _HELD_BYTES.get()
        if n_bytes <= max(self.small_bytes, held_bytes or 0):
            yield
            return
        come = Event()
        place = self.join(n_bytes, come.set)
        try:
            if held_bytes is None:
                come.wait()
            elif not place.has_come:
                raise NoTurnError(n_bytes)
            yield
        finally:
            self.leave(place)

    def join(self, n_bytes: int, when_come: Callable[[], object]) -> Place:
        """Return a place at the end of the line. The caller must leave it, whether its turn has come or not.

        Parameters
        ----------
        n_bytes
            Memory that decoding the picture takes.
        when_come
            Called once, from any thread, when the turn comes; this may be before `join` returns. It must not block.
        """
        place = Place(n_bytes, when_come)
        with self._lock:
            self._waiting.append(place)
            self._let_in()
        return place

    def leave(self, place: Place) -> None:
        """Give back a turn, or give up a place."""
        with self._lock:
            (self._under_way if place.has_come else self._waiting).remove(place)
            self._let_in()

    def _let_in(self) -> None:
        while self._waiting and self._has_room(self._waiting[0].n_bytes):
            place = self._waiting.popleft()
            self._under_way.append(place)
            place.come()

    def _has_room(self, n_bytes: int) -> bool:
        taken_bytes = sum(place.n_bytes for place in self._under_way)
        is_within = len(self._under_way) < self.n_at_once and taken_bytes + n_bytes <= self.budget_bytes
        return is_within or not self._under_way


@lru_cache(maxsize=1)
def turns() -> Turns:
    """Return this process's turns."""
    return Turns(n_cores(), _memory_bytes())


def without_waiting(work: Callable[[], _T], held_bytes: int = 0) -> _T:
    """Call `work` on a thread that others need, too. If a large picture would have to wait, `work` is ended.

    Parameters
    ----------
    work
        Decodes pictures, one after another.
    held_bytes
        Size of the turn that the caller already holds. Pictures up to this size are decoded within it.

    Raises
    ------
    NoTurnError
        If a picture would have to wait; the error says what it takes. No further turn is held afterwards.
    """
    token = _HELD_BYTES.set(held_bytes)
    try:
        return work()
    finally:
        _HELD_BYTES.reset(token)


def n_cores() -> int:
    """Return how many cores this process may use, or its container if that is less."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = map(int, _CPU_QUOTA.read_text().split())
    except (OSError, ValueError):  # not on this system, or "max"
        return n_cores
    return min(n_cores, -(-quota // period))


def _memory_bytes() -> int:
    """Return the memory of the machine, or of the container if that is less."""
    known = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        try:
            known.append(int(path.read_text()))
        except (OSError, ValueError):  # not on this system, or "max"
            continue
    return min(known)
