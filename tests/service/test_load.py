"""Simulated annotators at one save a second each: nothing lost, nothing doubled. `make soak` runs hundreds of them."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("is_postgres", [False, pytest.param(True, marks=pytest.mark.postgres)])
def test_forty_annotators_at_once_lose_and_double_nothing(is_postgres: bool) -> None:
    from service import measure

    figures = measure(40, 3, postgres=is_postgres, seed=7)
    assert figures["saves"] == 120
    assert figures["error_kinds"] == {}
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    assert figures["acknowledged"] == figures["kept"] == 120
