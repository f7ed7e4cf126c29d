"""Ending the processes that a killed hub left behind: they would hold its ports, and nobody has their tokens now."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ProjectError

_PATIENCE_S = 20.0
#: A server that is asked to end has nothing to save: whatever is not in the store yet waits in its owner's browser.
_SERVER_PATIENCE_S = 3.0


def end_left_over(state: Path) -> None:
    """End the Hub and the proxy that a hub's folder still lists as running.

    Parameters
    ----------
    state
        The hub's folder. Its own `mlf hub` must not be running.
    """
    _end(state / "private" / "hub.pid", b"jupyterhub")
    _end(state / "private" / "proxy.pid", b"configurable-http-proxy")


@dataclass(frozen=True, slots=True)
class LeftServer:
    """What is known about a person's server that may still be running.

    Attributes
    ----------
    name
        Whose it is.
    home
        Their folder in this hub. The Hub starts all their processes with it as HOME, and no other hub uses it.
    pids
        Processes that the Hub's records list as this server; only those that were started for `name` really are.
    """

    name: str
    home: Path
    pids: Collection[int] = ()


def end_servers(servers: Collection[LeftServer]) -> None:
    """End what is still running of people's servers: the servers, their kernels, and whatever these started.

    Raise `ProjectError` if a process cannot be ended.
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


def left_under(uid: int) -> dict[int, str]:
    """Return what runs under a numeric account after its sessions have ended: process number to command line.

    It may have left its session, and forgotten whose it was. It is not ended here: systemd gives numbers of the same
    range to services of its own.
    """
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if folder.stat().st_uid == uid and (command := (folder / "cmdline").read_bytes()):
                found[int(folder.name)] = command.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return found


def _processes_of(servers: Collection[LeftServer]) -> dict[int, str]:
    """Return the processes of these servers, and whose each one is."""
    at_home = {os.fsencode(f"HOME={each.home}"): each.name for each in servers}
    recorded = {(pid, os.fsencode(f"JUPYTERHUB_USER={each.name}")): each.name for each in servers for pid in each.pids}
    found = {}
    for folder in Path("/proc").glob("[0-9]*") if servers else ():
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")  # empty for a process not yet reaped
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
    """End the process with this pid, unless the number now belongs to another process."""
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
        return word in Path(f"/proc/{pid}/cmdline").read_bytes()  # empty for one that has ended but is not yet reaped
    except OSError:
        return False
