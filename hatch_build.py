"""Build hook of hatchling: builds the browser half of the widgets; puts notebooks and hub configuration into wheels."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

#: Folders of the source code that a wheel carries inside the package `pipeline`; a checkout is read where it lies.
_CARRIED_FOLDERS = {
    "notebooks": "pipeline/notebooks",
    "deploy/jupyterhub": "pipeline/deploy/jupyterhub",
    "deploy/kubernetes": "pipeline/deploy/kubernetes",
}
_CARRIED_SUFFIXES = (".ipynb", ".py", ".yaml")


class FrontendBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs npm where a bundle is missing or older than its sources; editable installs, sdists and wheels alike."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the bundles; name the folders that a wheel carries beside the code."""
        root = Path(self.root)
        frontend = root / "mlf_widgets" / "frontend"
        static = root / "mlf_widgets" / "static"
        if frontend.is_dir() and not is_up_to_date(frontend, static):
            build_frontend(frontend)
        if self.target_name == "wheel" and version != "editable":
            build_data["force_include"] |= _carried_files(root)


def widget_names(frontend: Path) -> list[str]:
    """Return the widgets of the browser half: each is a folder of `src` with an `index.ts`, and becomes one bundle."""
    return sorted(entry.parent.name for entry in (frontend / "src").glob("*/index.ts"))


def is_up_to_date(frontend: Path, static: Path) -> bool:
    """Tell whether every bundle is there and none is older than any source."""
    bundles = [static / f"{name}.js" for name in widget_names(frontend)]
    if not all(bundle.is_file() for bundle in bundles):
        return False
    sources = [path for path in (frontend / "src").rglob("*") if path.is_file()]
    sources += [frontend / "build.mjs", frontend / "package.json", frontend / "package-lock.json"]
    newest_source = max(path.stat().st_mtime for path in sources)
    return all(bundle.stat().st_mtime >= newest_source for bundle in bundles)


def build_frontend(frontend: Path) -> None:
    """Install what the browser half is built with, if need be, and build every bundle."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            "Building multilabelfy from source needs Node.js 20 or newer with npm, and no npm is on the PATH. "
            "Install it (Debian 13: `apt-get install nodejs npm`, conda: `conda install -c conda-forge nodejs`, or "
            "nodejs.org), or install a wheel, which carries the built widgets."
        )
    installed, lock = frontend / "node_modules" / ".package-lock.json", frontend / "package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        _run(npm, "ci", folder=frontend)
        installed.touch()
    _run(npm, "run", "build", folder=frontend)
    for bundle in (frontend.parent / "static").iterdir():
        os.utime(bundle)  # esbuild leaves a file alone whose content stays the same; it is up to date all the same


def _run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(
            f"`{' '.join(('npm', *command[1:]))}` in {folder} failed with exit code {done.returncode}:\n"
            f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )


def _carried_files(root: Path) -> dict[str, str]:
    return {
        str(path): f"{target}/{path.name}"
        for folder, target in _CARRIED_FOLDERS.items()
        for path in sorted((root / folder).glob("*"))
        if path.suffix in _CARRIED_SUFFIXES
    }
