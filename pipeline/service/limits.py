"""How much one person may ask for: token buckets of requests, events and bytes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

#: Bounds the memory for buckets; the one used least recently is dropped.
_MAX_BUCKETS = 50_000
_DAY_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a caller may send and ask for.

    A key that is held down repeats about 30 times a second, and each image shown needs a picture and a save. A day's
    work is about ten thousand events of a few hundred bytes each.
    """

    max_body_bytes: int = 1_000_000
    max_events: int = 100
    max_classes: int = 100
    requests_per_second: float = 100.0
    burst: int = 500
    events_per_second: float = 200.0
    events_burst: int = 5_000
    bytes_per_second: float = 200_000.0
    bytes_burst: int = 5_000_000
    bytes_per_day: int = 200_000_000
    #: Requests of one person that are handled at the same time; further ones wait.
    at_once: int = 3
    #: Tasks, or small pictures, in one request that together count as one request.
    tasks_a_request: int = 10
    pictures_a_request: int = 5


class RateLimiter:
    """One token bucket per person: `burst` at once, `per_second` in the long run.

    Parameters
    ----------
    burst, per_second
        The bounds.
    clock
        Returns the time in seconds, monotonic.
    """

    def __init__(self, burst: float, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, amount: float = 1.0) -> float:
        """Take some from a person's bucket; return 0, or the seconds until that much is there.

        Raises
        ------
        ValueError
            If `amount` is more than the bucket can ever hold.
        """
        if amount > self._burst:
            raise ValueError(f"{amount} asked for; the bucket holds {self._burst}")
        now = self._clock()
        level, last = self._buckets.pop(name, (self._burst, now))
        level = min(self._burst, level + (now - last) * self._per_second)
        wait_s = 0.0 if level >= amount else (amount - level) / self._per_second
        self._buckets[name] = (level if wait_s else level - amount, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return wait_s


class Allowances:
    """What each person may still send and ask for."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.requests = RateLimiter(limits.burst, limits.requests_per_second, clock)
        self._events = RateLimiter(limits.events_burst, limits.events_per_second, clock)
        self._bytes = RateLimiter(limits.bytes_burst, limits.bytes_per_second, clock)
        self._bytes_of_the_day = RateLimiter(limits.bytes_per_day, limits.bytes_per_day / _DAY_S, clock)

    def take_bytes(self, name: str, n_bytes: int) -> float:
        """Count a body that has arrived; return 0, or the seconds after which it may be sent again."""
        return self._bytes.take(name, n_bytes) or self._bytes_of_the_day.take(name, n_bytes)

    def take_events(self, name: str, n_events: int) -> float:
        """Count the events of a save; return 0, or the seconds after which it may be sent again."""
        return self._events.take(name, n_events)
