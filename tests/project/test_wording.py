"""Counts in words."""

from __future__ import annotations

import pytest

from pipeline.project.wording import so_many


@pytest.mark.parametrize(
    ("n", "words", "expected"),
    [
        (1, ("image",), "1 image"),
        (0, ("image",), "0 images"),
        (2500, ("new task",), "2,500 new tasks"),
        (2, ("class",), "2 classes"),
        (2, ("person", "people"), "2 people"),
        (1, ("image waits", "images wait"), "1 image waits"),
    ],
)
def test_one_thing_is_never_called_several(n: int, words: tuple[str, ...], expected: str) -> None:
    assert so_many(n, *words) == expected
