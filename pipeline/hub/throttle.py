"""Slowing down password guessers: attempts are counted by name and address and served in turns; nobody is locked out.

A count by name alone would let anybody lock out anybody else; a count by address alone would punish a whole office for
one person. Passwords have 79 random bits, so what a slower pace protects is the processor: a check takes about 50 ms.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager

_WINDOW_S = 300.0
_MAX_KEYS = 10_000  # names and addresses can be made up endlessly
_LONGEST_S = 8.0
_FIRST_S = 0.5


class Failures:
    """Remembers wrong passwords for five minutes.

    Parameters
    ----------
    n_free
        How many wrong passwords cost no time.
    clock
        Returns the time in seconds, monotonic.
    """

    def __init__(self, n_free: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._n_free, self._clock = n_free, clock
        self._times: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def count(self, key: Hashable) -> float:
        """Count an attempt, right or wrong; return the seconds that it has to wait."""
        times = self._times.setdefault(key, deque(maxlen=self._n_free + 100))
        self._times.move_to_end(key)
        if len(self._times) > _MAX_KEYS:
            self._times.popitem(last=False)
        while times and times[0] < self._clock() - _WINDOW_S:
            times.popleft()
        times.append(self._clock())
        n_too_many = len(times) - 1 - self._n_free
        return 0.0 if n_too_many < 0 else min(_LONGEST_S, _FIRST_S * 2.0**n_too_many)

    def forget(self, key: Hashable) -> None:
        """Forget all attempts under a key, because the password was right."""
        self._times.pop(key, None)


class Turns:
    """Lets a few through at once, taking the groups in turn: whoever sends a thousand waits behind their own.

    Parameters
    ----------
    n_at_once
        How many are let through at once.
    """

    def __init__(self, n_at_once: int) -> None:
        self._n_free = n_at_once
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, group: Hashable) -> AsyncIterator[None]:
        """Wait for a turn, then hold it until the block ends."""
        if self._n_free:
            self._n_free -= 1
        else:
            come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(group, deque()).append(come)
            try:
                await come
            except asyncio.CancelledError:
                if come.done() and not come.cancelled():  # the turn came, but nobody is there to take it
                    self._pass_on()
                raise
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            group, queue = self._waiting.popitem(last=False)
            come = queue.popleft()
            if queue:
                self._waiting[group] = queue  # behind the others
            if not come.done():
                come.set_result(None)
                return
        self._n_free += 1
