"""Light sessions: people who save, poll and look on pages of the service, and how soon the first image is there.

    python benchmarks/light.py --people 500 --seconds 40
    python benchmarks/light.py --people 500 --seconds 40 --images
    python benchmarks/light.py --log-in

The load is that of open pages: each saves every two seconds and asks every five seconds what has changed; with
``--images``, it fetches an image every two seconds, too. Everyone has opened their page before. Latency is that of
the saves, as in `service.py`. `--log-in` times real log-ins in Chromium at a real hub, from the key press in the log-in
form to the first image painted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent))

from hub import installed_proxy, make_project, running_hub
from lab_server import launch_chromium
from service import N_IMAGES_EACH, Load, Processors, project_with
from serving import ServiceProcess, StubHub, with_processes

from pipeline.annotation.events import Event, EventKind
from pipeline.hub.accounts import Role
from pipeline.project.folder import Project, open_project
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.project.settings import write_settings
from pipeline.service.logins import Sealing
from pipeline.store import open_store
from pipeline.votes.words import Round

#: As pages do (`POLL_ON_PAGE_MS`).
POLL_S = 5.0
SERVICE_TOKEN = "service-token"


class PageLoad(Load):
    """Open pages of simulated annotators."""

    period_s = 2.0
    path = "/work/annotation/save"

    def __init__(self, project: Project, url: str, people: int, seconds: int, seed: int, *, with_images: bool) -> None:
        super().__init__(url, people, seconds, seed)
        self._numbers, self._sealing = ImageNumbers.of(project.secret), Sealing(SERVICE_TOKEN)
        self._with_images = with_images
        self.n_others = 0

    def headers(self, name: str) -> dict[str, str]:
        """Return what a page's requests are sent with: the cookie of its log-in, and its key."""
        login = f"{int(time.time()) + 3600} token-{name}"
        return {
            "Cookie": f"mlf-login={self._sealing.seal(login, 'cookie')}",
            "X-MLF-Key": self._sealing.seal(login, "requests of a page"),
            "Content-Type": "application/json",
        }

    def event(self, name: str, image_index: int, event_id: str, class_index: int) -> dict[str, Any]:
        """Return a vote as a page makes it."""
        content = super().event(name, image_index, event_id, class_index)
        content["image_number"] = self._numbers.number(content.pop("image_index"))
        return content | {
            "round": "annotation",
            "annotator": name,
            "order": "score",
            "client_time": "2026-01-01T00:00Z",
        }

    def results(self, content: bytes) -> list[dict[str, Any]]:
        """Return what the service says of each event."""
        results: list[dict[str, Any]] = _result(content)
        return results

    async def open_pages(self) -> None:
        """Let everyone open their page, a few at a time."""
        turns = asyncio.Semaphore(4)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:

            async def open_page(number: int) -> None:
                async with (
                    turns,
                    client.get(f"{self.base}/work/annotation", headers=self.headers(f"sim{number:04d}")) as answer,
                ):
                    assert answer.status == 200, await answer.text()
                    await answer.read()

            await asyncio.gather(*map(open_page, range(self.annotators)))

    async def run(self) -> None:
        """Let everyone save, poll and, if so wanted, look."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            others = [asyncio.create_task(self._poll(client, number)) for number in range(self.annotators)]
            if self._with_images:
                others += [asyncio.create_task(self._look(client, number)) for number in range(self.annotators)]
            await super().run()
            for other in others:
                other.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _poll(self, client: aiohttp.ClientSession, number: int) -> None:
        url, headers = f"{self.base}/work/annotation/changes", self.headers(f"sim{number:04d}")
        await asyncio.sleep(POLL_S * self.random.random())
        last_seq = 0  # as in a page, where the person's own saves are news in the next answer, too
        while True:
            with suppress(aiohttp.ClientError):
                async with client.post(url, data=json.dumps({"since_seq": last_seq}), headers=headers) as answer:
                    last_seq = _result(await answer.read())["last_seq"] if answer.status == 200 else last_seq
                self.n_others += 1
            await asyncio.sleep(POLL_S)

    async def _look(self, client: aiohttp.ClientSession, number: int) -> None:
        headers = self.headers(f"sim{number:04d}")
        await asyncio.sleep(self.period_s * self.random.random())
        for turn in range(10**6):
            at = f"{self.base}/work/annotation/image?position={turn % N_IMAGES_EACH}&max_side_px=1024"
            with suppress(aiohttp.ClientError):
                async with client.get(at, headers=headers) as answer:
                    await answer.read()
                self.n_others += 1
            await asyncio.sleep(self.period_s)


def _result(content: bytes) -> Any:
    return json.loads(content[4 : 4 + int.from_bytes(content[:4], "big")])["result"]


def with_earlier_work(project: Project, people: int, n_each: int) -> None:
    """Let everyone have voted so often before: with every answer, a page learns which of the last 500 it can undo."""
    votes = [
        Event(f"earlier-{i:04d}-{n:04d}", Round.ANNOTATION, f"sim{i:04d}", n % N_IMAGES_EACH, EventKind.VOTE,
              {"class_index": n % 6, "vote": "yes"}, shown=(0, 1, 2, 3, 4))
        for i in range(people) for n in range(n_each)
    ]  # fmt: skip
    with open_store(project.store_url, len(project.label_space)) as store:
        for first in range(0, len(votes), 5_000):
            store.append(votes[first : first + 5_000])


def with_light_sessions(project: Project) -> Project:
    """Return the project with light sessions."""
    write_settings(project.settings.with_changes("hub", sessions="light"), project.root / "mlf.toml")
    return open_project(project.root)


def measure(
    people: int,
    seconds: int,
    *,
    with_images: bool,
    n_earlier: int = 0,
    postgres: bool = False,
    n_processes: int = 1,
    seed: int = 0,
) -> dict[str, Any]:
    """Run one load, and return its figures."""
    with (
        tempfile.TemporaryDirectory() as folder,
        project_with(people, Path(folder), postgres) as (made, server),
        StubHub() as hub,
    ):
        project = with_processes(with_light_sessions(made), n_processes)
        with_earlier_work(project, people, n_earlier)
        for i in range(people):
            hub.add(f"sim{i:04d}", ["annotators"])
        with ServiceProcess(project, hub) as service:
            load = PageLoad(project, service.url, people, seconds, seed, with_images=with_images)
            process = psutil.Process(service.pid)
            load.annotators = 2  # what the first pages load, all others share
            asyncio.run(load.open_pages())
            load.annotators, before = people, _memory_of(process)
            asyncio.run(load.open_pages())
            processors = Processors(service, server)
            asyncio.run(load.run())
            shares = processors.shares()
            grown = _memory_of(process) - before
        with open_store(project.store_url, len(project.label_space)) as store:
            kept = Counter(event.event_id for event in store.iter_events())
    p50, p95, p99 = np.percentile(load.latencies_ms, [50, 95, 99])
    return {
        "people": people,
        "saves": load.n_sent,
        "other_requests": load.n_others,
        "acknowledged": len(load.acknowledged),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "errors": dict(load.errors),
        "lost": sum(event_id not in kept for event_id in load.acknowledged),
        "doubled": sum(count > 1 for count in kept.values()),
        "mib_a_person": round(grown / 2**20 / people, 3),
        "processors": shares,
    }


def _memory_of(process: psutil.Process) -> int:
    return sum(each.memory_full_info().pss for each in (process, *process.children()))


def log_ins(n: int) -> dict[str, Any]:
    """Time log-ins one after the other, each of another person in a browser that has never been there."""
    from playwright.sync_api import sync_playwright

    names = [f"ann{number}" for number in range(n)]
    with tempfile.TemporaryDirectory(prefix="mlf-light-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)
        project = with_light_sessions(make_project(folder, 40, names))
        people = {name: [Role.ANNOTATORS] for name in names}
        with (
            running_hub(project, people, folder / "hub", installed_proxy(folder / "proxy")) as hub,
            sync_playwright() as playwright,
        ):
            browser = launch_chromium(playwright)
            waits = []
            for name in names:
                page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
                page.goto(hub.url)
                page.get_by_label("Username").fill(name)
                page.get_by_label("Password").fill(hub.passwords[name])
                began = time.perf_counter()
                page.keyboard.press("Enter")
                page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
                waits.append(time.perf_counter() - began)
                page.context.close()
            browser.close()
    return {"log-ins": n, "first_s": round(waits[0], 2), "median_s": round(statistics.median(waits), 2),
            "longest_s": round(max(waits), 2)}  # fmt: skip


def main() -> None:
    """Measure what the command line asks for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--images", action="store_true", help="everyone fetches an image every two seconds, too")
    parser.add_argument("--earlier", type=int, default=0, help="votes that everyone has given before")
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--processes", type=int, default=1, help="how many serve; more than one with --postgres")
    parser.add_argument("--log-in", type=int, nargs="?", const=8, default=0, help="time so many log-ins instead")
    given = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    figures = (
        log_ins(given.log_in)
        if given.log_in
        else measure(
            given.people,
            given.seconds,
            with_images=given.images,
            n_earlier=given.earlier,
            postgres=given.postgres,
            n_processes=given.processes,
        )
    )
    for name, value in figures.items():
        print(f"{name:<15} {value}")


if __name__ == "__main__":
    main()
