"""The source tree as the architecture tests see it: files, modules, what imports what."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One Python file of the packages.

    Attributes
    ----------
    name
        The name it is imported by.
    path
        Its file.
    imports
        Every name that it imports when it runs, at the top or in a function; of `from a import b` both `a` and `a.b`.
    docstring
        Its docstring; None where it has none.
    """

    name: str
    path: Path
    imports: frozenset[str]
    docstring: str | None


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the source code."""
    return ROOT


@pytest.fixture(scope="session")
def tracked_files() -> tuple[Path, ...]:
    """Return every file of the source code that git keeps or would keep; ignored files are left out."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    paths = (ROOT / name for name in sorted(set(listed.stdout.split("\0")) - {""}))
    return tuple(path for path in paths if path.is_file())


@pytest.fixture(scope="session")
def modules() -> dict[str, Module]:
    """Return the modules of `pipeline` and `mlf_widgets` by name."""
    found = {}
    for package in ("pipeline", "mlf_widgets"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "node_modules" not in path.parts:
                module = read_module(path, ROOT)
                found[module.name] = module
    assert len(found) > 100
    return found


def read_module(path: Path, root: Path) -> Module:
    """Read one Python file."""
    parts = path.relative_to(root).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return Module(name, path, frozenset(_imports(tree)), ast.get_docstring(tree))


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from _imports(child)
