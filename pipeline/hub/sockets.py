"""The folder of the sockets of a hub's kernels: outside the state of the hub, since a socket must have a short path."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from pipeline.errors import ProjectError

_LONGEST_BASE = 25


def sockets_path(state: Path) -> Path:
    """Return where the sockets of the hub in `state` lie; makes nothing.

    A socket's whole path may have 107 bytes, of which the names below this folder take 56.
    """
    base = Path("/run") if os.geteuid() == 0 and os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
    if len(os.fsencode(base)) > _LONGEST_BASE:  # batch systems give long ones
        base = Path("/tmp")  # noqa: S108 - whose owner is looked at before anything is put there
    return base / f"mlf-{os.geteuid()}-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:10]}"


def make_sockets_folder(path: Path) -> None:
    """Make the folder, through which all accounts may pass and in which they see nothing.

    Raises
    ------
    ProjectError
        If somebody else was there first.
    """
    path.mkdir(mode=0o711, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ProjectError(f"{path} belongs to another account; remove it, and start again")
    path.chmod(0o711)
