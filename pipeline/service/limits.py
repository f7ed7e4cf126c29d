"""How much one person may ask for: token buckets of requests, events and bytes."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

#: Bounds the memory for buckets; the one used least recently is dropped.
_MAX_BUCKETS = 50_000
_DAY_S = 24 * 3600
LONGEST_HELD_BACK_S = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a caller may send and ask for.

    A key that is held down repeats about 30 times a second, and each image shown needs a picture and a save. A day's
    work is about ten thousand events of a few hundred bytes each.
    """

    max_body_bytes: int = 1_000_000
    max_events: int = 100
    requests_per_second: float = 100.0
    burst: int = 200
    events_per_second: float = 200.0
    events_burst: int = 5_000
    bytes_per_second: float = 200_000.0
    bytes_burst: int = 5_000_000
    bytes_per_day: int = 200_000_000
    #: Requests of one person that are handled at the same time, reads and saves apart; further ones wait.
    at_once: int = 2
    saves_at_once: int = 2
    #: Refusals that are answered at once, and then one after another; see :class:`HeldBack`.
    refusals_burst: int = 20
    refusals_per_second: float = 20.0
    #: The same for all answers to those who do not say who they are, by address; nobody there waits longer than that.
    strangers_burst: int = 50
    strangers_per_second: float = 20.0
    strangers_wait_s: float = 5.0
    #: Tasks, or small pictures, in one request that together count as one request.
    tasks_a_request: int = 10
    pictures_a_request: int = 5
    #: People on a board that together count as one request, and what opening a session counts as: both read much.
    people_a_request: int = 2
    opening_requests: int = 5
    #: Reports of one person that are under way at the same time, and bytes of a report that count as one request.
    reports_at_once: int = 6
    report_bytes_a_request: int = 200_000

    def shared_by(self, n_processes: int) -> Limits:
        """Return the bounds of each of several processes, which do not know what was asked of the others.

        Whoever's requests are spread over all gets in the long run what one process would give, and never more. What
        may come at once is not divided: one connection, which one process holds, must be able to carry it.
        """
        if n_processes == 1:
            return self
        return replace(
            self,
            requests_per_second=self.requests_per_second / n_processes,
            events_per_second=self.events_per_second / n_processes,
            bytes_per_second=self.bytes_per_second / n_processes,
            bytes_per_day=self.bytes_per_day // n_processes,
            refusals_per_second=self.refusals_per_second / n_processes,
            strangers_per_second=self.strangers_per_second / n_processes,
        )


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
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, amount: float = 1.0) -> float:
        """Take some from a person's bucket; return 0, or the seconds until that much is there.

        Raise `ValueError` if `amount` is more than the bucket can ever hold.
        """
        if amount > self._burst:
            raise ValueError(f"{amount} asked for; the bucket holds {self._burst}")
        with self._lock:  # another thread that looked between taking out and putting back would find a full bucket
            now = self._clock()
            level = self._taken_out(name, now)
            wait_s = 0.0 if level >= amount else (amount - level) / self._per_second
            self._buckets[name] = (level if wait_s else level - amount, now)
            if len(self._buckets) > _MAX_BUCKETS:
                self._buckets.popitem(last=False)
            return wait_s

    def owe(self, name: str, amount: float) -> None:
        """Take what a person has been given already: at most a bucket more than theirs holds, for which they wait."""
        with self._lock:
            now = self._clock()
            level = self._taken_out(name, now)
            self._buckets[name] = (max(-self._burst, level - amount), now)

    def _taken_out(self, name: str, now: float) -> float:
        """Return what a person's bucket holds by now; whoever holds the lock puts it back."""
        level, last = self._buckets.pop(name, (self._burst, now))
        return min(self._burst, level + (now - last) * self._per_second)


class HeldBack:
    """How long answers are held back: a few go out at once, and the others one after another.

    Answering costs more than asking. Whoever asks again as soon as they are refused would keep the service busy with
    refusals alone, however little they are allowed. While an answer is held back, nothing is read from its connection.

    Parameters
    ----------
    burst, per_second
        How many refusals of one person go out at once, and how many a second after that.
    longest_s
        The longest that one is held back.
    clock
        Returns the time in seconds, monotonic.
    """

    def __init__(
        self,
        burst: float,
        per_second: float,
        longest_s: float = LONGEST_HELD_BACK_S,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst_s, self._apart_s, self._longest_s, self._clock = (
            burst / per_second,
            1 / per_second,
            longest_s,
            clock,
        )
        self._next_at: OrderedDict[str, float] = OrderedDict()

    def next_in(self, name: str) -> float:
        """Return the seconds to hold back this person's next refusal: at most `longest_s`."""
        now = self._clock()
        at = max(self._next_at.pop(name, -math.inf), now - self._burst_s) + self._apart_s
        self._next_at[name] = min(at, now + self._longest_s)
        if len(self._next_at) > _MAX_BUCKETS:
            self._next_at.popitem(last=False)
        return max(0.0, self._next_at[name] - now)


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
