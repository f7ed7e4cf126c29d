"""Stages 3 to 5 on a whole project, from its store to its tables: seconds and peak memory.

    python benchmarks/project_stages.py                    # 10,000 images, then 1,281,167; 2 annotators × 20 proposals
    python benchmarks/project_stages.py --images 10000
    python benchmarks/project_stages.py --folder DIR       # keep the projects there, and use those already there

Votes are simulated, by annotators who are right nineteen times in twenty, and are put into the store's tables directly.
The stages that are timed read them as in any project. Each stage runs in a process of its own, whose peak memory
includes everything. Notebooks and reports are left out: they take a few seconds, whatever the number of images.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from peak_memory import peak_mb

from pipeline.project.folder import Project, create_project, open_project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.settings import Settings
from pipeline.project.tables import IMAGES, IMAGES_ROW_GROUP, PREDICTIONS, PROPOSALS, PROPOSALS_ROW_GROUP

N_CLASSES, N_PROPOSALS, N_ANNOTATORS, N_MODELS = 1000, 20, 15, 2


def main() -> None:
    """Run every stage at every requested size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 1_281_167])
    parser.add_argument("--stages", nargs="+", choices=list(STAGES), default=list(STAGES))
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    for n_images in options.images:
        with tempfile.TemporaryDirectory() as temporary:
            root = (options.folder or Path(temporary)) / f"project_{n_images}"
            if not root.exists():
                make_project(root, n_images)
            size_mb = (root / "store.sqlite").stat().st_size / 1e6
            print(f"{n_images:,} images × {N_PROPOSALS} proposals × 2 annotators; a store of {size_mb:,.0f} MB")
            for name in options.stages:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    seconds, peak, said = pool.apply(run_stage, (name, root))
                print(f"  {name:9s} {seconds:6.1f} s, peak {peak:6,.0f} MB: {said}", flush=True)


def run_stage(name: str, root: Path) -> tuple[float, float, str]:
    """Run one stage, and return its time in seconds, the peak in MB and what it found."""
    project = open_project(root)
    start, cpu = time.perf_counter(), time.process_time()
    said = STAGES[name](project)
    return time.perf_counter() - start, peak_mb(), f"{said} ({time.process_time() - cpu:.1f} s of a processor)"


def read(project: Project) -> str:
    """Only read the votes."""
    from pipeline.stages.votes_of_project import read_project_votes
    from pipeline.store import open_project_store

    with open_project_store(project) as store:
        votes = read_project_votes(project, store).annotation
    return f"{votes.n_votes:,} votes on {votes.n_items:,} (image, class) pairs"


def analyze(project: Project) -> str:
    """Run stage 3."""
    from pipeline.stages.analyze import analyze_project

    found = analyze_project(project).disagreement.summary
    return f"{found.n_set_disagreements:,} images disputed, alpha {found.alpha:.3f}"


def refine(project: Project) -> str:
    """Choose images for refinement, and give them to refiners."""
    from pipeline.stages.select import select_and_assign

    found = select_and_assign(project, ["zoe", "yves"], audit_share=0.01)
    return f"{found.n_new:,} images given out, {found.n_audit:,} of them to audit"


def settle(project: Project) -> str:
    """Settle the labels."""
    from pipeline.stages.settle import settle_project

    found = settle_project(project)
    return f"{found.summary.n_labels:,} labels, {found.summary.multi_label_share:.1%} multi-label"


def evaluate(project: Project) -> str:
    """Score the models."""
    from pipeline.stages.evaluate import evaluate_project

    found = evaluate_project(project).evaluation
    return f"{len(found.models)} models on {found.n_images:,} images"


STAGES: dict[str, Callable[[Project], str]] = {
    "read": read,
    "analyze": analyze,
    "refine": refine,
    "settle": settle,
    "evaluate": evaluate,
}


def make_project(root: Path, n_images: int) -> None:
    """Make a project whose images have no files, with proposals, predictions and a store full of states."""
    from pipeline.store import open_project_store

    partial = root.with_name(f"{root.name}.partial")
    keys = [f"n{i:08d}" for i in range(N_CLASSES)]
    project = create_project(partial, Settings(), label_space_from_keys(keys))
    generator = np.random.default_rng(0)
    original = generator.integers(0, N_CLASSES, n_images).astype(np.int32)
    # Twenty distinct classes per image, the original first.
    steps = np.sort(generator.permutation(np.arange(1, 50))[: N_PROPOSALS - 1]) * 20
    proposed = (original[:, None] + np.append(0, steps)) % N_CLASSES
    _write_tables(project, original, proposed.astype(np.int32))
    with open_project_store(project) as store:
        names = [f"annotator{i:02d}" for i in range(N_ANNOTATORS)]
        store.add_annotators(names, kind="simulated")
    _fill_store(partial / "store.sqlite", names, proposed, generator)
    partial.rename(root)


def _write_tables(project: Project, original: np.ndarray, proposed: np.ndarray) -> None:
    n_images = len(original)
    index = pa.array(np.arange(n_images, dtype=np.int32))
    ids = pa.array([f"n{label:08d}/image_{i:08d}.JPEG" for i, label in enumerate(original.tolist())])
    images = pa.table([index, ids, pa.nulls(n_images, pa.string()), pa.array(original)], schema=IMAGES)
    pq.write_table(images, project.images_path, row_group_size=IMAGES_ROW_GROUP)
    offsets = pa.array(np.arange(n_images + 1, dtype=np.int32) * N_PROPOSALS)
    classes = pa.ListArray.from_arrays(offsets, pa.array(proposed.ravel()))
    scores = pa.ListArray.from_arrays(offsets, pa.nulls(proposed.size, pa.float32()))
    models = pa.ListArray.from_arrays(offsets, pa.array(np.zeros(proposed.size, dtype=np.int16)))
    table = pa.table([index, classes, scores, models], schema=PROPOSALS)
    named = table.replace_schema_metadata({"models": json.dumps(["simulated"])})
    pq.write_table(named, project.proposals_path, row_group_size=PROPOSALS_ROW_GROUP)
    project.predictions_dir.mkdir()
    for model in range(N_MODELS):
        ranked = pa.ListArray.from_arrays(offsets, pa.array(np.roll(proposed, model, axis=1).ravel()))
        table = pa.table([index, ranked, scores], schema=PREDICTIONS)
        pq.write_table(table, project.predictions_dir / f"model_{model}.parquet", row_group_size=PROPOSALS_ROW_GROUP)


def _fill_store(path: Path, names: list[str], proposed: np.ndarray, generator: np.random.Generator) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            "INSERT INTO states (round, annotator, image_index, state, last_seq) VALUES ('annotation', ?, ?, ?, ?)",
            _states(names, proposed, generator),
        )
        connection.executemany(
            "INSERT INTO tasks (round, annotator, position, image_index, is_gold, is_decided) "
            "VALUES ('annotation', ?, ?, ?, 0, 1)",
            ((name, image, image) for image in range(len(proposed)) for name in _couple(names, image)),
        )
    connection.close()


def _states(
    names: list[str], proposed: np.ndarray, generator: np.random.Generator
) -> Iterator[tuple[str, int, str, int]]:
    seq = 0
    for first in range(0, len(proposed), 10_000):
        classes = proposed[first : first + 10_000]
        applies = generator.random(classes.shape) < 0.08
        applies[:, 0] = True
        for image, row in enumerate(classes.tolist(), start=first):
            shown = sorted(row)
            for name in _couple(names, image):
                draw = generator.random(N_PROPOSALS)
                ticks = [c for c, true, d in zip(row, applies[image - first], draw, strict=True) if true != (d < 0.05)]
                seq += 1
                state = {
                    "votes": {str(c): "yes" for c in ticks}, "none": not ticks, "unsure": False, "comment": "",
                    "regions": {}, "shown": shown, "active_ms": 9000, "last_seq": seq,
                }  # fmt: skip
                yield name, image, json.dumps(state, separators=(",", ":")), seq


def _couple(names: list[str], image: int) -> tuple[str, str]:
    first = image % len(names)
    return names[first], names[(first + 1 + image // len(names) % (len(names) - 1)) % len(names)]


if __name__ == "__main__":
    main()
