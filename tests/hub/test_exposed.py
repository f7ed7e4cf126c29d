"""Whoever starts a hub is told about images that every account on the machine can read."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serving import make_project
from typer.testing import Result

from pipeline.hub.exposed import exposed_folders, readable_by_everyone


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every account can reach; pytest's own folders are closed."""
    with tempfile.TemporaryDirectory(prefix="mlf-open-") as name:
        made = Path(name)
        made.chmod(0o755)
        if not all(folder.stat().st_mode & 0o001 for folder in made.resolve().parents):
            pytest.skip("the folder for temporary files is closed to other accounts")
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


def test_who_starts_a_hub_is_told_with_the_command_that_closes_them(
    needs_root: None, start: Callable[..., Result], open_folder: Path, hub_folder: Path
) -> None:
    project, state = make_project(open_folder), hub_folder / "exposed"
    (open_folder / "images").chmod(0o755)
    told = start(project, state)
    assert told.exit_code == 0, told.output
    [line] = [line for line in told.output.splitlines() if "every account of this machine can read" in line]
    subprocess.run(shlex.split(line.partition("The hub does not need that: ")[2]), check=True)
    assert "every account of this machine" not in start(project, state).output
    assert exposed_folders(project) == ()
