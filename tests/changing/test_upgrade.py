"""A real project of the first format (made by a version of that time, with twelve votes) is upgraded after a copy."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.project.folder import Project, open_project
from pipeline.project.history import read_history
from pipeline.project.settings import FORMAT_VERSION
from pipeline.sessions.local import LocalSession
from pipeline.store import open_project_store

Mlf = Callable[..., str]


@pytest.fixture
def old(tmp_path: Path, draw: Callable[[Path, int], None]) -> Path:
    for i, key in enumerate(("bird", "cat", "cup", "dog", "kitten", "lamp")):
        draw(tmp_path / "photos" / key / f"{i}.png", i)
    with zipfile.ZipFile(Path(__file__).parent / "project_of_format_1.zip") as packed:
        packed.extractall(tmp_path / "birds")
    return tmp_path / "birds"


def schema(store: Path) -> str:
    with closing(sqlite3.connect(store)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def votes(store: Path) -> list[tuple[object, ...]]:
    query = "SELECT event_id, annotator, image_index, kind, payload, shown, server_time FROM events ORDER BY seq"
    with closing(sqlite3.connect(store)) as connection:
        return connection.execute(query).fetchall()


def test_an_upgrade_copies_first_and_keeps_every_vote(old: Path, mlf: Mlf) -> None:
    before = votes(old / "store.sqlite")
    assert len(before) == 12
    copy = old.parent / "copy"
    printed = mlf("project", "upgrade", old, "--backup", copy, "--by", "maria")
    assert f"Copied to {copy} as it was" in printed
    assert (schema(copy / "store.sqlite"), votes(copy / "store.sqlite")) == ("0001", before)
    assert votes(old / "store.sqlite") == before
    assert open_project(old).settings.project.format_version == FORMAT_VERSION
    assert [(c.by, c.what) for c in read_history(old)] == [("maria", "project upgrade")]
    with open_project_store(open_project(old)) as store:
        assert store.verify().is_sound
    assert "is up to date" in mlf("project", "upgrade", old)
    assert "upgraded from format 1" in mlf("project", "history", old)
    assert "6 files are as they were" in mlf("add", old)


def test_a_change_that_older_versions_would_misread_asks_for_the_upgrade(old: Path, mlf: Mlf) -> None:
    assert "mlf project upgrade" in mlf("classes", "retire", old, "lamp", code=2)
    mlf("project", "upgrade", old)
    mlf("classes", "retire", old, "lamp")
    assert LocalSession(open_project(old), "ada").open().progress.n_done == 6


def test_a_copy_is_never_written_over(old: Path, mlf: Mlf) -> None:
    (old.parent / "copy").mkdir()
    assert "exists; name a new folder" in mlf("project", "upgrade", old, "--backup", old.parent / "copy", code=2)
    assert schema(old / "store.sqlite") == "0001"


def test_a_project_of_a_newer_version_says_so(project: Project, mlf: Mlf) -> None:
    settings = project.root / "mlf.toml"
    settings.write_text(settings.read_text().replace(f"format_version = {FORMAT_VERSION}", "format_version = 99"))
    assert "upgrade multilabelfy" in mlf("status", project.root, code=2)
