"""A toybox project whose annotators are programs: at the end of stage 2, and after stages 3 to 5."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from command_line import run_mlf
from simulation import annotate
from toy_projects import HOSTILE, N_SCENES, Finished, Toys, copy_of, rankings_by_truth

from pipeline.datasets.create import init_project
from pipeline.project.secret import make_secret
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions
from pipeline.toybox import read_truth, write_toybox
from pipeline.votes.words import Round


@pytest.fixture(scope="session")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """Return a project with the proposals of three made-up models; tests copy it."""
    root = tmp_path_factory.mktemp("toys")
    box = write_toybox(root / "box", seed=5, n_scenes=N_SCENES, n_reference=1)
    rows = list(csv.DictReader(box.classes.open(encoding="utf-8", newline="")))
    rows[0]["name"] = HOSTILE
    with box.classes.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    project = init_project(root / "project", box.scenes_csv, box.classes, box.reference)
    make_secret(project.root, bytes(32))  # so that people, images and audit are the same each time
    index = {key: i for i, key in enumerate(project.label_space.keys)}
    truth = {Path(image).name: frozenset(index[key] for key in keys) for image, keys in read_truth(box.truth).items()}
    ids = Toys(project, {}).image_ids
    by_id = {image_id: truth[Path(image_id).name] for image_id in ids}
    npz = root / "models.npz"
    np.savez(npz, **{f"model_{k}": rankings_by_truth(ids, by_id, len(index), k) for k in range(3)})
    propose_from_predictions(project, npz)
    return Toys(project, by_id)


@pytest.fixture(scope="session")
def annotated(proposed: Toys, tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """Return a copy in which ada, ben (simulated) and cleo have labelled everything, two of them per image."""
    toys = copy_of(proposed, tmp_path_factory.mktemp("annotated") / "project")
    assign_project(toys.project, ["ada", "ben"], 2, n_images=20, kind="simulated")
    assign_project(toys.project, ["ada", "ben", "cleo"], 2, kind="human", seed=1)
    comments = {3: f"look at {HOSTILE}", 7: "blurred"}
    annotate(toys.project, "ada", toys.truth, comments=comments, seed=1)
    annotate(toys.project, "ben", toys.truth, unsure=0.03, comments=comments, seed=2)
    annotate(toys.project, "cleo", toys.truth, miss=0.3, seed=3)
    return toys


@pytest.fixture
def fresh(annotated: Toys, tmp_path: Path) -> Toys:
    """Return a copy of the annotated project that a test may change."""
    return copy_of(annotated, tmp_path / "project")


@pytest.fixture(scope="session")
def finished(annotated: Toys, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Return a project after analyze, refine (dora refines, simulated), settle and evaluate."""
    toys = copy_of(annotated, tmp_path_factory.mktemp("finished") / "project")
    root = toys.project.root
    printed = {"analyze": run_mlf("analyze", root, "--resamples", 200)}
    printed["refine"] = run_mlf("refine", root, "--refiners", "dora", "--simulated", "--audit-share", 0.3)
    annotate(toys.project, "dora", toys.truth, miss=0.0, false_alarm=0.0, round_=Round.REFINEMENT)
    printed["settle"] = run_mlf("settle", root)
    printed["evaluate"] = run_mlf("evaluate", root)
    return Finished(toys, printed)
