"""Ending what a hub left behind that was itself killed: it would hold the ports, and nobody has its tokens any more."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

_PATIENCE_S = 20.0


def end_left_over(state: Path) -> None:
    """End the Hub and the proxy that a hub's folder still names as running.

    Parameters
    ----------
    state
        The hub's folder. Its own `mlf hub` must not be running.
    """
    _end(state / "private" / "hub.pid", b"jupyterhub")
    _end(state / "private" / "proxy.pid", b"configurable-http-proxy")


def _end(pid_file: Path, word: bytes) -> None:
    """End the process of this pid, unless the number has become somebody else's."""
    try:
        pid = int(pid_file.read_text())
        if word not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    deadline = time.monotonic() + _PATIENCE_S
    while _runs(pid, word):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.05)


def _runs(pid: int, word: bytes) -> bool:
    try:
        return word in Path(f"/proc/{pid}/cmdline").read_bytes()  # empty for one that has ended and is not yet reaped
    except OSError:
        return False
