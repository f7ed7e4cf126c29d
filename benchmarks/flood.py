"""What others notice while one person floods the service: the latency of their saves, without and during each flood.

    python benchmarks/flood.py --annotators 50 --seconds 15

The flooder is a process of its own with an ordinary annotator's token. It does one of four things: sends the largest
saves that are accepted, all on one image, from 32 connections at once; asks for 100 pictures per request from 32
connections; asks for 500 tasks per request; or holds open 1,100 connections that never finish the head of a request.
All rows come from one run, one after another, each with a service and a store of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import uuid
from collections import Counter
from multiprocessing.synchronize import Event as Flag
from pathlib import Path

import aiohttp
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "service"))
sys.path.insert(0, str(Path(__file__).parent))

from service import N_IMAGES_EACH, Load, project_with
from serving import ServiceProcess, StubHub

from pipeline.store import Assignment, open_store
from pipeline.votes.words import Round

FLOODER = "flooder"
FLOODS = ("none", "events", "undo", "pictures", "tasks", "connections")
N_PARALLEL = 32
_SPAWN = multiprocessing.get_context("spawn")
N_SILENT = 1_100


def main() -> None:
    """Measure each flood, and print a row for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=15)
    given = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    print("| flood | saves of others | kept | p50 ms | p95 ms | p99 ms | errors | answers to the flooder |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for flood in FLOODS:
        print(f"| {' | '.join(map(str, measure(flood, given.annotators, given.seconds)))} |", flush=True)


def measure(flood: str, annotators: int, seconds: int) -> tuple[object, ...]:
    """Run a service with annotators and, unless it is to be quiet, one flood; return the row of the table."""
    with tempfile.TemporaryDirectory() as folder, project_with(annotators, Path(folder), False) as (project, _):
        with open_store(project.store_url, len(project.label_space)) as store:
            store.add_annotators([FLOODER])
            store.assign(Round.ANNOTATION, [Assignment(FLOODER, i) for i in range(N_IMAGES_EACH)])
        with StubHub() as hub:
            for name in (FLOODER, *(f"sim{i:04d}" for i in range(annotators))):
                hub.add(name, ["annotators"])
            with ServiceProcess(project, hub) as service:
                stop, answers = _SPAWN.Event(), _SPAWN.Queue()
                arguments = (flood, f"{service.url}/api/rounds/annotation", stop, answers)
                flooder = _SPAWN.Process(target=run_flood, args=arguments)
                flooder.start()
                load = Load(service.url, annotators, seconds, seed=0)
                asyncio.run(load.run())
                stop.set()
                told = answers.get(timeout=60)
                flooder.join(timeout=60)
        with open_store(project.store_url, len(project.label_space)) as store:
            kept = {event.event_id for event in store.iter_events()}
    n_kept = len(kept & set(load.acknowledged))
    p50, p95, p99 = np.percentile(load.latencies_ms, [50, 95, 99]).round(1)
    return flood, load.n_sent, f"{n_kept} of {len(load.acknowledged)}", p50, p95, p99, sum(load.errors.values()), told


def run_flood(flood: str, url: str, stop: Flag, answers: multiprocessing.Queue[str]) -> None:
    """Flood until told to stop, then put what was answered into the queue."""
    counts: Counter[str] = Counter()
    asyncio.run(_flood(flood, url, stop, counts))
    answers.put(", ".join(f"{status}: {n:,}" for status, n in sorted(counts.items())) or "none")


async def _flood(flood: str, url: str, stop: Flag, counts: Counter[str]) -> None:
    if flood == "connections":
        await _hold_connections(url, stop, counts)
        return
    headers = {"Authorization": f"token token-{FLOODER}", "Content-Type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as client:

        async def ask() -> None:
            while not stop.is_set():
                try:
                    async with _request(client, flood, url) as answer:
                        await answer.read()
                        counts[str(answer.status)] += 1
                except (aiohttp.ClientError, TimeoutError) as error:
                    counts[type(error).__name__] += 1
                await asyncio.sleep(0.005)

        if flood != "none":
            await asyncio.gather(*(ask() for _ in range(N_PARALLEL)))


def _request(client: aiohttp.ClientSession, flood: str, url: str) -> aiohttp.client._RequestContextManager:
    if flood == "pictures":
        positions = ",".join(str(i % N_IMAGES_EACH) for i in range(100))
        return client.get(f"{url}/pictures?positions={positions}&max_side_px=512")
    if flood == "tasks":
        return client.get(f"{url}/tasks?positions={','.join(str(i % N_IMAGES_EACH) for i in range(500))}")
    made = [_event("comment", {"text": "x" * 9_000}) for _ in range(100)]
    if flood == "undo":
        made = [_event("vote", {"class_index": 0, "vote": "yes"}) for _ in range(50)]
        made += [_event("undo", {"target": event["event_id"]}) for event in made]
    return client.post(f"{url}/events", data=json.dumps({"events": made}))


def _event(kind: str, payload: dict[str, object]) -> dict[str, object]:
    return {
        "event_id": uuid.uuid4().hex,
        "image_index": 0,
        "kind": kind,
        "payload": payload,
        "shown": list(range(6)),
        "active_ms": 1,
    }


async def _hold_connections(url: str, stop: Flag, counts: Counter[str]) -> None:
    host, port = url.split("/")[2].split(":")
    writers = []
    while not stop.is_set():
        while len(writers) < N_SILENT and not stop.is_set():
            try:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.write(b"GET /services/mlf/api/me HTTP/1.1\r\nHost: x\r\n")
                writers.append(writer)
                counts["opened"] += 1
            except OSError as error:
                counts[type(error).__name__] += 1
                await asyncio.sleep(0.05)
        closed = [writer for writer in writers if writer.is_closing() or writer.transport.is_closing()]
        writers = [writer for writer in writers if writer not in closed]
        await asyncio.sleep(0.05)
    for writer in writers:
        writer.close()


if __name__ == "__main__":
    main()
