"""A share with its denominator and its confidence interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95


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
        return wilson_interval(self.n_hits, self.n) if self.n else None

    def __str__(self) -> str:
        return f"{self.n_hits / self.n:.2%} of {self.n:,}" if self.n else "undefined (0 images)"


def wilson_interval(n_hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the score interval of a binomial share, without continuity correction.

    Parameters
    ----------
    n_hits, n
        Successes and trials, ``0 <= n_hits <= n``, ``n > 0``.
    confidence
        Coverage, between 0 and 1.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22, 209-212.
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = n_hits / n
    centre = share + z * z / (2 * n)
    half_width = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if n_hits == 0 else max(0.0, (centre - half_width) / scale)
    high = 1.0 if n_hits == n else min(1.0, (centre + half_width) / scale)
    return low, high
