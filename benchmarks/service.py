"""Annotators who each save once a second through the service: latency, errors, lost votes and votes counted twice.

    python benchmarks/service.py --annotators 200 --seconds 60
    python benchmarks/service.py --annotators 200 --seconds 60 --postgres
    python benchmarks/service.py --annotators 200 --seconds 60 --postgres --processes 1,2,4
    python benchmarks/service.py --annotators 1000 --seconds 60
    python benchmarks/service.py --ladder 200,400,600,800,1000 --seconds 20

The ladder shows at which load latency starts to grow, and the processor share of each side shows why: a side at 1.0 has
no time left.

The service is the process that the Hub would start; it asks a stand-in for the Hub's API about every token. Latency is
measured in the client, from the first byte sent to the last received. Arrivals are open-loop: a slow answer only delays
the same annotator's next save, and the wait counts from the time that the save was scheduled for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "service"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from postgres_server import PostgresServer, start_postgres
from serving import ServiceProcess, StubHub, make_project, with_processes, with_store

from pipeline.hub.sockets import socket_of
from pipeline.project.folder import Project
from pipeline.store import Assignment, open_store
from pipeline.votes.words import Round

N_IMAGES_EACH = 12


@contextmanager
def project_with(annotators: int, folder: Path, postgres: bool) -> Iterator[tuple[Project, PostgresServer | None]]:
    """Yield a project in which everyone has 12 tasks, and the database server of its store if it has one."""
    project = make_project(folder)
    server = start_postgres() if postgres else None
    if server:
        project = with_store(project, server.new_database())
    names = [f"sim{i:04d}" for i in range(annotators)]
    with open_store(project.store_url, len(project.label_space)) as store:
        store.add_annotators(names, kind="simulated")
        store.assign(Round.ANNOTATION, [Assignment(name, i) for name in names for i in range(N_IMAGES_EACH)])
    try:
        yield project, server
    finally:
        if server:
            server.stop()


class Processors:
    """Processor time used by each side of a load."""

    def __init__(self, service: ServiceProcess, server: PostgresServer | None) -> None:
        self._sides = {"service": service.pid, "load itself": os.getpid()}
        if server is not None and server.process is not None:
            self._sides["database"] = server.process.pid
        self._began, self._before = time.perf_counter(), self._seconds()

    def shares(self) -> dict[str, float]:
        """Return the share of one processor that each side has used since the start."""
        took = time.perf_counter() - self._began
        return {side: round((now - self._before[side]) / took, 2) for side, now in self._seconds().items()}

    def _seconds(self) -> dict[str, float]:
        return {side: _seconds_of(psutil.Process(pid), side != "load itself") for side, pid in self._sides.items()}


def _seconds_of(process: psutil.Process, with_children: bool) -> float:
    total = 0.0
    for each in [process, *(process.children() if with_children else [])]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


class Load:
    """Simulated annotators, and what the service answered them."""

    #: Seconds between one save of a person and the next.
    period_s = 1.0
    path = "/api/rounds/annotation/events"

    def __init__(self, url: str, annotators: int, seconds: int, seed: int) -> None:
        self.socket, below = socket_of(url) or ("", url)
        self.base = f"{'http://service' if self.socket else ''}{below}"
        self.url = f"{self.base}{self.path}"
        self.annotators = annotators
        self.seconds = seconds
        self.random = random.Random(seed)
        self.latencies_ms: list[float] = []
        self.errors: Counter[str] = Counter()
        self.acknowledged: dict[str, int] = {}
        self.n_sent = 0

    async def run(self) -> None:
        """Let everyone save once a period, starting at a random moment of the first one."""
        connector = aiohttp.UnixConnector(self.socket, limit=0) if self.socket else aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as client:
            start = time.perf_counter() + 1
            delays = [self.period_s * self.random.random() for _ in range(self.annotators)]
            await asyncio.gather(*(self._annotator(client, i, start + delay) for i, delay in enumerate(delays)))

    async def _annotator(self, client: aiohttp.ClientSession, number: int, start: float) -> None:
        name = f"sim{number:04d}"
        headers = self.headers(name)
        for second in range(round(self.seconds / self.period_s)):
            due = start + second * self.period_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            event_id = f"{name}-{second:06d}"
            body = self.event(name, (number + second) % N_IMAGES_EACH, event_id, second % 6)
            self.n_sent += 1
            try:
                async with client.post(self.url, data=json.dumps({"events": [body]}), headers=headers) as answer:
                    content = await answer.read()
                    if answer.status != 200:
                        self.errors[f"{answer.status} {json.loads(content).get('code')}"] += 1
                        continue
            except (aiohttp.ClientError, TimeoutError) as error:
                self.errors[type(error).__name__] += 1
                continue
            self.latencies_ms.append((time.perf_counter() - due) * 1000)
            result = self.results(content)[0]
            if result["seq"] is None:
                self.errors[result["error"]] += 1
            else:
                self.acknowledged[event_id] = result["seq"]

    def headers(self, name: str) -> dict[str, str]:
        """Return what somebody's requests are sent with."""
        return {"Authorization": f"token token-{name}", "Content-Type": "application/json"}

    def event(self, name: str, image_index: int, event_id: str, class_index: int) -> dict[str, Any]:  # noqa: ARG002
        """Return a vote as it is sent."""
        return {
            "event_id": event_id,
            "image_index": image_index,
            "kind": "vote",
            "payload": {"class_index": class_index, "vote": "yes"},
            "shown": [0, 1, 2, 3, 4],
            "active_ms": 900,
        }

    def results(self, content: bytes) -> list[dict[str, Any]]:
        """Return what the service says of each event."""
        results: list[dict[str, Any]] = json.loads(content)["results"]
        return results


def measure(annotators: int, seconds: int, *, postgres: bool, n_processes: int = 1, seed: int = 0) -> dict[str, Any]:
    """Run one load, and return its figures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        project_with(annotators, Path(folder), postgres) as (made, server),
        StubHub() as hub,
    ):
        project = with_processes(made, n_processes)
        for i in range(annotators):
            hub.add(f"sim{i:04d}", ["annotators"])
        with ServiceProcess(project, hub) as service:
            load = Load(service.url, annotators, seconds, seed)
            processors = Processors(service, server)
            asyncio.run(load.run())
            shares = processors.shares()
        with open_store(project.store_url, len(project.label_space)) as store:
            kept = Counter(event.event_id for event in store.iter_events())
    p50, p95, p99 = np.percentile(load.latencies_ms, [50, 95, 99]) if load.latencies_ms else [float("nan")] * 3
    return {
        "store": "PostgreSQL" if postgres else "SQLite",
        "processes": n_processes,
        "annotators": annotators,
        "seconds": seconds,
        "saves": load.n_sent,
        "acknowledged": len(load.acknowledged),
        "kept": kept.total(),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "errors": sum(load.errors.values()),
        "lost": sum(event_id not in kept for event_id in load.acknowledged),
        "doubled": sum(count > 1 for count in kept.values()),
        "error_kinds": dict(load.errors),
        "processors": shares,
    }


def table(rungs: list[tuple[int, int]], seconds: int, *, postgres: bool, seed: int) -> None:
    """Print the figures of one load after the other: so many processes, so many annotators."""
    columns = (
        *("processes", "annotators", "saves", "acknowledged"),
        *("p50_ms", "p95_ms", "p99_ms", "errors", "lost", "doubled"),
    )
    print(f"| {' | '.join(column.replace('_', ' ') for column in columns)} | processors |")
    print(f"| {' | '.join('---:' for _ in columns)} | --- |")
    for n_processes, annotators in rungs:
        figures = measure(annotators, seconds, postgres=postgres, n_processes=n_processes, seed=seed)
        shares = ", ".join(f"{side} {share:.2f}" for side, share in figures["processors"].items())
        print(f"| {' | '.join(str(figures[column]) for column in columns)} | {shares} |", flush=True)


def main() -> None:
    """Measure what the command line asks for, and print it as a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotators", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--ladder", default="", help="numbers of annotators, separated by commas: one load each")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--processes", default="1", help="how many serve; several numbers: one load each")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    processes = [int(number) for number in given.processes.split(",")]
    if given.ladder or len(processes) > 1:
        ladder = [int(rung) for rung in (given.ladder or str(given.annotators)).split(",")]
        rungs = [(number, rung) for rung in ladder for number in processes]
        table(rungs, given.seconds, postgres=given.postgres, seed=given.seed)
    else:
        figures = measure(
            given.annotators, given.seconds, postgres=given.postgres, n_processes=processes[0], seed=given.seed
        )
        for name, value in figures.items():
            print(f"{name:<12} {value}")
    print(f"load average after: {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
