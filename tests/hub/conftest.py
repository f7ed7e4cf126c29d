"""A real JupyterHub with the real service, on a small project, and people who use it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hub_fixtures import annotation_page, configure, hub_benchmark, hub_folder, proxy
from lab_server import launch_chromium
from playwright.sync_api import Browser, expect, sync_playwright
from postgres_server import postgres
from typer.testing import CliRunner, Result

from pipeline.cli import app
from pipeline.examples.pack import pack_examples
from pipeline.hub.accounts import Role
from pipeline.hub.projects import HubProject
from pipeline.project.folder import Project, create_project, open_project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.settings import Settings, write_settings
from pipeline.store import Assignment, open_project_store
from pipeline.votes.words import Round

__all__ = ["annotation_page", "hub_benchmark", "hub_folder", "postgres", "proxy"]

ANNOTATORS = ("Ada", "ben", "cleo")
IN_A_BROWSER = "zoe"
#: Seconds for a test with the hubs and sessions that it starts, each of which may take minutes on a busy machine.
TEST_TIMEOUT_S = 900
#: Milliseconds for a page to do what a person asked.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a test of a real hub take as long as hubs and sessions take to start."""
    for item in items:
        if item.get_closest_marker("hub") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S))


@pytest.fixture(scope="session")
def running(hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    """Return a running hub: people of every role in the first project, two annotators in each of two further ones.

    Uma has a part in two. In the last one sessions are light. Pia is there to be given further roles.
    """
    project = hub_benchmark.make_project(hub_folder, 12, ANNOTATORS, n_filled=2)
    pack_examples(project)  # its own images
    with open_project_store(project) as store:
        store.add_annotators([IN_A_BROWSER])
        store.assign(Round.ANNOTATION, [Assignment(IN_A_BROWSER, i) for i in range(4)])
    (hub_folder / "second").mkdir(mode=0o711)
    fish = hub_benchmark.make_project(hub_folder / "second", 4, ("eve", "uma"))
    (hub_folder / "third").mkdir(mode=0o711)
    light = hub_benchmark.make_project(hub_folder / "third", 4, ("lea", "lou"))
    write_settings(light.settings.with_changes("hub", sessions="light"), light.root / "mlf.toml")
    light = open_project(light.root)
    in_light = {name: [Role.ANNOTATORS] for name in ("lea", "lou")}
    in_fish = {name: [Role.ANNOTATORS] for name in ("eve", "uma")}
    people = {name: [Role.ANNOTATORS] for name in (*ANNOTATORS, IN_A_BROWSER)}
    people |= {"maria": [Role.RESEARCHERS], "tom": [Role.REVIEWERS], "uma": [Role.REVIEWERS]}
    people["pia"] = [Role.ANNOTATORS]
    configure(hub_folder / "hub")
    further = [HubProject("fish", "fish", fish, in_fish), HubProject("finch", "finch", light, in_light)]
    with hub_benchmark.running_hub(project, people, hub_folder / "hub", proxy, further=further) as hub:
        yield SimpleNamespace(hub=hub, project=project, fish=fish, light=light)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Chromium, started once for each module."""
    with sync_playwright() as playwright:
        launched = launch_chromium(playwright)
        yield launched
        launched.close()


@pytest.fixture
def needs_root() -> None:
    """Skip where sessions cannot get accounts of their own."""
    if os.geteuid() != 0:
        pytest.skip("sessions get accounts of their own only where the hub runs as root")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs the command `mlf hub`, with everything but the Hub's own process."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "configurable-http-proxy").write_text("#!/bin/sh\n")
    (programs / "configurable-http-proxy").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr("pipeline.hub.launch.run_hub", lambda _prepared: 0)

    def give(project: Project, state: Path, *options: str) -> Result:
        return CliRunner().invoke(app, ["hub", str(project.root), "--state", str(state), "--port", "0", *options])

    return give


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project without images, for those who only need one to have accounts for."""
    return create_project(tmp_path / "project", Settings(), label_space_from_keys(["a", "b"]))
