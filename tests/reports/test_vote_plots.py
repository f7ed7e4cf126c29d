"""Figures of agreement and dispute: colours begin where agreement matters, bars are sorted by what they draw."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.reports import vote_plots as plots


def test_colours_of_the_agreement_map_begin_at_chance_and_are_in_percent() -> None:
    names = ["ada", "ben", "cleo"]
    matrix = pd.DataFrame([[np.nan, 0.97, 0.80], [0.97, np.nan, 0.95], [0.80, 0.95, np.nan]], names, names)
    described = plots.agreement_heat_map(matrix, chance=0.9)
    (image,) = described.figure.axes[0].images
    assert image.get_clim() == (90, 100)
    assert "80.0% (ada and cleo)" in described.alt_text
    assert "chance would give 90.0%" in described.alt_text
    (lowest,) = plots.agreement_heat_map(matrix).figure.axes[0].images
    assert lowest.get_clim() == pytest.approx((80, 100))


def test_bars_of_disputed_classes_fall_from_top_to_bottom() -> None:
    table = pd.DataFrame(
        {
            "class": ["often", "rare", "some"],
            "n_compared": [100, 4, 50],
            "n_split": [30, 3, 20],
            "split_share": [0.3, 0.75, 0.4],
            "split_low": [0.2, 0.3, 0.3],
            "split_high": [0.4, 0.9, 0.5],
        }
    )
    described = plots.disputed_classes(table)
    widths = [bar.get_width() for bar in described.figure.axes[0].patches]
    assert widths == sorted(widths)
    assert widths[-1] == 75
    assert "Most often disputed is rare" in described.alt_text


def test_bars_of_confused_pairs_fall_from_top_to_bottom() -> None:
    table = pd.DataFrame({"class_a": ["a", "c"], "class_b": ["b", "d"], "n_confusions": [2, 9]})
    described = plots.confused_class_pairs(table)
    assert [bar.get_width() for bar in described.figure.axes[0].patches] == [2, 9]
    assert "led by c / d with 9" in described.alt_text
