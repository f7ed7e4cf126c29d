"""A wheel works without the source code: built widgets, weights, migrations and notebooks are in it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built as `pip wheel .` builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(root)],
        env=os.environ | {"PIP_RETRIES": "20"},  # pip fetches what it builds with
        check=True,
        stdin=subprocess.DEVNULL,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel's content and nothing of the source code."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run_installed(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run this Python with the wheel's packages before all others, away from the source code."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=installed, env=environment, capture_output=True, text=True, check=False
    )


def test_it_holds_all_that_the_program_reads_at_run_time(wheel: Path, root: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    widgets = [path.parent.name for path in (root / "mlf_widgets" / "frontend" / "src").glob("*/index.ts")]
    weights = [path.name for path in (root / "pipeline" / "toybox" / "weights").iterdir()]
    notebooks = [path.name for path in (root / "notebooks").glob("*.ipynb")]
    assert {f"mlf_widgets/static/{name}.js" for name in widgets} <= names
    assert {f"mlf_widgets/static/{name}.css" for name in widgets} <= names
    assert {f"pipeline/toybox/weights/{name}" for name in weights} <= names
    assert {f"pipeline/notebooks/{name}" for name in notebooks} <= names
    assert {"pipeline/store/migrations/script.py.mako", "pipeline/store/migrations/versions/0001_first.py"} <= names
    assert "pipeline/deploy/jupyterhub/jupyterhub_config.py" in names
    assert "pipeline/deploy/kubernetes/values.yaml" in names
    assert "pipeline/hub/templates/home.html" in names
    assert all((widgets, weights, notebooks))


def test_it_holds_nothing_else(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"pipeline", "mlf_widgets", f"{wheel.name.split('-')[0]}-{wheel.name.split('-')[1]}.dist-info"}
    assert not [name for name in zipfile.ZipFile(wheel).namelist() if "frontend" in name or name.endswith(".ts")]


def test_its_command_line_runs_and_finds_its_own_notebooks_weights_and_hub(installed: Path) -> None:
    shown = run_installed(installed, "-m", "pipeline.cli", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "mlf propose" in shown.stdout
    script = (
        "from pipeline.hub.config_file import deploy_file\n"
        "from pipeline.runs.notebook_files import notebook_path\n"
        "from pipeline.toybox.checkpoints import toybox_checkpoint\n"
        "print(notebook_path('1_propose.ipynb'), toybox_checkpoint(), sep='\\n')\n"
        "print(deploy_file('jupyterhub/jupyterhub_config.py'), deploy_file('kubernetes/values.yaml'), sep='\\n')"
    )
    found = run_installed(installed, "-c", script)
    assert found.returncode == 0, found.stderr
    assert all(Path(line).is_relative_to(installed) for line in found.stdout.splitlines())


def test_a_store_is_made_with_the_migrations_of_the_wheel(installed: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pipeline.store import open_store\n"
        "store = open_store(sys.argv[1], 3)\n"
        "print(store.__class__.__name__, Path(sys.modules['pipeline'].__file__).is_relative_to(sys.argv[2]))"
    )
    done = run_installed(installed, "-c", script, f"sqlite:///{tmp_path / 'store.sqlite'}", str(installed))
    assert done.stdout.split() == ["SqlStore", "True"], done.stderr
