"""Figures in words: what was not counted is undefined, and no interval is written of it."""

from __future__ import annotations

import math

import pytest

from pipeline.reports.formats import INTERVAL, count, number, percent, seconds


@pytest.mark.parametrize("value", [None, math.nan])
def test_a_figure_of_nothing_is_undefined_whatever_its_bounds(value: float | None) -> None:
    assert percent(value, 0.0, 1.0, named=INTERVAL) == "undefined"
    assert count(value) == number(value) == seconds(value) == "undefined"


@pytest.mark.parametrize("bound", [None, math.nan])
def test_an_interval_is_written_where_there_is_one(bound: float | None) -> None:
    assert percent(0.5, bound, bound, named=INTERVAL) == percent(0.5, 0.4, bound) == "50.0%"
    assert percent(0.5, 0.4, 0.625) == "50.0% (40.0% to 62.5%)"
    assert percent(0.5, 0.4, 0.625, digits=2, named=INTERVAL) == "50.00% (95% interval 40.00% to 62.50%)"
