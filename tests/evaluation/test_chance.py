"""Chance level, against published cases and against simulated guessers."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.chance import chance_level_told, is_chance_level
from pipeline.evaluation.shares import Share


@pytest.mark.parametrize(
    ("n_hits", "n", "n_classes", "expected"),
    [
        (99, 1000, 10, True),  # a model of 99.7% at the wrong input size
        (0, 10, 10, True),  # worse than guessing
        (52, 100, 2, True),
        (997, 1000, 10, False),
        (300, 1000, 10, False),  # a weak model, better than a guesser
        (0, 2, 10, False),  # too few to tell
        (1, 5, 4, False),
        (3, 100, 1000, False),  # 0.1% would be guessing
        (0, 1000, 1000, True),
        (5, 5, 1, False),
        (0, 0, 10, False),
    ],
)
def test_chance_level_is_named_where_it_can_be_told(n_hits: int, n: int, n_classes: int, *, expected: bool) -> None:
    assert is_chance_level(Share(n_hits, n), n_classes) is expected


@pytest.mark.parametrize("n_classes", [2, 10, 100])
def test_guessers_are_at_chance_level_and_working_models_are_not(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    guessed = rng.binomial(400, 1 / n_classes, 500)
    worked = rng.binomial(400, 0.85, 500)
    assert np.mean([is_chance_level(Share(int(n), 400), n_classes) for n in guessed]) > 0.97
    assert not any(is_chance_level(Share(int(n), 400), n_classes) for n in worked)


def test_what_is_told_names_the_figure_with_its_denominator_and_both_usual_causes() -> None:
    said = chance_level_told("resnet", Share(99, 1000), 10)
    for word in ("resnet", "9.90% of 1,000", "10.00%", "order", "class_keys", "input_size"):
        assert word in said
