"""A real hub whose parts are killed at seeded random moments, while people work in it.

The people are kernels that run the annotation notebook, addressed as the browser half would, and a real browser. After
each kill, the people it hit must get acknowledgements again without help. At the end the store is compared with what
everyone was told.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psutil
from flooding import Flood
from intruder import session_process
from lab_server import CHROMIUM_ARGUMENTS, chromium_path
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright
from postgres_server import PostgresServer
from serving import with_store

from pipeline.hub.accounts import Role
from pipeline.hub.launch import PreparedHub
from pipeline.project.folder import Project
from pipeline.stages.assign import assign_project
from pipeline.store import Assignment, open_project_store
from pipeline.votes.words import Round

TARGETS = ("kernel", "service", "hub", "browser", "server", "proxy", "postgres")
PEOPLE = ("kim", "lou", "max")
FLOODER = "fay"
_RECOVERY_S = 180.0


@dataclass(frozen=True)
class HubKillFigures:
    """The outcome; recovery is the median and the longest wait for an acknowledgement after a kill, in seconds."""

    n_kills: int
    kills: dict[str, int]
    n_acknowledged: int
    n_lost: int
    n_doubled: int
    recovery_s: dict[str, tuple[float, float]]
    flood: str


class Worker(threading.Thread):
    """Somebody who works without stopping; `told` counts acknowledgements."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.person = name
        self.told: list[Any] = []
        self.problem = ""
        self.is_stopping = threading.Event()

    def stop(self) -> None:
        self.is_stopping.set()
        self.join(timeout=_RECOVERY_S)
        if self.is_alive():
            raise TimeoutError(f"{self.person} does not come to an end: {self.problem}")


class KernelWorker(Worker):
    """Speaks to the widget in a kernel of its own; opens the page again whenever it does not answer."""

    def __init__(self, tools: ModuleType, hub: PreparedHub, name: str) -> None:
        super().__init__(name)
        self._tools, self._visitor = tools, tools.Person(hub, name)
        self._visitor.client.timeout = 60  # what hangs is tried again
        self._waiting: dict[str, Any] | None = None
        self._number = 0

    def run(self) -> None:
        asyncio.run(self._work())

    async def _work(self) -> None:
        while not self.is_stopping.is_set():
            link = None
            try:
                link = await self._open()
                info = await link.request("open", 8)
                while not self.is_stopping.is_set() or self._waiting:
                    await self._save_one(link, info)
            except (self._tools.Unanswered, self._tools.Refused, httpx.HTTPError, TimeoutError, OSError) as error:
                self.problem = f"{type(error).__name__}: {error}"[:500]
                await asyncio.sleep(0.3)
            finally:
                if link is not None:
                    link.close()

    async def _open(self) -> Any:
        visitor = self._visitor
        if visitor.client.get("hub/home").url.path.endswith("/login"):
            visitor.log_in()
        visitor.start_session(8)  # a session that has just died counts as running for some seconds
        link = self._tools.WidgetLink(visitor.client, self._tools.PAGE.format(name=self.person))
        await link.open()
        return link

    async def _save_one(self, link: Any, info: dict[str, Any]) -> None:
        if self._waiting is None:
            task = (await link.request("tasks", 8, positions=[self._number % info["progress"]["n_tasks"]]))[0]
            label = task["proposals"][self._number % len(task["proposals"])]["class_index"]
            self._waiting = self._tools.vote_message(info, task, label, f"{uuid.uuid4().hex}")
            self._number += 1
        try:
            (result,) = await link.request("save", 8, events=[self._waiting])
        except self._tools.Refused as error:  # the service is away: the same save is sent again
            self.problem = str(error)[:500]
            await asyncio.sleep(0.3)
            return
        if result["seq"] is not None:
            self.told.append(self._waiting["event_id"])
        elif result["is_final"]:
            raise AssertionError(result["error"])
        else:
            raise self._tools.Unanswered(result["error"])
        self._waiting = None


class BrowserWorker(Worker):
    """Ticks labels in Chromium, each once; `told` holds the (image id, class) pairs that the page showed as saved."""

    def __init__(self, tools: ModuleType, hub: PreparedHub, name: str, profile: Path) -> None:
        super().__init__(name)
        self._tools, self._hub, self._profile = tools, hub, profile

    def run(self) -> None:
        with sync_playwright() as playwright:
            while not self.is_stopping.is_set():
                context = None
                try:
                    context = self._launch(playwright)
                    page = context.pages[0]
                    self._enter(page)
                    while not self.is_stopping.is_set():
                        self._tick_one(page)
                except (Error, IndexError) as error:  # the browser was killed, or a reloading page lost its elements
                    self.problem = f"{_first_line(error)}; the page: {_text_of(context)}"
                finally:
                    if context is not None:
                        _close(context)

    def _launch(self, playwright: Any) -> BrowserContext:
        (self._profile / "SingletonLock").unlink(missing_ok=True)  # left by the browser that was killed
        context: BrowserContext = playwright.chromium.launch_persistent_context(
            str(self._profile), executable_path=chromium_path(), args=[*CHROMIUM_ARGUMENTS]
        )
        context.set_default_timeout(30_000)
        return context

    def _enter(self, page: Page) -> None:
        page.goto(self._hub.url)
        if page.get_by_label("Username").count():
            page.get_by_label("Username").fill(self.person)
            page.get_by_label("Password").fill(self._hub.passwords[self.person])
            page.keyboard.press("Enter")

    def _tick_one(self, page: Page) -> None:
        """Tick the first free box among the five shown, or go on; then wait until it says saved."""
        page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for(timeout=60_000)
        root = page.locator('[data-mlf="annotator"]')
        free = root.locator("input[type=checkbox][data-class-id]:not(:checked)")
        image = root.get_attribute("data-image-id")
        if free.count() == 0:
            root.locator('[data-mlf-action="next"]').first.click()
            page.locator(f'[data-mlf="annotator"][data-ready="true"]:not([data-image-id="{image}"])').wait_for()
            return
        label = int(free.first.get_attribute("data-class-id") or -1)
        root.locator(f'input[type=checkbox][data-class-id="{label}"]').first.check()
        page.locator('[data-mlf="annotator"][data-saved="saved"]').wait_for(timeout=60_000)
        box = page.locator(f'[data-mlf="annotator"][data-image-id="{image}"] input[data-class-id="{label}"]')
        if box.count() and box.first.is_checked():
            self.told.append((image, label))


class HubKillRun:
    """One run of kills on a seeded schedule in a running hub.

    Parameters
    ----------
    tools
        `benchmarks/hub.py`.
    hub, project
        The hub, started below a keeper, and its project.
    kernels, browser
        Names of the people who work in kernels, and in a browser.
    postgres
        The server of the project's store, if the store is PostgreSQL.
    n_at_once
        Parts that are killed at the same moment.
    """

    def __init__(
        self,
        tools: ModuleType,
        hub: PreparedHub,
        project: Project,
        kernels: Sequence[str],
        browser: str,
        *,
        n_kills: int,
        seed: int,
        profile: Path,
        postgres: PostgresServer | None = None,
        n_at_once: int = 1,
    ) -> None:
        self._tools, self._hub, self._project = tools, hub, project
        self._kernels = [KernelWorker(tools, hub, name) for name in kernels]
        self._browser = BrowserWorker(tools, hub, browser, profile)
        self._n_kills, self._n_at_once, self._postgres = n_kills, n_at_once, postgres
        self._random = random.Random(seed)
        self._profile = profile
        self._flood = flood_of(tools, hub, FLOODER)

    @property
    def _workers(self) -> list[Worker]:
        return [*self._kernels, self._browser]

    def run(self) -> HubKillFigures:
        """Kill, wait until everyone who was hit has resumed, and compare; all the while somebody floods the service."""
        with self._flood:
            kills, waits = self._kill_parts()
        n_lost, n_doubled = self._compare()
        return HubKillFigures(
            n_kills=kills.total(),
            kills=dict(kills),
            n_acknowledged=sum(len(worker.told) for worker in self._workers) + len(self._flood.acknowledged),
            n_lost=n_lost,
            n_doubled=n_doubled,
            recovery_s={t: (round(sorted(w)[len(w) // 2], 1), round(max(w), 1)) for t, w in waits.items()},
            flood=self._flood.told,
        )

    def _kill_parts(self) -> tuple[Counter[str], dict[str, list[float]]]:
        targets = [t for t in TARGETS if t != "postgres" or self._postgres]
        kills: Counter[str] = Counter()
        waits: dict[str, list[float]] = defaultdict(list)
        for worker in self._workers:
            worker.start()
        try:
            self._wait_for(self._workers, "start")
            for done in range(0, self._n_kills, self._n_at_once):
                time.sleep(self._random.random() * 0.5)
                numbers = range(done, min(done + self._n_at_once, self._n_kills))
                chosen = [targets[n] if n < len(targets) else self._random.choice(targets) for n in numbers]
                began = time.monotonic()
                hit = {worker: None for target in chosen for worker in self._kill(target)}
                self._wait_for(list(hit), " and ".join(chosen))
                for number, target in zip(numbers, chosen, strict=True):
                    waits[target].append(time.monotonic() - began)
                    print(f"kill {number + 1} of {self._n_kills}: {target}, {waits[target][-1]:.1f} s", flush=True)
                    kills[target] += 1
            self._wait_for(self._workers, "end")
        finally:
            for worker in self._workers:
                worker.is_stopping.set()
            for worker in self._workers:
                worker.stop()
        return kills, waits

    def _kill(self, target: str) -> list[Worker]:
        """Kill one part, once it is there: another kill may have taken it along; return the people who work with it."""
        worker = self._random.choice(self._workers) if target in {"kernel", "server"} else None
        if target == "postgres":
            assert self._postgres is not None
            self._postgres.kill()
            self._postgres.start()
            return self._workers
        deadline = time.monotonic() + _RECOVERY_S
        while not _kill_all(self._means(target, worker.person if worker else "")):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{target}: nothing to kill")
            time.sleep(0.05)
        return [worker] if worker else [self._browser] if target == "browser" else self._workers

    def _means(self, target: str, name: str) -> Callable[[psutil.Process], bool]:
        """Return what tells the processes of a part, of somebody's session if it has a name."""
        if target == "browser":
            profile = f"--user-data-dir={self._profile}"
            return lambda p: profile in p.cmdline() and "--type=" not in str(p.cmdline())
        if name:
            home, word = f"{self._hub.state}/homes/{name}", "ipykernel" if target == "kernel" else "single_user"
            return lambda p: p.environ().get("HOME") == home and word in " ".join(p.cmdline())
        if target == "service":
            root = str(self._project.root.resolve())
            return lambda p: p.cmdline()[-1:] == [root] and "-c" in p.cmdline()[1:3]
        word = "jupyterhub" if target == "hub" else "configurable-http-proxy"
        try:  # while the part is being started again, the file is missing, empty or old
            pid = int((self._hub.state / "private" / f"{target}.pid").read_text())
        except (OSError, ValueError):
            pid = 0
        return lambda p: p.pid == pid and word in " ".join(p.cmdline())

    def _wait_for(self, workers: Sequence[Worker], why: str) -> None:
        """Wait until each has been told of two more decisions: the first may have been sent before the kill."""
        before = {worker: len(worker.told) for worker in workers}
        deadline = time.monotonic() + _RECOVERY_S
        while not all(len(worker.told) >= n + 2 for worker, n in before.items()):
            dead = [worker.person for worker in workers if not worker.is_alive()]
            if dead or time.monotonic() > deadline:
                stuck = {w.person: w.problem for w, n in before.items() if len(w.told) < n + 2}
                raise TimeoutError(f"{why}: not resumed within {_RECOVERY_S:.0f} s: {stuck}; ended: {dead}")
            time.sleep(0.02)

    def _compare(self) -> tuple[int, int]:
        with open_project_store(self._project) as store:
            everything = list(store.iter_events())
        ids = Counter(event.event_id for event in everything)
        events = [event for event in everything if event.kind == "vote"]
        pairs = Counter(
            (e.image_index, e.payload["class_index"]) for e in events if e.annotator == self._browser.person
        )
        index_of = self._tools.image_indices(self._project)
        told = {(index_of[image], label) for image, label in self._browser.told}
        lost = sum(event_id not in ids for worker in self._kernels for event_id in worker.told)
        lost += sum(event_id not in ids for event_id in self._flood.acknowledged)
        lost += sum(pair not in pairs for pair in told)
        doubled = sum(n > 1 for n in ids.values()) + sum(pairs[pair] > 1 for pair in told)
        return lost, doubled


def flood_of(tools: ModuleType, hub: PreparedHub, name: str) -> Flood:
    """Return a flood with the token and under the account of somebody's session, which is started for it."""
    person = tools.Person(hub, name)
    person.log_in()
    person.start_session()
    environment = session_process(hub, name).environ()
    uid = hub.accounts[name].uid if hub.use_own_uids else None
    return Flood("mixed", environment["MLF_SERVICE_URL"], environment["JUPYTERHUB_API_TOKEN"], uid)


def kill_parts_of_a_hub(
    tools: ModuleType, folder: Path, proxy: str, postgres: PostgresServer, n_kills: int, seed: int, n_at_once: int = 1
) -> HubKillFigures:
    """Start a hub whose store is PostgreSQL, let three people work, one in a browser, and kill."""
    folder.mkdir(mode=0o711)
    project = with_store(tools.make_project(folder, 60 + 15 * n_kills, PEOPLE), postgres.new_database())
    assign_project(project, PEOPLE, 2)
    with open_project_store(project) as store:
        store.add_annotators([FLOODER])
        store.assign(Round.ANNOTATION, [Assignment(FLOODER, i) for i in range(10)])
    people = {name: [Role.ANNOTATORS] for name in PEOPLE} | {FLOODER: [Role.ANNOTATORS, Role.RESEARCHERS]}
    with tools.running_hub(project, people, folder / "hub", proxy) as hub:
        return HubKillRun(
            tools,
            hub,
            project,
            PEOPLE[:2],
            PEOPLE[2],
            n_kills=n_kills,
            seed=seed,
            profile=folder / "profile",
            postgres=postgres,
            n_at_once=n_at_once,
        ).run()


def _kill_all(is_meant: Callable[[psutil.Process], bool]) -> int:
    """Kill the processes that are meant; return how many there were."""
    n_killed = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if is_meant(process):
                process.kill()
                n_killed += 1
    return n_killed


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _text_of(context: BrowserContext | None) -> str:
    """Return what a browser shows, in one line, for whoever looks for the reason why it does not go on."""
    try:
        page = context.pages[0] if context else None
        return f"{page.url} {' '.join(page.inner_text('body', timeout=1_000).split())[:400]}" if page else "none"
    except (Error, IndexError) as error:
        return str(error)[:200]


def _close(context: BrowserContext) -> None:
    with contextlib.suppress(Error):
        context.close()
