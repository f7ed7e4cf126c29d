"""A small real project, a hub's answers about tokens, and services on SQLite and PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import Browser, app_of, browser, with_pages
from postgres_server import postgres  # noqa: F401 - a fixture
from serving import StubHub, make_project

from pipeline.project.folder import Project, open_project


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project that tests copy."""
    folder = tmp_path_factory.mktemp("template") / "all"
    make_project(folder)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Project:
    """Return a project of 12 images and 6 classes; ann and ben annotate 0 to 9, cleo and ben refine 0 to 3."""
    shutil.copytree(template, tmp_path / "all")
    return open_project(tmp_path / "all" / "project")


@pytest.fixture
def hub() -> Iterator[StubHub]:
    """Return a hub that knows tokens, over HTTP."""
    with StubHub() as started:
        yield started


@pytest.fixture
def light(project: Project) -> Project:
    """Return that project with light sessions."""
    return with_pages(project)


@pytest.fixture
def ann(light: Project, hub: StubHub) -> Iterator[Browser]:
    """Return Ann's browser with her page open."""
    with browser(app_of(light, hub), "ann") as opened:
        yield opened
