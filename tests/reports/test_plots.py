"""The figures of stage 5 draw the numbers they are given and say them in words."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import label_sets_from_lists
from pipeline.evaluation.models import Evaluation, evaluate_models
from pipeline.reports.evaluation_plots import (
    DescribedFigure,
    accuracy_by_label_count_lines,
    label_count_bars,
    top1_against_real,
)

LABELS = label_sets_from_lists([[], [0], [0, 1], [0, 1, 2, 3, 4, 5]], ["a", "b", "c", "d"])
ORIGINAL = np.array([0, 0, 0, 0])


def evaluation(**rankings: list[int]) -> Evaluation:
    return evaluate_models({model: np.array(top)[:, None] for model, top in rankings.items()}, ORIGINAL, LABELS)


TWO_MODELS = evaluation(weak=[9, 0, 9, 9], strong=[0, 0, 1, 5])


@pytest.mark.parametrize("draw", [top1_against_real, label_count_bars, accuracy_by_label_count_lines])
@pytest.mark.parametrize("found", [TWO_MODELS, evaluation(only=[0, 0, 0, 0])])
def test_every_figure_renders_and_has_a_description(
    draw: Callable[[Evaluation], DescribedFigure], found: Evaluation
) -> None:
    described = draw(found)
    file = BytesIO()
    described.figure.savefig(file, format="svg")
    assert file.getvalue()
    assert described.alt_text.endswith(".")


def test_bars_are_as_high_as_the_counts_and_counts_without_images_keep_their_place() -> None:
    described = label_count_bars(TWO_MODELS)
    assert [bar.get_height() for bar in described.figure.axes[0].patches] == [1, 1, 1, 0, 0, 0, 1]
    assert "Two or more labels: 50.00% of 4 images." in described.alt_text


def test_the_scatter_names_the_line_or_says_that_there_is_none() -> None:
    assert "ReaL = 2.667 × Top-1" in top1_against_real(TWO_MODELS).alt_text
    assert "No line can be fitted." in top1_against_real(evaluation(only=[0, 0, 0, 0])).alt_text


def test_many_labels_are_pooled_and_real_is_not_drawn_where_it_is_undefined() -> None:
    described = accuracy_by_label_count_lines(TWO_MODELS)
    top1, real = described.figure.axes[0].lines
    assert top1.get_xdata().tolist() == [0, 1, 2, 5]
    assert real.get_xdata().tolist() == [1, 2, 5]
    assert real.get_ydata().tolist() == [100, 50, 50]


@pytest.mark.parametrize("draw", [top1_against_real, accuracy_by_label_count_lines])
def test_figures_about_models_need_a_model(draw: Callable[[Evaluation], DescribedFigure]) -> None:
    with pytest.raises(DatasetError, match="no model"):
        draw(evaluation())
