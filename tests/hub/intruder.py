"""Code under the account of somebody's session: what researchers may run, and annotators if a session lets them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import psutil

from pipeline.hub.launch import PreparedHub


def session_process(hub: PreparedHub, name: str) -> psutil.Process:
    """Return the server process of somebody's session."""
    home = f"{hub.state}/homes/{name}"
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == home and "single_user" in " ".join(process.cmdline()):
                return process
        except (psutil.Error, OSError):
            continue
    raise LookupError(f"no session of {name}")


def start_as(hub: PreparedHub, name: str, code: str) -> subprocess.Popen[str]:
    """Start code under somebody's account, with the environment of their running session."""
    server = session_process(hub, name)
    environment = server.environ()
    account = hub.accounts[name].uid if hub.use_own_uids else os.geteuid()
    return subprocess.Popen(
        [server.cmdline()[0], "-c", code],
        env=environment,
        user=account,
        group=account,
        extra_groups=[],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_as(hub: PreparedHub, name: str, code: str) -> Any:
    """Run code under somebody's account; returns the JSON that it printed after the word RESULT."""
    process = start_as(hub, name, code)
    printed, complaint = process.communicate(timeout=120)
    assert process.returncode == 0, complaint
    return json.loads(printed.split("RESULT", 1)[1])
