"""A project of any size, drawn: images without files, proposals, predictions, and a store full of simulated work.

The benchmark of the whole method (`whole_method.py`) runs on it. It is built with the program's own commands as far as
they go without people and models. Their work is written into the store's tables directly, as the store itself keeps it:
every tick one event in its annotator's chain, and the state that the events imply. What was built once is used again.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.inference.predictions import write_predictions
from pipeline.project.folder import Project, open_project
from pipeline.proposals.writer import proposal_groups, write_proposals
from pipeline.store.chain import Head, linked

N_CLASSES, N_PROPOSALS, N_ANNOTATORS, N_MODELS = 1000, 20, 15, 10
#: How often a proposal beside the original label applies, and how often annotators and refiners miss or add a label.
_ALSO_APPLIES, _MISS, _FALSE_ALARM, _REFINER_MISS = 0.03, 0.08, 0.006, 0.02
_ANNOTATORS = [f"annotator{number:02d}" for number in range(N_ANNOTATORS)]
REFINERS = ["zoe", "yves", "xena"]
_TASKS_AT_ONCE = 20_000


def build(folder: Path, n_images: int) -> Path:
    """Build the project where it is not built yet, and return its folder; a build that was cut off goes on."""
    root, manifest = folder / "project", folder / "manifest.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    proposed, applies = drawn_classes(n_images)
    if not manifest.exists():
        names = [f"train/n{label:08d}/image_{index:08d}" for index, label in enumerate(proposed[:, 0].tolist())]
        pq.write_table(pa.table({"image_id": names, "label": [f"n{label:08d}" for label in proposed[:, 0]]}), manifest)
        (folder / "classes.csv").write_text("key\n" + "".join(f"n{label:08d}\n" for label in range(N_CLASSES)))
    if not root.exists():
        subprocess.run(init_command(root, folder), check=True)
    project = open_project(root)
    if not project.proposals_path.exists():
        _say("proposals")
        scores = -np.sort(-np.random.default_rng(1).random(proposed.shape, dtype=np.float32))
        models = np.zeros(proposed.shape, dtype=np.int16)
        write_proposals(project, proposal_groups([proposed, scores, models]), ["drawn"], {"source": "benchmark"})
    for model in range(N_MODELS):
        if not (project.predictions_dir / f"model_{model}.parquet").exists():
            _say(f"predictions of model {model}")
            _predict(project, model, proposed)
    if _count(root, "SELECT count(*) FROM tasks WHERE round = 'annotation'") < 2 * n_images:
        subprocess.run(assign_command(root), check=True)
    fill_round(root, "annotation", proposed, applies)
    return root


def mlf(*arguments: object) -> list[str]:
    """Return a command line of this Python's `mlf`."""
    return [str(Path(sys.executable).with_name("mlf")), *map(str, arguments)]


def init_command(root: Path, folder: Path) -> list[str]:
    """Return the command that makes the project."""
    return mlf("init", root, "--images", folder / "manifest.parquet", "--classes", folder / "classes.csv", "--no-files")


def assign_command(root: Path) -> list[str]:
    """Return the command that gives every image to two annotators."""
    return mlf("assign", root, "--annotators", ",".join(_ANNOTATORS), "--per-image", 2, "--simulated")


def drawn_classes(n_images: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the proposals of every image, the original label first, and which of them apply: ``(n_images, 20)``."""
    generator = np.random.default_rng(0)
    original = generator.integers(0, N_CLASSES, (n_images, 1), dtype=np.int32)
    steps = np.sort(generator.permutation(np.arange(1, 50))[: N_PROPOSALS - 1]) * 20
    applies = generator.random((n_images, N_PROPOSALS), dtype=np.float32) < _ALSO_APPLIES
    applies[:, 0] = True
    return (original + np.append(0, steps).astype(np.int32)) % N_CLASSES, applies


def fill_round(root: Path, round_: str, proposed: NDArray[np.int32], applies: NDArray[np.bool_], most: int = -1) -> int:
    """Decide the round's tasks that nobody has decided, or the first `most` of them; return how many."""
    with sqlite3.connect(root / "store.sqlite") as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -1000000")
        tasks = connection.execute(
            "SELECT annotator, image_index FROM tasks WHERE round = ? AND NOT is_decided "
            "ORDER BY position, annotator LIMIT ?",
            (round_, most),
        ).fetchall()
        heads = {
            (round_, name): Head(n_events, digest)
            for name, n_events, digest in connection.execute(
                "SELECT annotator, n_events, digest FROM chains WHERE round = ?", (round_,)
            )
        }
        seq = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
        generator = np.random.default_rng(seq)
        miss = _MISS if round_ == "annotation" else _REFINER_MISS
        for first in range(0, len(tasks), _TASKS_AT_ONCE):
            some = tasks[first : first + _TASKS_AT_ONCE]
            images = np.array([image for _, image in some])
            luck = generator.random((len(some), N_PROPOSALS), dtype=np.float32)
            ticked = np.where(applies[images], luck >= miss, luck < _FALSE_ALARM)
            seq = _write(connection, round_, some, proposed[images], ticked, heads, seq)
            _say(f"{round_}: {first + len(some):,} of {len(tasks):,} tasks")
    connection.close()
    return len(tasks)


def clear_refinement(root: Path) -> None:
    """Take the refinement round out of the store, so that images can be chosen for it again."""
    with sqlite3.connect(root / "store.sqlite") as connection:
        for table in ("tasks", "states", "events", "chains"):
            connection.execute(f"DELETE FROM {table} WHERE round = 'refinement'")
    connection.close()
    (root / "results" / "refinement" / "selection.parquet").unlink(missing_ok=True)


def _write(
    connection: sqlite3.Connection,
    round_: str,
    tasks: list[tuple[str, int]],
    proposed: NDArray[np.int32],
    ticked: NDArray[np.bool_],
    heads: dict[tuple[str, str], Head],
    seq: int,
) -> int:
    """Write the events and states of some tasks in one transaction; return the last `seq`."""
    rows, states = list[dict[str, Any]](), list[tuple[object, ...]]()
    for (name, image), classes, ticks in zip(tasks, proposed.tolist(), ticked.tolist(), strict=True):
        shown, said = sorted(classes), [c for c, tick in zip(classes, ticks, strict=True) if tick]
        shown_text = json.dumps(shown, separators=(",", ":"))
        payloads: Iterable[tuple[str, object]] = (
            [("vote", {"class_index": c, "vote": "yes"}) for c in said] if said else [("none", {"value": True})]
        )
        for kind, payload in payloads:
            seq += 1
            rows.append(
                {
                    "seq": seq, "event_id": f"drawn-{seq:012d}", "round": round_, "annotator": name,
                    "image_index": image, "kind": kind, "payload": json.dumps(payload, separators=(",", ":")),
                    "shown": shown_text, "active_ms": 3000, "proposal_order": "score",
                    "client_time": "2026-05-01T09:00:00.000Z", "server_time": "2026-05-01T09:00:00.000+00:00",
                }
            )  # fmt: skip
        state = {
            "votes": {str(c): "yes" for c in said}, "none": not said, "unsure": False, "comment": "", "regions": {},
            "shown": shown, "searched": False, "active_ms": 9000, "last_seq": seq, "saw_frames": False,
        }  # fmt: skip
        text = json.dumps(state, separators=(",", ":"))
        states.append((round_, name, image, text, seq, max(len(said), 1), len(shown_text)))
    columns = [*rows[0], "chain_position", "digest"]
    into = f"INSERT INTO events ({', '.join(columns)}) VALUES ({', '.join(':' + name for name in columns)})"
    connection.executemany(into, linked(rows, heads))
    connection.executemany(
        "INSERT INTO states (round, annotator, image_index, state, last_seq, n_events, n_bytes) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        states,
    )
    connection.executemany(
        "UPDATE tasks SET is_decided = 1 WHERE round = ? AND annotator = ? AND image_index = ?",
        [(round_, name, image) for name, image in tasks],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO chains (round, annotator, n_events, digest) VALUES (?, ?, ?, ?)",
        [(*key, head.n_events, head.digest) for key, head in heads.items()],
    )
    connection.commit()
    return seq


def _predict(project: Project, model: int, proposed: NDArray[np.int32]) -> None:
    """Write a model's rankings: the proposals in an order of its own, the right label first in most."""
    generator = np.random.default_rng([2, model])
    classes = np.empty_like(proposed)
    for part in _slices(len(proposed)):
        noise = generator.random((part.stop - part.start, N_PROPOSALS), dtype=np.float32)
        noise[:, 0] -= 0.9 + 0.01 * model
        classes[part] = np.take_along_axis(proposed[part], noise.argsort(axis=1), axis=1)
    scores = -np.sort(-(generator.random(proposed.shape, dtype=np.float32) ** 4))
    write_predictions(project, f"model_{model}", classes, {"source": "benchmark"}, scores)


def _slices(n: int) -> Iterator[slice]:
    return (slice(first, min(first + 100_000, n)) for first in range(0, n, 100_000))


def _count(root: Path, query: str) -> int:
    store = root / "store.sqlite"
    if not store.exists():
        return 0
    with sqlite3.connect(store) as connection:
        return int(connection.execute(query).fetchone()[0])


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)
