"""Ending what a hub left behind that was itself killed: it would hold the ports, and nobody has its tokens any more."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ProjectError

_PATIENCE_S = 20.0
#: A server that is asked to end saves nothing: whatever is not in the store waits in its owner's browser.
_SERVER_PATIENCE_S = 3.0


def end_left_over(state: Path) -> None:
    """End the Hub and the proxy that a hub's folder still names as running.

    Parameters
    ----------
    state
        The hub's folder. Its own `mlf hub` must not be running.
    """
    _end(state / "private" / "hub.pid", b"jupyterhub")
    _end(state / "private" / "proxy.pid", b"configurable-http-proxy")


@dataclass(frozen=True, slots=True)
class LeftServer:
    """What is known of a person's server that may still run.

    Attributes
    ----------
    name
        Whose it is.
    home
        Their folder in this hub. The Hub starts everything of theirs with it as HOME, and no other hub has it.
    pids
        Processes that the Hub's records name as this server; only those that were started for `name` are.
    """

    name: str
    home: Path
    pids: Collection[int] = ()


def end_servers(servers: Collection[LeftServer]) -> None:
    """End what still runs of people's servers: themselves, their kernels, and what was started from them.

    Raises
    ------
    ProjectError
        If a process does not end.
    """
    found: dict[int, str] = {}
    for number in (signal.SIGTERM, signal.SIGKILL):
        asked: set[int] = set()
        deadline = time.monotonic() + _SERVER_PATIENCE_S
        while found := _processes_of(servers):
            for pid in found.keys() - asked:
                asked.add(pid)
                _signal(pid, number)
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
    for pid, name in found.items():
        raise ProjectError(f"the session of {name!r} does not end (process {pid}); end it, and start the hub again")


def _processes_of(servers: Collection[LeftServer]) -> dict[int, str]:
    """Return the processes of these servers, and whose they are."""
    at_home = {os.fsencode(f"HOME={each.home}"): each.name for each in servers}
    recorded = {(pid, os.fsencode(f"JUPYTERHUB_USER={each.name}")): each.name for each in servers for pid in each.pids}
    found = {}
    for folder in Path("/proc").glob("[0-9]*") if servers else ():
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")  # empty for one that is not yet reaped
        except OSError:  # it has ended, or is another account's
            continue
        pid = int(folder.name)
        for setting in environment:
            name = at_home.get(setting) or recorded.get((pid, setting))
            if name is not None:
                found[pid] = name
    return found


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


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
