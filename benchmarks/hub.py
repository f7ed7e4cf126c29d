"""Annotators in a real JupyterHub: start-up time, memory per session, save latency, and whether any vote is lost.

Each session is a real one: a login, a single-user server, and a kernel that runs the annotation notebook, whose widget
talks to the Hub's service. Some sessions use real browsers; in the others, this program talks to the widget as the
browser half does. When run as root, every session gets an account of its own. Latency is the time from sending a
decision to hearing that it is saved, including the kernel's share.

    python benchmarks/hub.py --sessions 15 --images 40 --browsers 3
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import psutil
import pyarrow as pa
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from hub_person import Person, wait_for
from lab_server import launch_chromium
from widget_link import Refused, Unanswered, WidgetLink  # noqa: F401 - the hub tests take it from here

from pipeline.datasets.create import init_project
from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role
from pipeline.hub.launch import PreparedHub, find_proxy, hub_log, prepare_hub
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.project.tables import PROPOSALS
from pipeline.proposals.writer import write_proposals
from pipeline.stages.assign import assign_project
from pipeline.store import open_project_store
from pipeline.votes.words import Round

N_CLASSES = 30
SOURCE_ROOT = Path(__file__).resolve().parents[1]

#: The code that `mlf hub` runs once everything is prepared.
_RUN = "import pickle, sys; from pipeline.hub.launch import run_hub; sys.exit(run_hub(pickle.load(sys.stdin.buffer)))"

#: Where a session finds the annotation notebook.
PAGE = "user/{name}/voila/render/2_annotate.ipynb"


@dataclass
class SessionReport:
    """What one session did and cost."""

    name: str
    started_s: float
    #: Image (its index, or its id where a browser shows only that), class index, event id where it is known.
    acknowledged: list[tuple[str, int, str]] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    memory_mib: float = 0.0


def make_project(
    folder: Path,
    n_images: int,
    annotators: Sequence[str],
    class_name: str = "class_{}",
    file_name: str = "{}.jpg",
    n_filled: int = N_CLASSES,
) -> Project:
    """Make a project of noise images of the first classes, with proposals, each image assigned to two annotators."""
    class_names = [class_name.format(f"{i:02d}") for i in range(N_CLASSES)]
    generator = np.random.default_rng(0)
    for number in range(n_images):
        path = folder / "images" / class_names[number % n_filled] / file_name.format(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(path)
    classes = folder / "classes.json"
    classes.write_text(json.dumps(class_names))
    project = init_project(folder / "project", folder / "images", classes)
    rows = [
        {
            "image_index": i,
            "class_index": generator.permutation(N_CLASSES)[:20].tolist(),
            "score": np.linspace(0.9, 0.01, 20).tolist(),
            "model": [0] * 20,
        }
        for i in range(n_images)
    ]
    write_proposals(project, [pa.Table.from_pylist(rows, schema=PROPOSALS)], ["noise"], {})
    assign_project(project, annotators, 2)
    return project


def installed_proxy(folder: Path) -> str:
    """Return the path of configurable-http-proxy, which npm installs into `folder` if it is not there yet."""
    try:
        return find_proxy()
    except ProjectError:
        npm = shutil.which("npm")
        if npm is None:
            raise
        subprocess.run(
            [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), "configurable-http-proxy"],
            check=True,
        )
        return str(folder / "node_modules" / ".bin" / "configurable-http-proxy")


@contextmanager
def running_hub(
    project: Project, people: dict[str, list[Role]], state: Path, proxy: str, **options: Any
) -> Iterator[PreparedHub]:
    """Run a hub until the block ends; if it is killed, it is started again, as by `mlf hub`."""
    prepared = prepare_hub(project, people, state=state, proxy_command=[proxy], **{"port": 0, **options})
    log = hub_log(state)
    process = subprocess.Popen([sys.executable, "-c", _RUN], stdin=subprocess.PIPE)
    assert process.stdin is not None
    with process.stdin:
        pickle.dump(prepared, process.stdin)
    try:
        inside = f"http://127.0.0.1:{prepared.port}{urlsplit(prepared.url).path}hub/health"  # before any web server
        wait_for(lambda: _answers(inside), 180, lambda: _end_of(log))
        yield prepared
    finally:
        end_at_once(process, state)
        shutil.rmtree(prepared.sockets, ignore_errors=True)


def end_at_once(hub: subprocess.Popen[bytes], state: Path) -> None:
    """Kill a hub with its sessions, those of an earlier Hub included: ending them in order takes ten seconds."""
    processes = [*psutil.Process(hub.pid).children(recursive=True), *of_sessions(state)]
    hub.kill()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    hub.wait()
    psutil.wait_procs(processes, timeout=30)


def of_sessions(state: Path) -> dict[psutil.Process, str]:
    """Return the processes of all sessions (servers and kernels), and the name of each one's home."""
    homes, found = f"{state.resolve()}/homes/", {}
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if (home := process.environ().get("HOME", "")).startswith(homes):
                found[process] = home.removeprefix(homes)
    return found


async def annotate(person: Person) -> SessionReport:
    """Log in, open the annotation notebook in a new kernel, and work through all tasks with its widget."""
    began = time.perf_counter()
    await asyncio.to_thread(person.log_in)
    await asyncio.to_thread(person.start_session)
    link = WidgetLink(person.client, PAGE.format(name=person.name))
    await link.open()
    info = await link.request("open")
    report = SessionReport(person.name, time.perf_counter() - began)
    for position in range(info["progress"]["n_tasks"]):
        task = (await link.request("tasks", positions=[position]))[0]
        await link.request("image", position=position, max_side_px=1024)
        chosen = task["proposals"][position % len(task["proposals"])]["class_index"]
        event = vote_message(info, task, chosen)
        sent = time.perf_counter()
        (result,) = await link.request("save", events=[event])
        report.latencies_ms.append(1000 * (time.perf_counter() - sent))
        if result["seq"] is not None:
            report.acknowledged.append((task["image_id"], chosen, event["event_id"]))
    link.close()
    return report


def vote_message(info: dict[str, Any], task: dict[str, Any], class_index: int, event_id: str = "") -> dict[str, Any]:
    """Return a vote as the browser half would send it."""
    return {
        "event_id": event_id or uuid.uuid4().hex,
        "round": info["round"],
        "annotator": info["annotator"],
        "image_number": task["image_number"],
        "kind": "vote",
        "payload": {"class_index": class_index, "vote": "yes"},
        "shown": [proposal["class_index"] for proposal in task["proposals"][:5]],
        "active_ms": 1000,
        "order": task["order"],
        "client_time": "2026-01-01T00:00:00.000Z",
    }


def annotate_in_browser(hub: PreparedHub, name: str, n_images: int) -> SessionReport:
    """Log in with Chromium and tick one label on each image; votes that the page showed as saved are acknowledged."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        began = time.perf_counter()
        page.goto(hub.url)
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(hub.passwords[name])
        page.keyboard.press("Enter")
        page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for()
        report = SessionReport(name, time.perf_counter() - began)
        root = page.locator('[data-mlf="annotator"]')
        for number in range(n_images):
            image = root.get_attribute("data-image-id")
            box = root.locator("input[type=checkbox][data-class-id]").nth(number % 3)
            label = int(box.get_attribute("data-class-id") or -1)
            clicked = time.perf_counter()
            box.check()
            page.locator('[data-mlf="annotator"][data-saved="saved"]').wait_for()
            report.latencies_ms.append(1000 * (time.perf_counter() - clicked))
            report.acknowledged.append((image or "", label, ""))
            if number + 1 < n_images:
                root.locator('[data-mlf-action="next"]').first.click()
                page.locator(f'[data-mlf="annotator"][data-ready="true"]:not([data-image-id="{image}"])').wait_for()
        browser.close()
    return report


def last_seq(project: Project) -> int:
    """Return the number of the last event that the store holds; 0 if there is none."""
    with open_project_store(project) as store:
        return max((event.seq for event in store.iter_events()), default=0)


def check_store(project: Project, reports: Sequence[SessionReport], since_seq: int = 0) -> list[str]:
    """Return what is wrong: acknowledged votes not stored exactly once, and votes that nobody was told of.

    What the store held before the reports, up to the event `since_seq`, is left out.
    """
    names = {report.name for report in reports}
    with open_project_store(project) as store:
        found = {}
        for event in store.iter_events(Round.ANNOTATION):
            if event.seq <= since_seq or event.annotator not in names:
                continue
            if event.kind == "vote" and event.payload["vote"] == "yes":
                found.setdefault((event.annotator, event.image_index, event.payload["class_index"]), []).append(event)
    index_of = image_indices(project)
    told = {(r.name, index_of[image], label): event_id for r in reports for image, label, event_id in r.acknowledged}
    wrong = [f"lost: {key}" for key in told if key not in found]
    wrong += [f"nobody was told: {key}" for key in found if key not in told]
    wrong += [f"twice: {key}" for key, events in found.items() if len(events) > 1]
    wrong += [f"another's: {k}" for k, i in told.items() if i and k in found and found[k][0].event_id != i]
    return wrong


def image_indices(project: Project) -> dict[str, int]:
    """Return the index of each image by the id that annotators' sessions show for it."""
    n_images = image_columns(project, ["image_index"]).num_rows
    numbers = ImageNumbers.of(project.secret)
    return {numbers.image_id(index): index for index in range(n_images)}


def memory_mib(state: Path) -> dict[str, float]:
    """Return the memory of each session (its server and kernels; proportional set size, MiB), by folder name."""
    sizes: dict[str, float] = {}
    for process, name in of_sessions(state).items():
        with suppress(psutil.Error):
            sizes[name] = sizes.get(name, 0) + process.memory_full_info().pss / 2**20
    return sizes


async def run_sessions(
    hub: PreparedHub, kernels: Sequence[str], browsers: Sequence[str], n_images: int
) -> list[SessionReport]:
    """Let everyone work at once, and return one report per session."""
    work = [annotate(Person(hub, name)) for name in kernels]
    seen = [asyncio.to_thread(annotate_in_browser, hub, name, n_images) for name in browsers]
    reports: list[SessionReport] = list(await asyncio.gather(*work, *seen))
    sizes = await asyncio.to_thread(memory_mib, hub.state)
    for report in reports:
        report.memory_mib = sizes.get(report.name, 0.0)
    return reports


def print_table(reports: Sequence[SessionReport]) -> None:
    """Print the figures of all sessions as a table."""
    saves = [ms for r in reports for ms in r.latencies_ms]
    print("| what | median | p95 | max |\n| --- | ---: | ---: | ---: |")
    for what, values in (
        ("log-in to kernel or first image, s", [r.started_s for r in reports]),
        ("memory a session, MiB (PSS)", [r.memory_mib for r in reports]),
        ("save, ms", saves),
    ):
        p95 = float(np.percentile(values, 95))
        print(f"| {what} | {statistics.median(values):.1f} | {p95:.1f} | {max(values):.1f} |")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=15)
    parser.add_argument("--images", type=int, default=40, help="images a session")
    parser.add_argument("--browsers", type=int, default=3, help="how many of the sessions are real browsers")
    options = parser.parse_args()
    names = [f"annotator-{i + 1:02d}" for i in range(options.sessions)]
    with tempfile.TemporaryDirectory(prefix="mlf-hub-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)
        project = make_project(folder, options.images * options.sessions // 2, names)
        proxy = installed_proxy(folder / "proxy")
        with running_hub(project, {name: [Role.ANNOTATORS] for name in names}, folder / "hub", proxy) as hub:
            n_browsers = options.browsers
            reports = asyncio.run(run_sessions(hub, names[n_browsers:], names[:n_browsers], options.images))
        wrong = check_store(project, reports)
    n_votes = sum(len(r.acknowledged) for r in reports)
    print(f"\n{len(reports)} sessions ({n_browsers} browsers), {n_votes} votes acknowledged; wrong: {len(wrong)}\n")
    print_table(reports)
    sys.exit("\n".join(wrong[:20]) if wrong else 0)


def _end_of(log: Path) -> str:
    return f"no hub:\n{log.read_text()[-4000:] if log.exists() else 'and no log'}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5, verify=False).status_code == 200  # plain HTTP: no certificates to read
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    main()
