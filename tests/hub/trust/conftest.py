"""A real hub with curious people: annotators, a researcher and a reviewer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from curious import MAX_KERNELS
from hub_fixtures import configure

from pipeline.hub.accounts import Role

ANNOTATORS = ("ada", "ben", "cleo", "dan")


@pytest.fixture(scope="package")
def place(annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, proxy: str) -> Iterator[SimpleNamespace]:
    """Return a hub with annotators, a researcher and a reviewer."""
    folder = Path(tempfile.mkdtemp(prefix="trust-", dir=hub_folder))
    folder.chmod(0o711)
    project = hub_benchmark.make_project(folder, 12, ANNOTATORS)
    project.reports_dir.mkdir(exist_ok=True)
    (project.reports_dir / "findings.html").write_text("<h1>the findings</h1>")
    people = {name: [Role.ANNOTATORS] for name in ANNOTATORS}
    people |= {"maria": [Role.RESEARCHERS], "tom": [Role.REVIEWERS]}
    # However slow this machine is, no page counts as lost while a test looks at its kernel.
    patience = "c.SessionSpawner.kernel_patience_s = 900"
    configure(folder / "hub", f"c.SessionSpawner.max_kernels = {MAX_KERNELS}", patience)
    with hub_benchmark.running_hub(project, people, folder / "hub", proxy) as hub:
        yield SimpleNamespace(
            hub=hub, project=project, tools=hub_benchmark, reports=f"{urlsplit(hub.url).path}services/mlf/reports"
        )


@pytest.fixture(scope="package")
def people(place: SimpleNamespace) -> dict[str, Any]:
    """Return Ada and Maria, logged in, with running sessions."""
    found = {name: place.tools.Person(place.hub, name) for name in ("ada", "maria")}

    def enter(person: Any) -> None:
        person.log_in()
        person.start_session()

    with ThreadPoolExecutor() as threads:
        list(threads.map(enter, found.values()))
    return found
