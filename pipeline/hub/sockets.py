"""The sockets of a hub: all in one folder, outside the hub's state because the path of a socket must be short.

Only the front door of a hub listens on a port. A port belongs to whoever binds it first: anyone who grabbed it while a
service was restarting would be taken for that service. A socket in a folder that only the Hub's account may change
cannot be taken over like that, even while nothing listens there.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pipeline.errors import ProjectError

#: In bytes: with our folder's name, of at most 26, and the names below it, the path then stays within 107.
_LONGEST_BASE = 25
_SCHEME = "http+unix"


@dataclass(frozen=True, slots=True)
class HubSockets:
    """Where all parts of one hub are reached.

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
        """Return the socket through which the Hub, and nobody else, tells the proxy its routes."""
        return self.folder / "proxy.sock"

    def service(self, key: str = "") -> Path:
        """Return the socket of a project's annotation service; whoever connects needs a token or a log-in."""
        return self.folder / (f"service-{key}.sock" if key else "service.sock")

    @property
    def log(self) -> Path:
        """Return the socket through which the Hub, and nobody else, hands on what sessions print."""
        return self.folder / "log.sock"

    def session(self, uid: int, key: str = "") -> Path:
        """Return the socket of somebody's server in a project, in a folder that is closed to everyone else."""
        return self.folder / str(uid) / (f"server-{key}.sock" if key else "server.sock")

    def reached(self, uid: int, key: str = "") -> Path:
        """Return the second name of that socket, by which Hub and proxy reach it: its owner cannot change this one."""
        return self.folder / (f"{uid}-{key}.sock" if key else f"{uid}.sock")


def socket_url(path: Path) -> str:
    """Return the address of a socket as JupyterHub, its proxy and our client write it."""
    return f"{_SCHEME}://{quote(str(path), safe='')}"


def socket_of(url: str) -> tuple[str, str] | None:
    """Return the socket that an address names, and the path after it; None for an address with a host."""
    parts = urlsplit(url)
    return (unquote(parts.netloc), parts.path) if parts.scheme == _SCHEME else None


def sockets_path(state: Path) -> Path:
    """Return where the sockets of the hub in `state` lie; create nothing.

    The whole path of a socket may have 107 bytes; the names below this folder take 56 of them.
    """
    base = Path("/run") if os.geteuid() == 0 and os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
    if len(os.fsencode(base)) > _LONGEST_BASE:  # batch systems use long ones
        base = Path("/tmp")  # noqa: S108 - the owner of our folder in it is checked before use
    return base / f"mlf-{os.geteuid()}-{hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:10]}"


def make_sockets_folder(path: Path) -> None:
    """Make the folder; all accounts may pass through it, but cannot list it.

    Raises
    ------
    ProjectError
        If somebody else made it first.
    """
    path.mkdir(mode=0o711, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise ProjectError(f"{path} belongs to another account; remove it, and start again")
    path.chmod(0o711)


def give_second_name(own: Path, named: Path, uid: int) -> None:
    """Give somebody's socket a second name, in a folder where they can change nothing.

    Hub and proxy may open every socket of the machine. They must not go where a link in the owner's folder leads. A
    second name that the socket has already stays, and so does that of another socket until this one can be named.

    Parameters
    ----------
    own
        The socket where its owner made it.
    named
        The second name, on the same file system.
    uid
        Whose socket it must be.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    OSError
        If it is no socket of the owner's, or cannot have a second name.
    """
    with suppress(FileNotFoundError):
        if os.path.samestat(own.lstat(), named.lstat()):
            return
    new = named.with_name(f"{named.name}.new")
    new.unlink(missing_ok=True)
    os.link(own, new, follow_symlinks=False)
    try:
        found = new.lstat()
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != uid:
            raise OSError(f"{own} is no socket of its owner's")
        new.replace(named)
    finally:
        new.unlink(missing_ok=True)
