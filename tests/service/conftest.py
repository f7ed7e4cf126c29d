"""A small real project, a hub's answers about tokens, and services on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import PostgresServer, StubHub, make_project, start_postgres

from pipeline.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of 12 images and 6 classes; ann and ben annotate 0 to 9, cleo and ben refine."""
    return make_project(tmp_path)


@pytest.fixture
def hub() -> Iterator[StubHub]:
    """Return a hub that knows tokens, over HTTP."""
    with StubHub() as started:
        yield started


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Return a running PostgreSQL server, or skip where the machine has none."""
    server = start_postgres()
    yield server
    server.stop()
