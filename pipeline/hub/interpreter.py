"""The Python of the sessions: one that accounts other than the Hub's may run."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.errors import ProjectError

_REMEDY = "install Python and multilabelfy below /opt, or name a Python with --session-python"
_SHARED = ("lib", "share", "etc")


def server_interpreter(folder: Path) -> str:
    """Return an interpreter that any account may run, with the packages of this one.

    That is this interpreter if its whole path is open to others. If it lies in somebody's closed home, as those of
    pyenv and conda often do, it is the system's Python of the same version with this one's packages.

    Parameters
    ----------
    folder
        A folder in which such an environment may be made.

    Raises
    ------
    ProjectError
        If there is neither.
    """
    closed = closed_folder(Path(sys.executable))
    if closed is None:
        return sys.executable
    system = Path("/usr/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path(sys.prefix) / "lib"
    if sys.prefix == sys.base_prefix or not system.exists() or closed_folder(packages / "x") is not None:
        raise ProjectError(
            f"the Python interpreter lies at {Path(sys.executable).resolve()}, and {closed} is closed to other "
            f"accounts, so sessions under accounts of their own cannot start; {_REMEDY}, or give --share-account, "
            "which leaves the store unprotected"
        )
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    _point(python, system)
    (folder / "pyvenv.cfg").write_text(
        f"home = {system.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    for name in _SHARED:
        _point(folder / name, Path(sys.prefix) / name)
    return str(python)


def closed_folder(path: Path) -> Path | None:
    """Return the first folder above `path`, links followed or not, that other accounts may not enter, or None."""
    for start in (path.absolute(), path.resolve()):
        for folder in reversed(start.parents):
            if folder.exists() and not folder.stat().st_mode & 0o001:
                return folder
    return None


def _point(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
