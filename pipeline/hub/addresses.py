"""The address of a hub: its host, its port and the path below which it lies."""

from __future__ import annotations

import hashlib
import json
import re
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import ProjectError


def check_host(host: str) -> None:
    """Raise unless `host` is empty or the address of a web server.

    Raise `ProjectError` if it is something else, or has a path.
    """
    parts = urlsplit(host)
    if host and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/")):
        raise ProjectError(f"--host {host}: give the address by which people come, as https://hub.example.org")


def choose_base_url(path: str, name: str, state: Path) -> str:
    """Return the path below which a hub lies, the same at each start: addresses that people keep must stay.

    Parameters
    ----------
    path
        The path that was asked for; if empty, the one of the last start, at first one made of name and folder.
    name
        The project's name.
    state
        The hub's folder.

    Raises
    ------
    ProjectError
        If the path is none.
    """
    if path:
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*/?", path):
            raise ProjectError(f"--path {path}: give a path such as /birds/, of letters, digits and . _ ~ -")
        return f"{path.rstrip('/')}/"
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((state / "private" / "hub.json").read_text(encoding="utf-8"))["base_url"])
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30] or "hub"
    return f"/{word}-{hashlib.sha256(str(state).encode()).hexdigest()[:4]}/"


def free_port(port: int) -> int:
    """Return the port if it is free, or any free one for 0; raise `ProjectError` if it is taken."""
    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(("127.0.0.1", port))
        except OSError as error:
            raise ProjectError(
                f"port {port} is taken ({error}); choose another with --port, or 0 for a free one"
            ) from error
        return int(opened.getsockname()[1])
