"""A small toybox, drawn once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.toybox import ToyboxPaths, write_toybox


@pytest.fixture(scope="session")
def small_toybox(tmp_path_factory: pytest.TempPathFactory) -> ToyboxPaths:
    """Return a toybox of 90 scenes and 2 reference pictures per class; tests must not change it."""
    root: Path = tmp_path_factory.mktemp("toys") / "box"
    return write_toybox(root, seed=3, n_scenes=90, n_reference=2)
