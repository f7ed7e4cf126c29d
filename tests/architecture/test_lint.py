"""Format, rules and types of both halves, as `make lint` checks them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def run(*command: str, folder: Path) -> None:
    """Run a checker; what it finds is the message of the failure."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_python_keeps_the_rules(root: Path) -> None:
    run(sys.executable, "-m", "ruff", "check", "--quiet", folder=root)


def test_python_is_formatted(root: Path) -> None:
    run(sys.executable, "-m", "ruff", "format", "--check", "--quiet", folder=root)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_python_types_are_strict_and_right(root: Path) -> None:
    run(sys.executable, "-m", "mypy", folder=root)


def test_typescript_types_are_strict_and_right_and_it_keeps_the_rules(root: Path) -> None:
    npm = shutil.which("npm")
    frontend = root / "mlf_widgets" / "frontend"
    if npm is None or not (frontend / "node_modules").is_dir():
        pytest.skip("no npm, or the browser half's packages are not installed: make setup")
    run(npm, "run", "--silent", "check", folder=frontend)
