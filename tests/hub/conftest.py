"""A real JupyterHub with the real service, on a small project, and people who use it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role

SOURCE_ROOT = Path(__file__).parents[2]
ANNOTATORS = ("Ada", "ben", "cleo")


@pytest.fixture(scope="session")
def hub_benchmark() -> ModuleType:
    """Return `benchmarks/hub.py`: what drives a hub there drives it here."""
    spec = importlib.util.spec_from_file_location("hub_benchmark", SOURCE_ROOT / "benchmarks" / "hub.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hub_benchmark"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def hub_folder() -> Iterator[Path]:
    """Return a folder that other accounts may pass through; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="mlf-hub-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def proxy(hub_benchmark: ModuleType, hub_folder: Path) -> str:
    """Return configurable-http-proxy."""
    try:
        return hub_benchmark.installed_proxy(hub_folder / "proxy")
    except (ProjectError, OSError) as error:
        pytest.skip(f"no configurable-http-proxy: {error}")


@pytest.fixture(scope="session")
def running(hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    """Return a running hub with its project: three annotators, a researcher, a reviewer."""
    project = hub_benchmark.make_project(hub_folder, 12, ANNOTATORS)
    people = {name: [Role.ANNOTATORS] for name in ANNOTATORS}
    people |= {"maria": [Role.RESEARCHERS], "tom": [Role.REVIEWERS]}
    with hub_benchmark.running_hub(project, people, hub_folder / "hub", proxy) as hub:
        yield SimpleNamespace(hub=hub, project=project)


@pytest.fixture
def needs_root() -> None:
    """Skip where sessions cannot get accounts of their own."""
    if os.geteuid() != 0:
        pytest.skip("sessions get accounts of their own only where the hub runs as root")
