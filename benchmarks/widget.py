"""How long an annotator waits: from a real key press to the next image painted, in a real JupyterLab in Chromium.

Measured on real photographs with the 1,000 classes of ImageNet, 20 proposals per image and 10 example images per class.
A key is pressed through the browser's own input queue. An image counts as painted when the widget's root says
``data-ready`` for it. Cold means that nothing was fetched before; warm means that the neighbouring images were fetched
ahead, as happens while a person looks.

    python benchmarks/widget.py --images 400

Published peers were measured with the same content (20 proposals with 10 examples each) on 2 cores: Multilabelfy's own
web app takes 1,270 ms in the median, Label Studio 1.23 takes 2,160 ms.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from lab_server import ROOT, LabServer, chromium_path, launch_chromium, run_all_cells, running_lab, write_notebook
from photographs import make_photograph_project
from playwright.sync_api import Page, sync_playwright

from pipeline.project.folder import Project

PHOTOGRAPHS = Path(os.environ.get("MLF_SHARED_DATA", ROOT.parent / "shared" / "data")) / "imagenet_samples"
PEERS_MS = {"Multilabelfy's web app": 1270.0, "Label Studio 1.23": 2160.0}
GOALS_MS = {"forward": 50.0, "jump": 150.0}
SEED = 7
#: How long a fast person looks at an image before the next key press, in seconds.
LOOK_S = 0.35

#: Records the time of each key press and each change of `data-ready`, by the page's own clock.
PROBE = """() => {
    const root = document.querySelector('[data-mlf="annotator"]');
    const probe = (window.mlfProbe = { pressed: null, from: null, waits: [] });
    window.addEventListener("keydown", (event) => {
        if (!event.isTrusted) return;
        // `timeStamp` is when the browser took the key, before any of the page's own work.
        probe.pressed = event.timeStamp;
        probe.from = root.dataset.imageId;
    }, true);
    new MutationObserver(() => {
        if (probe.pressed === null || root.dataset.ready !== "true" || root.dataset.imageId === probe.from) return;
        probe.waits.push(performance.now() - probe.pressed);
        probe.pressed = null;
    }).observe(root, { attributes: true, attributeFilter: ["data-ready", "data-image-id"] });
}"""


@dataclass
class Measurement:
    """The waits for one way of moving through the images, in ms."""

    name: str
    waits_ms: list[float] = field(default_factory=list)

    def row(self) -> str:
        """Return a row of the table: percentiles, and how many times faster than the peers it is."""
        p50, p95, p99 = np.percentile(self.waits_ms, [50, 95, 99])
        peers = " | ".join(f"{peer_ms / p50:,.0f}×" for peer_ms in PEERS_MS.values())
        return f"| {self.name} | {len(self.waits_ms)} | {p50:,.0f} | {p95:,.0f} | {p99:,.0f} | {peers} |"


class Walk:
    """A page with an open widget, and the measurements made on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.page.evaluate(PROBE)

    def press(self, key: str) -> float:
        """Press a key that leads to another image, and return the wait in ms."""
        n_before = self.page.evaluate("() => window.mlfProbe.waits.length")
        self.page.keyboard.press(key)
        self.page.wait_for_function(f"() => window.mlfProbe.waits.length > {n_before}", timeout=30_000)
        return float(self.page.evaluate("() => window.mlfProbe.waits.at(-1)"))

    def walk(self, name: str, keys: Iterator[str], n: int, look_s: float) -> Measurement:
        """Press `n` keys, looking at each image in between."""
        measured = Measurement(name)
        for _ in range(n):
            self.page.wait_for_timeout(1000 * look_s)
            measured.waits_ms.append(self.press(next(keys)))
        return measured

    def jump(self, name: str, numbers: list[int], look_s: float) -> Measurement:
        """Jump to images by number; the wait counts from Enter."""
        measured = Measurement(name)
        for number in numbers:
            self.page.wait_for_timeout(1000 * look_s)
            self.page.keyboard.press("j")
            self.page.keyboard.type(str(number))
            measured.waits_ms.append(self.press("Enter"))
        return measured

    def hold(self, name: str, key: str, seconds: float, per_second: int = 30) -> Measurement:
        """Hold a key down so that it repeats; the waits are the times between one painted image and the next."""
        self.page.evaluate(
            """() => {
                const root = document.querySelector('[data-mlf="annotator"]');
                window.mlfPainted = [];
                let last = root.dataset.imageId;
                window.mlfHold = new MutationObserver(() => {
                    if (root.dataset.ready !== "true" || root.dataset.imageId === last) return;
                    last = root.dataset.imageId;
                    window.mlfPainted.push(performance.now());
                });
                window.mlfHold.observe(root, { attributes: true, attributeFilter: ["data-ready", "data-image-id"] });
            }"""
        )
        for _ in range(int(seconds * per_second)):
            self.page.keyboard.down(key)
            self.page.wait_for_timeout(1000 / per_second)
        self.page.keyboard.up(key)
        painted = self.page.evaluate("() => { window.mlfHold.disconnect(); return window.mlfPainted; }")
        return Measurement(name, list(np.diff(painted)))


@dataclass
class Traffic:
    """Bytes that went over the kernel's channel."""

    received: int = 0
    sent: int = 0


@contextmanager
def counted_traffic(page: Page) -> Iterator[Traffic]:
    """Count the bytes that pass through the page's web sockets."""
    traffic = Traffic()

    def size(payload: str | bytes) -> int:
        return len(payload if isinstance(payload, bytes) else payload.encode())

    def watch(socket: object) -> None:
        def received(payload: str | bytes) -> None:
            traffic.received += size(payload)

        def sent(payload: str | bytes) -> None:
            traffic.sent += size(payload)

        socket.on("framereceived", received)  # type: ignore[attr-defined]
        socket.on("framesent", sent)  # type: ignore[attr-defined]

    page.on("websocket", watch)
    yield traffic


def open_widget(page: Page, lab: LabServer, project: Project) -> None:
    """Open a notebook with the widget, and return when the first image is painted."""
    code = f"from mlf_widgets import open_annotator\nopen_annotator({str(project.root)!r}, 'ada')"
    notebook = write_notebook(lab, "benchmark.ipynb", code)
    page.goto(lab.page_url(notebook))
    run_all_cells(page)
    page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for(timeout=60_000)
    page.locator('[data-mlf="annotator"]').focus()


def heap_mib(page: Page) -> float:
    """Return the page's JavaScript heap after garbage collection; decoded pictures are not in it."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    size = session.send("Runtime.getHeapUsage")["usedSize"]
    session.detach()
    return float(size) / 2**20


def renderer_mib(browser_pid: int) -> float:
    """Return the memory of the largest page process (proportional set size)."""
    sizes = [0.0]
    for process in psutil.Process(browser_pid).children(recursive=True):
        try:
            if "--type=renderer" in process.cmdline():
                sizes.append(process.memory_full_info().pss / 2**20)
        except psutil.Error:
            continue
    return max(sizes)


def browser_pid() -> int:
    """Return the process id of the Chromium that this process started."""
    mine = psutil.Process().children(recursive=True)
    return next(
        p.pid for p in mine if chromium_path().name in " ".join(p.cmdline()[:1]) and "--type=" not in str(p.cmdline())
    )


def measure(project: Project, n_images: int, n_steps: int, home: Path) -> tuple[list[Measurement], dict[str, float]]:
    """Operate the widget, and return the waits and the other figures; each row of the table is printed at once."""
    measurements: list[Measurement] = []

    def keep(measured: Measurement) -> None:
        measurements.append(measured)
        print(measured.row(), flush=True)

    random_numbers = random.Random(SEED).sample(range(2, n_images + 1), max(10, n_steps // 5))
    with running_lab(home) as lab, sync_playwright() as playwright:
        browser = launch_chromium(playwright)
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        with counted_traffic(page) as traffic:
            open_widget(page, lab, project)
            figures = {"received at open, MiB": traffic.received / 2**20}
            peers = " | ".join(f"{name} / p50" for name in PEERS_MS)
            print(f"\n| key to painted, ms | n | p50 | p95 | p99 | {peers} |\n| --- |{' ---: |' * 6}", flush=True)
            walk = Walk(page)
            keep(walk.jump("jump, cold", random_numbers, LOOK_S))
            walk.jump("back to the first", [1], LOOK_S)
            before = traffic.received
            keep(walk.walk("forward", _same("ArrowRight"), n_steps, LOOK_S))
            figures["received for one image on the way, kB"] = (traffic.received - before) / n_steps / 1000
            keep(walk.walk("backward", _same("ArrowLeft"), n_steps // 2, LOOK_S))
            keep(walk.walk("forward, as fast as painted", _same("ArrowRight"), n_steps // 2, 0.0))
            keep(walk.jump("jump, examples known", random_numbers, LOOK_S))
            walk.jump("back to the first", [1], LOOK_S)
            keep(walk.hold("held key, image to image", "ArrowRight", 5.0))
            figures["sent, kB"] = traffic.sent / 1000
            figures["received in all, MiB"] = traffic.received / 2**20
            figures["JavaScript heap, MiB"] = heap_mib(page)
            figures["page process, MiB (PSS)"] = renderer_mib(browser_pid())
            kernel = psutil.Process(lab.kernel_pid("benchmark.ipynb"))
            figures["kernel, MiB (PSS)"] = kernel.memory_full_info().pss / 2**20
        browser.close()
    return measurements, figures


def print_report(measurements: list[Measurement], figures: dict[str, float]) -> None:
    """Print the other figures as a table, and which goals are met."""
    print("\n| what | value |\n| --- | ---: |")
    for name, value in figures.items():
        print(f"| {name} | {value:,.1f} |")
    for measured in measurements:
        goal_ms = GOALS_MS.get(measured.name.split(",")[0])
        if goal_ms is not None:
            p95 = float(np.percentile(measured.waits_ms, 95))
            print(
                f"\n{measured.name}: p95 {p95:.0f} ms, goal {goal_ms:.0f} ms: {'met' if p95 <= goal_ms else 'MISSED'}"
            )


def _same(key: str) -> Iterator[str]:
    while True:
        yield key


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400, help="photographs in the project")
    parser.add_argument("--steps", type=int, default=200, help="images gone forward; half as many backward")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args()
    if options.images < options.steps + 50:
        parser.error("--images must be at least 50 more than --steps: going forward must not reach the end")
    if not PHOTOGRAPHS.is_dir():
        sys.exit(f"no photographs at {PHOTOGRAPHS}; set MLF_SHARED_DATA to the folder that holds imagenet_samples")
    if not chromium_path().exists():
        sys.exit(f"no Chromium at {chromium_path()}; install it, or set MLF_CHROMIUM to where it is")
    with tempfile.TemporaryDirectory(prefix="mlf-widget-") as temporary:
        folder = Path(temporary)
        seconds = LOOK_S * (1.5 * options.steps + 2 * max(10, options.steps // 5))
        print(f"{options.images} photographs, then {seconds / 60:.0f} minutes and more of looking", flush=True)
        project = make_photograph_project(folder / "data", PHOTOGRAPHS, options.images, ["ada"], n_examples=10)
        measurements, figures = measure(project, options.images, options.steps, folder / "lab")
    print_report(measurements, figures)
    if options.json:
        content = {"waits_ms": {m.name: m.waits_ms for m in measurements}, "figures": figures}
        options.json.write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
