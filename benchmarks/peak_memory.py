"""The peak memory of a process: shared by the benchmarks, which run as scripts in this folder."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_mb() -> float:
    """Return the peak of this process's resident memory, in MB.

    On Linux it is read for this process's own address space: `getrusage` there would also count the peak of the parent
    that spawned it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
