"""A share with its denominator and its confidence interval."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.votes.intervals import wilson_interval


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

    def __str__(self) -> str:
        return f"{self.n_hits / self.n:.2%} of {self.n:,}" if self.n else "undefined (0 images)"
