"""What a real JupyterHub in a test needs: a folder, the proxy, a built browser half, PostgreSQL."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.errors import ProjectError

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))

from serving import PostgresServer, start_postgres

SOURCE_ROOT = Path(__file__).parents[2]


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
    """Return a folder that other accounts may enter; pytest's own folders are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="mlf-hub-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def proxy(hub_benchmark: ModuleType, hub_folder: Path) -> str:
    """Return the path of configurable-http-proxy."""
    try:
        return hub_benchmark.installed_proxy(hub_folder / "proxy")
    except (ProjectError, OSError) as error:
        pytest.skip(f"no configurable-http-proxy: {error}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a running PostgreSQL server, or skip where the machine has none."""
    server = start_postgres()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def annotation_page(hub_benchmark: ModuleType) -> None:
    """Skip where there is nothing for a browser to show."""
    if not (SOURCE_ROOT / "mlf_widgets" / "static" / "annotator.js").exists():
        pytest.skip("the browser half of the widgets is not built; run `make setup`")
