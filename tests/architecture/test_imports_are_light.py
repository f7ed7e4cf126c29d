"""What an annotator's kernel and the command line load when they start."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("matplotlib", "nbconvert", "pandas", "papermill", "ray", "scipy", "sklearn", "timm", "torch")


@pytest.mark.parametrize(
    "module",
    [
        "pipeline",
        "pipeline.cli",
        "pipeline.annotation.session",
        "pipeline.formats.votes_in",
        "pipeline.votes.words",
        "pipeline.sessions.local",
        "pipeline.service.client",
        "mlf_widgets",
    ],
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    script = f"import sys, {module}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_packages_themselves_load_no_more_than_they_say() -> None:
    script = "import sys; before = set(sys.modules); import pipeline; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['pipeline']"


def test_help_of_the_command_line_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from pipeline.cli import app\n"
        "app(['propose', '--help'], standalone_mode=False)\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Usage" in done.stdout
    assert done.stderr.strip() == "[]"
