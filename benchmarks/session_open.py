"""Opening a session on a project the size of ImageNet's training set: time to the first usable image, and memory.

The tables are made up (1,281,167 images with 20 proposals each, all of them one annotator's tasks). The pictures are
real photographs, repeated. The time runs from starting the notebook's cell, in a kernel that has just started, to the
first image painted in JupyterLab. It is also measured in a bare Python process, step by step.

    python benchmarks/session_open.py --images 1281167
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from lab_server import LabServer, chromium_path, launch_chromium, run_all_cells, running_lab, write_notebook
from photographs import N_CLASSES, N_PROPOSALS, make_photograph_project
from playwright.sync_api import Page, sync_playwright
from widget import PHOTOGRAPHS

from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.tables import IMAGES, IMAGES_ROW_GROUP, PROPOSALS, PROPOSALS_ROW_GROUP
from pipeline.proposals.writer import write_proposals
from pipeline.store import Assignment, open_store
from pipeline.votes.words import Round

N_TRAINING_IMAGES = 1_281_167
GOAL_S = 1.0
GOAL_MIB = 250.0
_CHUNK = 200_000

#: What a kernel does until it can show the first image, step by step; prints seconds and MiB.
STEPS = """
import json, os, sys, time
steps, began = {}, time.perf_counter()
def step(name):
    global began
    steps[name] = time.perf_counter() - began
    began = time.perf_counter()
from mlf_widgets import open_annotator
step("import")
widget = open_annotator(sys.argv[1], "ada")
step("open the widget")
def ask(kind, **params):
    reply, buffers = widget.answer({"id": "a", "kind": kind, "params": params})
    assert reply["ok"], reply
    return reply["result"]
position = ask("open")["start_position"]
step("open the session")
ask("classes")
step("classes")
tasks = ask("tasks", positions=list(range(position, position + 25)))
step("25 tasks")
ask("image", position=position, max_side_px=1024)
step("first image")
ask("sprite", class_indices=[p["class_index"] for p in tasks[0]["proposals"][:5]])
step("examples of 5 classes")
import psutil
memory = psutil.Process().memory_full_info().pss / 2**20
print(json.dumps({"steps": steps, "memory_mib": memory}))
"""


def make_large_project(folder: Path, n_images: int) -> Project:
    """Make a project of photographs, then enlarge its tables to `n_images`; Ada has all of them as tasks."""
    project = make_photograph_project(folder, PHOTOGRAPHS, 1000, ["ben"], n_examples=10)
    paths = image_columns(project, ["path"]).column(0).to_pylist()
    with pq.ParquetWriter(project.images_path, IMAGES) as writer:
        for first in range(0, n_images, IMAGES_ROW_GROUP):
            rows = range(first, min(first + IMAGES_ROW_GROUP, n_images))
            columns = {
                "image_index": pa.array(rows, pa.int32()),
                "image_id": [f"{i:07d}/{paths[i % len(paths)]}" for i in rows],
                "path": [paths[i % len(paths)] for i in rows],
                "original_label": pa.array([i % N_CLASSES for i in rows], pa.int32()),
            }
            writer.write_table(pa.table(columns, schema=IMAGES), row_group_size=IMAGES_ROW_GROUP)
    write_proposals(project, _proposals(n_images), ["random"], {"source": "benchmark"})
    with open_store(project.store_url, N_CLASSES) as store:
        store.add_annotators(["ada"])
        for first in range(0, n_images, _CHUNK):
            store.assign(Round.ANNOTATION, [Assignment("ada", i) for i in range(first, min(first + _CHUNK, n_images))])
    return project


def _proposals(n_images: int) -> Iterator[pa.Table]:
    generator = np.random.default_rng(0)
    for first in range(0, n_images, PROPOSALS_ROW_GROUP):
        n_rows = min(PROPOSALS_ROW_GROUP, n_images - first)
        # Distinct classes, drawn cheaply: a random start and a random odd step around the label space.
        start = generator.integers(0, N_CLASSES, (n_rows, 1))
        step = 1 + 2 * generator.integers(0, 20, (n_rows, 1))
        classes = ((start + step * np.arange(N_PROPOSALS)) % N_CLASSES).astype(np.int32)
        offsets = pa.array(np.arange(0, (n_rows + 1) * N_PROPOSALS, N_PROPOSALS, dtype=np.int32))
        scores = -np.sort(-generator.random((n_rows, N_PROPOSALS), dtype=np.float32))
        columns = [
            pa.array(np.arange(first, first + n_rows, dtype=np.int32)),
            pa.ListArray.from_arrays(offsets, pa.array(classes.ravel())),
            pa.ListArray.from_arrays(offsets, pa.array(scores.ravel())),
            pa.ListArray.from_arrays(offsets, pa.array(np.zeros(n_rows * N_PROPOSALS, np.int16))),
        ]
        yield pa.table(columns, schema=PROPOSALS)


def measure_steps(project: Project) -> dict[str, object]:
    """Return the seconds of each step and the memory of a bare process."""
    command = [sys.executable, "-c", STEPS, str(project.root)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, object] = json.loads(printed.splitlines()[-1])
    return found


def measure_in_lab(page: Page, lab: LabServer, project: Project, number: int) -> tuple[float, float]:
    """Return the seconds from running the cell to the first image painted, and the kernel's memory in MiB then."""
    code = f"from mlf_widgets import open_annotator\nopen_annotator({str(project.root)!r}, 'ada')"
    notebook = write_notebook(lab, f"open-{number}.ipynb", code)
    page.goto(lab.page_url(notebook))
    page.wait_for_function(
        "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    began = time.perf_counter()
    run_all_cells(page)
    page.locator('[data-mlf="annotator"][data-ready="true"]').wait_for(timeout=120_000)
    seconds = time.perf_counter() - began
    kernel = psutil.Process(lab.kernel_pid(notebook))
    memory_mib = kernel.memory_full_info().pss / 2**20
    lab.end_kernel(notebook)
    return seconds, memory_mib


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=N_TRAINING_IMAGES)
    parser.add_argument("--times", type=int, default=3, help="how often to open")
    options = parser.parse_args()
    if not PHOTOGRAPHS.is_dir():
        sys.exit(f"no photographs at {PHOTOGRAPHS}; set MLF_SHARED_DATA to the folder that holds imagenet_samples")
    with tempfile.TemporaryDirectory(prefix="mlf-open-") as temporary:
        project = make_large_project(Path(temporary) / "data", options.images)
        steps = [measure_steps(project) for _ in range(options.times)]
        opened: list[tuple[float, float]] = []
        if chromium_path().exists():
            with running_lab(Path(temporary) / "lab") as lab, sync_playwright() as playwright:
                page = launch_chromium(playwright).new_page()
                opened = [measure_in_lab(page, lab, project, number) for number in range(options.times + 1)][1:]
    last = steps[-1]
    print(f"\nSession on {options.images:,} images, a bare process; last of {options.times}\n")
    print("| step | ms |\n| --- | ---: |")
    named = last["steps"]
    assert isinstance(named, dict)
    for name, seconds in named.items():
        print(f"| {name} | {1000 * seconds:,.0f} |")
    print(f"| in all | {1000 * sum(named.values()):,.0f} |")
    print(f"\nMemory of the process: {last['memory_mib']:,.0f} MiB (PSS); goal: at most {GOAL_MIB:.0f}")
    for seconds, memory_mib in opened:
        print(
            f"In JupyterLab, from running the cell to the first image painted: {seconds:.2f} s (goal {GOAL_S:.0f} s), "
            f"kernel {memory_mib:,.0f} MiB (PSS)"
        )


if __name__ == "__main__":
    main()
