"""How much one person may ask for: a token bucket each."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MAX_BUCKETS = 50_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a caller may send.

    A key held down repeats some 30 times a second, and each image painted asks for a picture and a save.
    """

    max_body_bytes: int = 1_000_000
    max_events: int = 500
    requests_per_second: float = 100.0
    burst: int = 500


class RateLimiter:
    """One token bucket a person: `burst` requests at once, `requests_per_second` in the long run.

    Parameters
    ----------
    limits
        The bounds.
    clock
        Seconds, monotonic.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take one request from a person's bucket; return 0, or the seconds after which the next is allowed."""
        now = self._clock()
        level, last = self._buckets.pop(name, (float(self._limits.burst), now))
        level = min(float(self._limits.burst), level + (now - last) * self._limits.requests_per_second)
        wait_s = 0.0 if level >= 1 else (1 - level) / self._limits.requests_per_second
        self._buckets[name] = (level if wait_s else level - 1, now)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)
        return wait_s
