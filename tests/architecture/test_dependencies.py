"""What is imported is declared, and the conda environment says what pyproject.toml says."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: Packages whose name on conda-forge differs from the one on PyPI.
PYPI_NAMES = {"pytorch": "torch", "python-build": "build", "matplotlib-base": "matplotlib", "ray-core": "ray"}
#: What conda can install and pip cannot.
BESIDE_PYTHON = {"python", "pip", "nodejs", "configurable-http-proxy"}


@pytest.fixture(scope="session")
def project(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return content


def named(requirements: list[str]) -> dict[str, str]:
    """Return a mapping from name to versions, without multilabelfy itself."""
    parsed = [Requirement(text) for text in requirements]
    return {str(canonicalize_name(r.name)): str(r.specifier) for r in parsed if r.name != "multilabelfy"}


def installed_by_make(project: dict[str, Any]) -> dict[str, str]:
    """Return what `pip install -e ".[dev]"` asks for."""
    extras = project["optional-dependencies"]
    own = next(Requirement(text) for text in extras["dev"] if text.startswith("multilabelfy["))
    return named([*project["dependencies"], *extras["dev"], *(r for extra in own.extras for r in extras[extra])])


def test_the_conda_environment_has_the_same_dependencies(root: Path, project: dict[str, Any]) -> None:
    listed = yaml.safe_load((root / "environment.yml").read_text(encoding="utf-8"))
    from_pip = next(entry["pip"] for entry in listed["dependencies"] if isinstance(entry, dict))
    from_conda = named([entry for entry in listed["dependencies"] if isinstance(entry, str)])
    conda = {PYPI_NAMES.get(name, name): versions for name, versions in from_conda.items() if name not in BESIDE_PYTHON}
    assert listed["channels"] == ["conda-forge"]
    assert from_pip[-1] == "-e ."
    assert conda | named(from_pip[:-1]) == installed_by_make(project)
    assert set(conda) & set(named(from_pip[:-1])) == set()
    assert from_conda["python"] == project["requires-python"]


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("pipeline", ("clip", "heic", "hub", "ray")),
        ("mlf_widgets", ()),
        ("tests", ("clip", "dev", "hub", "postgres", "ray", "s3")),
        ("benchmarks", ("clip", "dev", "hub")),
    ],
)
def test_every_package_that_is_imported_is_declared(
    folder: str, extras: tuple[str, ...], root: Path, project: dict[str, Any]
) -> None:
    requirements = [*project["dependencies"], *(r for extra in extras for r in project["optional-dependencies"][extra])]
    declared = {*named(requirements)}
    distributions = packages_distributions()
    siblings = {path.stem for beside in ("tests", "benchmarks", "docs") for path in (root / beside).rglob("*.py")}
    own = {"pipeline", "mlf_widgets", "hatch_build"} | (siblings if folder in {"tests", "benchmarks"} else set())
    missing = {
        f"{path.relative_to(root)}: {name}"
        for path in (root / folder).rglob("*.py")
        for name in top_level_imports(path)
        if name not in own and not {str(canonicalize_name(d)) for d in distributions.get(name, [name])} & declared
    }
    assert missing == set()


def top_level_imports(path: Path) -> set[str]:
    """Return the packages outside the standard library that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names)
