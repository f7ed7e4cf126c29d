"""Whoever starts a hub is told about images that every account on the machine can read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import make_project

from pipeline.hub.exposed import exposed_folders, readable_by_everyone


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every account can reach; pytest's own folders are closed."""
    with tempfile.TemporaryDirectory(prefix="mlf-open-") as name:
        made = Path(name)
        made.chmod(0o755)
        yield made


def test_a_folder_is_exposed_by_its_own_mode_and_by_all_on_the_way_to_it(open_folder: Path) -> None:
    project = make_project(open_folder)
    images = open_folder / "images"
    images.chmod(0o755)
    assert [folder.resolve() for folder in exposed_folders(project)] == [images.resolve()]
    images.chmod(0o750)
    assert exposed_folders(project) == ()
    images.chmod(0o755)
    open_folder.chmod(0o700)
    assert exposed_folders(project) == ()
    assert not readable_by_everyone(open_folder / "missing")
