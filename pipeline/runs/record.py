"""The record that an executed notebook keeps of its own run: parameters, versions, and hashes of code and data."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pipeline
from pipeline.project.files import sha256_of
from pipeline.project.folder import SETTINGS_FILE, Project
from pipeline.project.history import HISTORY_FILE
from pipeline.project.state import project_state
from pipeline.runs.parameters import Parameter

if TYPE_CHECKING:
    from nbformat import NotebookNode

_PACKAGES = (
    "ipykernel", "matplotlib", "nbconvert", "numpy", "pandas", "papermill", "pillow", "pyarrow", "scipy", "sqlalchemy",
    "timm", "torch", "torchvision",
)  # fmt: skip
_CODE_ROOT = Path(__file__).parents[2]
_CODE_PACKAGES = ("pipeline", "mlf_widgets")


def run_record(
    project: Project, stage: str, notebook: NotebookNode, parameters: Mapping[str, Parameter]
) -> dict[str, object]:
    """Return what is known before a run starts, for the executed notebook's metadata under `mlf`.

    Parameters
    ----------
    project
        The project whose tables are hashed.
    stage, notebook, parameters
        What is about to run.
    """
    state = project_state(project)
    return {
        "stage": stage,
        "state": {"number": state.number, "seal": state.last.seal if state.last else "", "text": str(state)},
        "parameters": dict(parameters),
        "code": {"notebook_sha256": notebook_hash(notebook), "packages_sha256": packages_hash()},
        "data_sha256": {name: sha256_of(path) for name, path in _inputs(project, parameters)},
        "versions": versions(),
    }


def notebook_hash(notebook: NotebookNode) -> str:
    """Return the SHA-256 of a notebook's code cells; the text around them and the outputs do not count."""
    digest = hashlib.sha256()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            digest.update(cell.source.encode() + b"\0")
    return digest.hexdigest()


def packages_hash() -> str:
    """Return the SHA-256 of this software's own Python code, file names included."""
    digest = hashlib.sha256()
    for package in _CODE_PACKAGES:
        for path in sorted((_CODE_ROOT / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                digest.update(path.relative_to(_CODE_ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python, of this software and of the packages that its figures depend on."""
    found = {"python": platform.python_version(), "multilabelfy": pipeline.__version__}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _inputs(project: Project, parameters: Mapping[str, Parameter]) -> Iterable[tuple[str, Path]]:
    """Yield each file that the run reads, with the name it is recorded by; not the store, a log that keeps growing."""
    tables = [project.root / SETTINGS_FILE, project.root / HISTORY_FILE, *sorted(project.root.glob("*.parquet"))]
    for folder in (project.predictions_dir, project.results_dir):
        tables += sorted(folder.glob("*.parquet"))
    for path in tables:
        if path.is_file():
            yield path.relative_to(project.root).as_posix(), path
    for name, value in parameters.items():
        for number, text in enumerate(value if isinstance(value, list) else [value], start=1):
            if isinstance(text, str) and text and name != "project" and _is_file(text):
                yield f"parameter {name}" + (f" {number}" if isinstance(value, list) else ""), Path(text)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:
        return False
