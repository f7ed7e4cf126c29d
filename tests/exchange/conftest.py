"""A small project with people's work in it, and an empty one of the same images that takes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run_mlf
from simulation import annotate
from toy_projects import Toys, copy_of, rankings_by_truth

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project, open_project
from pipeline.project.secret import make_secret
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions
from pipeline.stages.settle import settle_project
from pipeline.toybox import read_truth, write_toybox
from pipeline.votes.words import Round

N_SCENES = 24
Take = Callable[..., tuple[str, dict[str, dict[str, Any]]]]


@pytest.fixture(scope="session")
def empty_toys(tmp_path_factory: pytest.TempPathFactory) -> Toys:
    """Return a project of drawn scenes in which nothing has been done; tests copy it."""
    root = tmp_path_factory.mktemp("exchange")
    box = write_toybox(root / "box", seed=8, n_scenes=N_SCENES, n_reference=1)
    project = init_project(root / "project", box.scenes_csv, box.classes, box.reference)
    make_secret(project.root, bytes(32))
    index = {key: i for i, key in enumerate(project.label_space.keys)}
    truth = {Path(image).name: frozenset(index[key] for key in keys) for image, keys in read_truth(box.truth).items()}
    ids = Toys(project, {}).image_ids
    return Toys(project, {image_id: truth[Path(image_id).name] for image_id in ids})


@pytest.fixture(scope="session")
def worked(empty_toys: Toys, tmp_path_factory: pytest.TempPathFactory, give_to_refiners: Callable[..., None]) -> Toys:
    """Return a copy in which two people and a program have voted, one has refined, and labels are settled.

    Some images nobody has.
    """
    root = tmp_path_factory.mktemp("worked")
    toys = copy_of(empty_toys, root / "project")
    project, ids = toys.project, toys.image_ids
    npz = root / "models.npz"
    rankings = {f"model_{k}": rankings_by_truth(ids, toys.truth, len(project.label_space), k) for k in range(2)}
    np.savez(npz, **rankings)
    propose_from_predictions(project, npz)
    assign_project(project, ["ada", "ben"], 2, n_images=12, kind="human")
    assign_project(project, ["bot"], 1, n_images=8, kind="simulated")
    comments = {image: f'=SUM(A{image}) a "blurred" scene;\nwhat’s that?' for image in range(0, N_SCENES, 2)}
    annotate(project, "ada", toys.truth, comments=comments, seed=1)
    annotate(project, "ben", toys.truth, miss=0.3, unsure=0.05, seed=2)
    annotate(project, "bot", toys.truth, seed=3)
    give_to_refiners(project, [0, 1, 2, 3, 4, 5], "dora")
    annotate(project, "dora", toys.truth, miss=0.0, false_alarm=0.0, round_=Round.REFINEMENT)
    settle_project(project)
    return toys


@pytest.fixture(scope="session")
def truth(worked: Toys, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return everything that the worked project holds, one record an image."""
    path = tmp_path_factory.mktemp("truth") / "all.jsonl"
    run_mlf("export", worked.project.root, "--format", "jsonl", "--out", path)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def receiving(empty_toys: Toys, tmp_path: Path) -> Project:
    """Return an empty project of the same images that a test may fill."""
    return open_project(copy_of(empty_toys, tmp_path / "receiving").project.root)


@pytest.fixture
def take(receiving: Project, tmp_path: Path) -> Take:
    """Return a function that imports a file and gives what was said, and what the project then holds by image."""

    def taken(name: str, content: Any, *options: object, code: int = 0) -> tuple[str, dict[str, dict[str, Any]]]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        told = run_mlf("import", receiving.root, path, *options, code=code)
        run_mlf("export", receiving.root, "--format", "jsonl", "--out", tmp_path / "all.jsonl")
        lines = map(json.loads, (tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines())
        return told, {line["image"]: line for line in lines}

    return taken
