"""A straight line through the accuracies of several models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class LinearFit:
    """Ordinary least squares of y on x; ``None`` where undefined.

    It describes the models at hand. They are not a random sample of models, so it carries no confidence interval.
    """

    slope: float | None
    intercept: float | None
    r2: float | None
    n_models: int


def linear_fit(x: Sequence[float], y: Sequence[float]) -> LinearFit:
    """Fit a line by ordinary least squares.

    Sums are exact (rational), so the result is the correctly rounded one, whatever the order of the models.

    Parameters
    ----------
    x, y
        One finite value per model, e.g. Top-1 and ReaL as shares.

    Returns
    -------
    LinearFit
        Slope and intercept are ``None`` for fewer than two models or where x does not vary; R² (one minus residual over
        total sum of squares) also where y does not vary.

    Raises
    ------
    ValueError
        If x and y differ in length.
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} values of x and {len(y)} of y do not pair")
    n = len(x)
    if n < 2:
        return LinearFit(None, None, None, n)
    xs, ys = [Fraction(value) for value in x], [Fraction(value) for value in y]
    mean_x, mean_y = sum(xs, Fraction()) / n, sum(ys, Fraction()) / n
    xx = sum(((a - mean_x) ** 2 for a in xs), Fraction())
    yy = sum(((b - mean_y) ** 2 for b in ys), Fraction())
    xy = sum(((a - mean_x) * (b - mean_y) for a, b in zip(xs, ys, strict=True)), Fraction())
    if xx == 0:
        return LinearFit(None, None, None, n)
    slope = xy / xx
    r2 = float(xy * xy / (xx * yy)) if yy else None
    return LinearFit(float(slope), float(mean_y - slope * mean_x), r2, n)
