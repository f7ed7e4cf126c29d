"""How a task was shown is kept as text, and what an experiment draws has the shares it was told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ProjectError
from pipeline.project.opaque_ids import N_NUMBERS, ImageNumbers
from pipeline.project.presentation import CONTROL, Condition, Presentation, drawn_condition
from pipeline.project.secret import ProjectSecret
from pipeline.project.settings import read_settings

SHOWN = st.builds(
    Presentation,
    order=st.sampled_from(["score", "shuffled"]),
    order_seed=st.just(0),
    shows_scores=st.booleans(),
    condition=st.sampled_from(["", CONTROL, *Condition]),
    is_probe=st.booleans(),
)


@given(SHOWN, st.integers(-(2**63), 2**63), st.integers(0, 9999), st.integers(0, 1000))
def test_what_was_shown_comes_back_from_its_text(shown: Presentation, seed: int, pairs: int, page: int) -> None:
    own_seed = seed if shown.order == "shuffled" else 0
    seeded = replace(shown, order_seed=own_seed, pairs=pairs, pairs_page=page if pairs else 0)
    assert Presentation.parse(str(seeded)) == seeded
    assert len(str(seeded)) <= 96
    assert str(seeded).isascii()


def test_what_earlier_versions_logged_is_read_and_nothing_else() -> None:
    assert Presentation.parse("score") == Presentation()
    assert Presentation.parse("shuffled:7") == Presentation("shuffled", 7)
    assert [Presentation.parse(text) for text in ("", "grid", "shuffled:", "score trial", "score\n")] == [None] * 5


@pytest.mark.parametrize(("share", "n_conditions"), [(0.2, 1), (0.5, 2), (1.0, 3)])
def test_conditions_are_drawn_in_equal_parts_of_the_share_from_the_secret(share: float, n_conditions: int) -> None:
    secret, conditions = ProjectSecret(bytes(32)), list(Condition)[:n_conditions]
    n = 20_000
    drawn = [drawn_condition(secret.share("experiment", i, "ada"), share, conditions) for i in range(n)]
    for condition in conditions:
        expected = share / n_conditions
        assert abs(drawn.count(condition) / n - expected) < 5 * np.sqrt(expected * (1 - expected) / n) + 1e-9
    other = [drawn_condition(secret.share("experiment", i, "ben"), share, conditions) for i in range(n)]
    both = sum(a is not None and b is not None for a, b in zip(drawn, other, strict=True)) / n
    assert abs(both - share**2) < 0.02  # drawn for each annotator anew


@given(st.integers(0, N_NUMBERS - 1), st.binary(min_size=1, max_size=64))
def test_numbers_lead_back_to_their_images(index: int, key: bytes) -> None:
    numbers = ImageNumbers(key)
    assert 0 <= numbers.number(index) < N_NUMBERS
    assert numbers.index(numbers.number(index)) == index


def test_numbers_say_nothing_about_the_order_of_the_manifest() -> None:
    numbers = [ImageNumbers(bytes(32)).number(index) for index in range(5_000)]
    assert len(set(numbers)) == 5_000
    ranks = np.argsort(np.argsort(numbers))
    assert abs(np.corrcoef(np.arange(5_000), ranks)[0, 1]) < 0.07  # five standard errors of no correlation
    assert abs(np.corrcoef(ranks[1:], ranks[:-1])[0, 1]) < 0.07  # neighbours in the manifest lie apart
    assert abs(np.mean(np.array(numbers) % 2) - 0.5) < 0.04
    others = [ImageNumbers(bytes([1]) * 32).number(index) for index in range(5_000)]
    assert abs(np.corrcoef(ranks, others)[0, 1]) < 0.07  # another project, another shuffle


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("share = 0.1\nconditions = []", "empty"),
        ("conditions = ['upside-down']", "'upside-down'"),
        ("conditions = ['shuffled', 'shuffled']", "twice"),
        ("share = 0.1\nconditions = ['by-score']", "[annotation]"),
        ("share = 1.5", "experiment.share"),
        ("probe_share = -0.1", "experiment.probe_share"),
    ],
)
def test_an_experiment_that_tries_nothing_out_is_refused_in_words(tmp_path: Path, written: str, word: str) -> None:
    path = tmp_path / "mlf.toml"
    path.write_text(f"[experiment]\n{written}\n")
    with pytest.raises(ProjectError, match=r"mlf\.toml") as refusal:
        read_settings(path)
    assert word in str(refusal.value)
