"""What a real JupyterHub in a test needs: a folder, the proxy, a built browser half, PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role
from pipeline.hub.launch import PreparedHub, prepare_hub
from pipeline.project.folder import Project

SOURCE_ROOT = Path(__file__).parents[2]
#: Seconds for which the services of tests believe the Hub's word on a token: some tests wait for longer than that.
TOKEN_CACHE_S = 2


@pytest.fixture(scope="session")
def hub_benchmark() -> ModuleType:
    """Return `benchmarks/hub.py`: what drives a hub there drives it here."""
    return import_module("hub")


@pytest.fixture(scope="session")
def hub_folder() -> Iterator[Path]:
    """Return a folder that other accounts may enter; pytest's own folders are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="mlf-hub-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def fetch(url: str, **options: Any) -> httpx.Response:
    """Ask for a page as somebody without a browser, and wait for the answer as long as a busy machine takes."""
    return httpx.get(url, timeout=90, verify=False, **options)  # plain HTTP: no certificates to read


def whole_lines(log: Path) -> list[str]:
    """Return the lines of a log that somebody may be writing to; what is printed reaches it a moment later."""
    return log.read_text().split("\n")[:-1]


def configure(state: Path, *lines: str) -> None:
    """Write a hub's configuration before its first start: the one that everybody gets, and further lines."""
    state.mkdir(exist_ok=True)
    config = (SOURCE_ROOT / "deploy" / "jupyterhub" / "jupyterhub_config.py").read_text()
    quick = (
        "for service in c.JupyterHub.services:\n"
        f'    service.get("environment", {{}})["MLF_TOKEN_CACHE_S"] = "{TOKEN_CACHE_S}"'
    )
    (state / "jupyterhub_config.py").write_text("\n".join((config, quick, *lines, "")))


def prepare(project: Project, state: Path, people: dict[str, list[Role]], **options: Any) -> PreparedHub:
    """Prepare a hub whose people share this account, as far as one can without its proxy."""
    return prepare_hub(project, people, state=state, port=0, proxy_command=["proxy"], share_account=True, **options)


@pytest.fixture(scope="session")
def proxy(hub_benchmark: ModuleType, hub_folder: Path) -> str:
    """Return the path of configurable-http-proxy."""
    try:
        return hub_benchmark.installed_proxy(hub_folder / "proxy")
    except (ProjectError, OSError) as error:
        pytest.skip(f"no configurable-http-proxy: {error}")


@pytest.fixture(scope="session")
def annotation_page(hub_benchmark: ModuleType) -> None:
    """Skip where there is nothing for a browser to show."""
    if not (SOURCE_ROOT / "mlf_widgets" / "static" / "annotator.js").exists():
        pytest.skip("the browser half of the widgets is not built; run `make setup`")
