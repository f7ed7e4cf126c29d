"""The sockets of a hub: one folder outside its state, since a socket must have a short path, and all addresses in it.

Nothing of a hub but its front door listens on a port. A port belongs to whoever binds it first: who waited for one
while a service was started again would be taken for it. A socket in a folder that only the Hub's account may change is
what it says, also while nothing listens there.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pipeline.errors import ProjectError

_LONGEST_BASE = 25
_SCHEME = "http+unix"


@dataclass(frozen=True, slots=True)
class HubSockets:
    """Where everything of one hub is reached.

    Parameters
    ----------
    folder
        As :func:`sockets_path` returns it.
    """

    folder: Path

    @property
    def hub(self) -> Path:
        """Return the socket of the Hub's own pages and API; whoever connects needs a token or a log-in."""
        return self.folder / "hub.sock"

    @property
    def proxy(self) -> Path:
        """Return the socket by which the Hub alone tells the proxy its routes."""
        return self.folder / "proxy.sock"

    @property
    def service(self) -> Path:
        """Return the socket of the annotation service; whoever connects needs a token or a log-in."""
        return self.folder / "service.sock"

    @property
    def log(self) -> Path:
        """Return the socket by which the Hub alone hands on what sessions print."""
        return self.folder / "log.sock"

    def session(self, uid: int) -> Path:
        """Return the socket of somebody's server, in a folder that is closed to the others."""
        return self.folder / str(uid) / "server.sock"


def socket_url(path: Path) -> str:
    """Return the address of a socket as JupyterHub, its proxy and our client write it."""
    return f"{_SCHEME}://{quote(str(path), safe='')}"


def socket_of(url: str) -> tuple[str, str] | None:
    """Return the socket that an address names, and the path behind it; None for an address with a host."""
    parts = urlsplit(url)
    return (unquote(parts.netloc), parts.path) if parts.scheme == _SCHEME else None


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
