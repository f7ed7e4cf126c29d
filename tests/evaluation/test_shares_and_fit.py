"""Wilson intervals and the line through the models, against scipy and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, linregress

from pipeline.evaluation.fit import linear_fit
from pipeline.evaluation.shares import Mean, Share
from pipeline.votes.intervals import wilson_interval


@given(st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_scipys_wilson_intervals(counts: tuple[int, int]) -> None:
    n_hits, n = counts
    peer = binomtest(n_hits, n).proportion_ci(method="wilson")
    assert wilson_interval(n_hits, n) == pytest.approx((peer.low, peer.high), abs=1e-12)


def test_a_share_of_nothing_is_undefined() -> None:
    assert Share(0, 0).value is None
    assert Share(0, 0).interval is None
    assert Share(0, 0).with_interval("images") == "undefined (0 images)"
    assert Share(1, 2).with_interval("images").startswith("50.00% of 2 images (95% interval ")


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_the_interval_of_values_that_are_all_alike_has_a_width_that_narrows_with_them(value: float) -> None:
    assert Mean.of(np.array([])) == Mean(None, 0)
    lows, highs = zip(*(Mean.of(np.full(n, value)).interval for n in (1, 10, 1_000)), strict=True)
    assert all(low <= value <= high and high - low > 0.001 for low, high in zip(lows, highs, strict=True))
    assert sorted(lows) == list(lows)
    assert sorted(highs, reverse=True) == list(highs)


@pytest.mark.parametrize("counts", [(3, 2), (-1, 2)])
def test_a_share_beyond_its_denominator_is_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not a share"):
        Share(*counts)


accuracies = st.integers(0, 10_000).map(lambda hits: hits / 10_000)


@given(st.lists(st.tuples(accuracies, accuracies), min_size=2, max_size=60, unique_by=lambda point: point[0]))
def test_the_fit_is_scipys_and_does_not_hang_on_the_order(points: list[tuple[float, float]]) -> None:
    x, y = [point[0] for point in points], [point[1] for point in points]
    fit, peer = linear_fit(x, y), linregress(x, y)
    assert fit.slope == pytest.approx(peer.slope, rel=1e-6, abs=1e-6)
    assert fit.intercept == pytest.approx(peer.intercept, rel=1e-6, abs=1e-6)
    if fit.r2 is not None:
        assert fit.r2 == pytest.approx(peer.rvalue**2, abs=1e-6)
    assert linear_fit(x[::-1], y[::-1]) == fit


def test_points_on_a_line_give_that_line() -> None:
    fit = linear_fit([0.25, 0.5, 0.75], [0.5, 0.625, 0.75])
    assert (fit.slope, fit.intercept, fit.r2, fit.n_models) == (0.5, 0.375, 1.0, 3)


@pytest.mark.parametrize("x", [[], [0.5], [0.5, 0.5, 0.5]])
def test_without_two_different_models_no_line_is_defined(x: list[float]) -> None:
    fit = linear_fit(x, [0.1] * len(x))
    assert (fit.slope, fit.intercept, fit.r2) == (None, None, None)


def test_where_y_does_not_vary_the_line_is_flat_and_r2_undefined() -> None:
    fit = linear_fit([0.25, 0.5], [0.75, 0.75])
    assert (fit.slope, fit.intercept, fit.r2) == (0.0, 0.75, None)
