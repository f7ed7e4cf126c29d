"""A real JupyterHub with the real service, on a small project, and people who use it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from pipeline.hub.accounts import Role

if TYPE_CHECKING:
    from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).parent))

from hub_fixtures import annotation_page, hub_benchmark, hub_folder, postgres, proxy

__all__ = ["annotation_page", "hub_benchmark", "hub_folder", "postgres", "proxy"]

ANNOTATORS = ("Ada", "ben", "cleo")


@pytest.fixture(scope="session")
def running(hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    """Return a running hub with its project: three annotators, a researcher, a reviewer."""
    project = hub_benchmark.make_project(hub_folder, 12, ANNOTATORS)
    people = {name: [Role.ANNOTATORS] for name in ANNOTATORS}
    people |= {"maria": [Role.RESEARCHERS], "tom": [Role.REVIEWERS]}
    with hub_benchmark.running_hub(project, people, hub_folder / "hub", proxy) as hub:
        yield SimpleNamespace(hub=hub, project=project)


@pytest.fixture(scope="module")
def browser(hub_benchmark: ModuleType) -> Iterator[Browser]:
    """Return Chromium, started once for each module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=hub_benchmark._chromium(), args=hub_benchmark.CHROMIUM_ARGUMENTS
        )
        yield launched
        launched.close()


@pytest.fixture
def needs_root() -> None:
    """Skip where sessions cannot get accounts of their own."""
    if os.geteuid() != 0:
        pytest.skip("sessions get accounts of their own only where the hub runs as root")
