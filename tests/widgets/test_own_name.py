"""A researcher's own `pipeline` beside the notebook: our package has the same, very common name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["file", "package", "folder"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a folder with somebody else's `pipeline`."""
    if request.param == "file":
        (tmp_path / "pipeline.py").write_text("theirs = True\n")
    else:
        (tmp_path / "pipeline").mkdir()
        name = "__init__.py" if request.param == "package" else "steps.py"
        (tmp_path / "pipeline" / name).write_text("theirs = True\n")
    return tmp_path


def python(lab: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code as a kernel does: with the notebook's folder before all packages."""
    first = f"import sys; sys.path[:0] = ['', {str(ROOT)!r}]\n"
    return subprocess.run(
        [sys.executable, "-c", first + code], cwd=lab, capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_widgets_open_all_the_same(lab: Path) -> None:
    done = python(
        lab, "from mlf_widgets import open_annotator\nimport pipeline.errors\nprint(pipeline.errors.__file__)"
    )
    assert done.stdout.strip() == str(ROOT / "pipeline" / "errors.py"), done.stderr


def test_what_is_missed_in_ours_is_told_with_the_file_that_has_its_name(lab: Path) -> None:
    if (lab / "pipeline" / "steps.py").exists():
        return  # a folder without `__init__.py` hides no package that comes after it
    done = python(lab, "import mlf_widgets\nimport pipeline\npipeline.theirs")
    last = done.stderr.strip().splitlines()[-1]
    assert "multilabelfy's `pipeline` has no 'theirs'" in last
    assert str(lab / "pipeline") in last
    assert "rename it" in last


def test_one_that_was_imported_first_is_named_in_one_line(lab: Path) -> None:
    done = python(lab, "import pipeline\nfrom mlf_widgets import open_annotator")
    if (lab / "pipeline" / "steps.py").exists():
        assert done.returncode == 0, done.stderr
        return
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "pipeline" in last
    assert "was imported first" in last


def test_the_command_runs_beside_it_and_with_it_on_the_path(lab: Path) -> None:
    code = "import sys; sys.argv = ['mlf', '--version']; from mlf_widgets.command import main; main()"
    done = python(lab, code, PYTHONPATH=str(lab))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("multilabelfy ")


def test_every_notebook_finds_ours_first() -> None:
    import nbformat

    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        lines = [line for source in cells for line in source.splitlines() if line.startswith(("import ", "from "))]
        ours = [line for line in lines if line.split()[1].split(".")[0] in {"pipeline", "mlf_widgets"}]
        assert ours[0].split()[1].startswith("mlf_widgets"), path.name
