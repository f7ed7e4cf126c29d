"""How many large pictures are decoded at once: each may hold gigabytes for a moment, a small one next to nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from threading import Semaphore
from typing import TypeVar

#: Up to so many pixels a picture waits for no other: it takes milliseconds, and some tens of megabytes.
SMALL_PIXELS = 2_000_000
#: What the largest picture may take: `pipeline.images.MAX_PIXELS` at 24 bytes each (16-bit grey; RGB takes 9).
LARGEST_BYTES = 2**31
#: The share of the machine's memory that pictures under way may take.
_SHARE_OF_MEMORY = 0.25
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_MAY_WAIT: ContextVar[bool] = ContextVar("may_wait", default=True)
_T = TypeVar("_T")


class NoTurnError(Exception):
    """A large picture's turn has not come, and its caller does not wait here."""


class Turns:
    """Lets `n_at_once` large pictures be decoded at the same time; small ones pass.

    Parameters
    ----------
    n_at_once
        At least 1.
    """

    def __init__(self, n_at_once: int) -> None:
        self.n_at_once = n_at_once
        self._free = Semaphore(n_at_once)

    @contextmanager
    def take(self, n_pixels: int) -> Iterator[None]:
        """Hold a turn for a picture of so many decoded pixels, waiting for it where it is large.

        Raises
        ------
        NoTurnError
            Inside :func:`without_waiting`, if all turns are taken.
        """
        if n_pixels <= SMALL_PIXELS:
            yield
            return
        if not self._free.acquire(blocking=_MAY_WAIT.get()):
            raise NoTurnError
        try:
            yield
        finally:
            self._free.release()


@lru_cache(maxsize=1)
def turns() -> Turns:
    """Return this process's turns, as many as cores and memory allow."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Turns(n_at_once(n_cores, _memory_bytes()))


def n_at_once(n_cores: int, memory_bytes: int) -> int:
    """Return how many large pictures may be decoded at once: one a core, as far as a quarter of the memory goes."""
    return max(1, min(n_cores, int(memory_bytes * _SHARE_OF_MEMORY) // LARGEST_BYTES))


def without_waiting(work: Callable[[], _T]) -> _T:
    """Call `work` on a thread that others need too: a large picture whose turn has not come ends it.

    Raises
    ------
    NoTurnError
        Then; nothing was held on to.
    """
    token = _MAY_WAIT.set(False)
    try:
        return work()
    finally:
        _MAY_WAIT.reset(token)


def _memory_bytes() -> int:
    """Return the memory of the machine, or what a container may have of it."""
    known = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        try:
            known.append(int(path.read_text()))
        except (OSError, ValueError):  # not on this system, or "max"
            continue
    return min(known)
