"""A port that nobody else takes between the moment it is chosen and the moment its server listens."""

from __future__ import annotations

import socket


def hold_port() -> socket.socket:
    """Return a socket bound to a free port of 127.0.0.1: nobody else is given it until it is closed.

    Servers get it all the same, on Linux: they set SO_REUSEADDR, as this does, and nobody listens here.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
