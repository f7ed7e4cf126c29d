"""Shares and means with their denominators and their confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.votes.intervals import wilson_interval

#: A standard deviation below this is one of rounding.
_NONE_AT_ALL = 1e-6
#: The reach of a 95% interval of a normal variable, in standard deviations.
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """`n_hits` out of `n`.

    Raises
    ------
    ValueError
        Unless ``0 <= n_hits <= n``.
    """

    n_hits: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.n_hits <= self.n:
            raise ValueError(f"{self.n_hits} of {self.n} is not a share")

    @property
    def value(self) -> float | None:
        """Return the ratio of the two integers, correctly rounded; ``None`` (undefined) of nothing."""
        return self.n_hits / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the 95% Wilson interval; ``None`` of nothing."""
        if not self.n:
            return None
        low, high = wilson_interval(self.n_hits, self.n)
        return float(low), float(high)

    def with_interval(self, what: str) -> str:
        """Return the share of these things in words, with its 95% interval; a share of nothing has none."""
        if self.interval is None:
            return str(self)
        low, high = self.interval
        return f"{self} {what} (95% interval {low:.2%} to {high:.2%})"

    def __str__(self) -> str:
        return f"{self.n_hits / self.n:.2%} of {self.n:,}" if self.n else "undefined (0 images)"


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of `n` values between 0 and 1; ``None`` is undefined, over nothing.

    `interval` is a 95% interval; ``None`` of nothing.
    """

    value: float | None
    n: int
    interval: tuple[float, float] | None = None

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Mean:
        """Return the mean of values ``(n,)``, with the interval that the central limit theorem gives."""
        if len(values) == 0:
            return cls(None, 0)
        deviation = float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else 0.0
        return cls.around(float(values.mean()), len(values), deviation)

    @classmethod
    def around(cls, value: float, n: int, deviation: float, n_effective: float | None = None) -> Mean:
        """Return a mean whose own standard deviation is known; the interval is kept within 0 and 1.

        Where the values are all the same, nothing tells how far others may lie. Then the interval is Wilson's, of hits
        and misses, which of all values between 0 and 1 vary most; `n_effective` of them, as many as values if left out.
        """
        if deviation < _NONE_AT_ALL:
            trials = n_effective or n
            low, high = wilson_interval(value * trials, trials)
            return cls(value, n, (float(low), float(high)))
        reach = NORMAL_95 * deviation
        return cls(value, n, (max(0.0, value - reach), min(1.0, value + reach)))

    def __str__(self) -> str:
        return "undefined (0 images)" if self.value is None else f"{self.value:.2%} of {self.n:,}"
