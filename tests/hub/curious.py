"""What a hub with curious people in it keeps of its parts, and how its tests are marked."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

AS_ROOT = [
    pytest.mark.hub,
    pytest.mark.slow,
    pytest.mark.xdist_group("hub"),
    pytest.mark.skipif(os.geteuid() != 0, reason="sessions get accounts of their own only where the hub runs as root"),
]
#: Fewer than by default: each takes seconds to start.
MAX_KERNELS = 3


def hub_pid(place: SimpleNamespace) -> int:
    """Return the Hub's process id, or 0 while the Hub is still writing it."""
    return int((place.hub.state / "private" / "hub.pid").read_text() or 0)


def log_of_session(place: SimpleNamespace, name: str) -> str:
    return (place.hub.state / "private" / "sessions" / f"{name}.log").read_text()
