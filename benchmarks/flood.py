"""What others notice while one person floods the service: the latency of their saves, without and during each flood.

    python benchmarks/flood.py --annotators 50 --seconds 15
    python benchmarks/flood.py --annotators 50 --seconds 15 --socket --floods none,mixed,connections

With `--socket` the service listens as in a hub; the flooder, if this runs as root, then has an account of its own. The
flooder is a process of its own, whose token lets it do all that annotators and researchers may; what it does is in
`tests/service/flooding.py`.
All rows come from one run, one after another, each with a service and a store of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "service"))
sys.path.insert(0, str(Path(__file__).parent))

from flooding import KINDS, Flood
from service import N_IMAGES_EACH, Load, project_with
from serving import ServiceProcess, StubHub

from pipeline.store import Assignment, open_store
from pipeline.votes.words import Round

FLOODER = "flooder"
FLOODS = ("none", *KINDS)
_OTHER_ACCOUNT = 65_534
_LARGE_REPORT = 8_000_000  # as large as an explorer of 10,000 images


def main() -> None:
    """Measure each flood, and print a row for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--floods", default=",".join(FLOODS), help="which, separated by commas (default: all)")
    parser.add_argument("--socket", action="store_true", help="through a Unix socket, as in a hub, instead of a port")
    given = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    print("| flood | saves of others | kept | p50 ms | p95 ms | p99 ms | errors | answers to the flooder |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for flood in given.floods.split(","):
        print(f"| {' | '.join(map(str, measure(flood, given.annotators, given.seconds, given.socket)))} |", flush=True)


def measure(flood: str, annotators: int, seconds: int, by_socket: bool = False) -> tuple[object, ...]:
    """Run a service with annotators and, unless it is to be quiet, one flood; return the row of the table."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as outside,
        project_with(annotators, Path(folder), False) as (project, _),
    ):
        Path(outside).chmod(0o711)
        socket = Path(outside) / "service.sock" if by_socket else None
        uid = _OTHER_ACCOUNT if by_socket and os.geteuid() == 0 else None
        with open_store(project.store_url, len(project.label_space)) as store:
            store.add_annotators([FLOODER])
            store.assign(Round.ANNOTATION, [Assignment(FLOODER, i) for i in range(N_IMAGES_EACH)])
        project.reports_dir.mkdir(exist_ok=True)
        (project.reports_dir / "large.html").write_bytes(b"x" * _LARGE_REPORT)
        with StubHub() as hub:
            hub.add(FLOODER, ["annotators", "researchers"])
            for i in range(annotators):
                hub.add(f"sim{i:04d}", ["annotators"])
            with (
                ServiceProcess(project, hub, socket=socket) as service,
                Flood(flood, service.url, f"token-{FLOODER}", uid) as flooder,
            ):
                load = Load(service.url, annotators, seconds, seed=0)
                asyncio.run(load.run())
        with open_store(project.store_url, len(project.label_space)) as store:
            kept = {event.event_id for event in store.iter_events()}
    n_kept = len(kept & set(load.acknowledged))
    p50, p95, p99 = np.percentile(load.latencies_ms, [50, 95, 99]).round(1)
    return (
        flood,
        load.n_sent,
        f"{n_kept} of {len(load.acknowledged)}",
        p50,
        p95,
        p99,
        sum(load.errors.values()),
        flooder.told,
    )


if __name__ == "__main__":
    main()
