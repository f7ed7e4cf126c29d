"""Toybox projects on their way through the stages, and what tests need from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from pipeline.annotation.folding import ImageState
from pipeline.project.folder import Project, open_project
from pipeline.votes.words import Round

N_SCENES = 48
HOSTILE = '<script>alert("x")</script> & "quotes"'


@dataclass(frozen=True)
class Toys:
    """An annotated project and the truth about its images."""

    project: Project
    truth: dict[str, frozenset[int]]  # image id to class indices

    @property
    def original(self) -> list[int]:
        import pyarrow.parquet as pq

        return pq.read_table(self.project.images_path)["original_label"].to_pylist()

    @property
    def image_ids(self) -> list[str]:
        import pyarrow.parquet as pq

        return pq.read_table(self.project.images_path)["image_id"].to_pylist()


def rankings_by_truth(ids: list[str], truth: Mapping[str, frozenset[int]], n_classes: int, skill: int) -> np.ndarray:
    """Rank the true classes high; the greater the skill, the higher."""
    rows = []
    for image_id in ids:
        generator = Random(f"{skill}{image_id}")
        score = [generator.random() + (0.3 + 0.3 * skill) * (c in truth[image_id]) for c in range(n_classes)]
        rows.append(sorted(range(n_classes), key=lambda c: -score[c])[:20])
    return np.array(rows, dtype=np.int16)


def copy_of(toys: Toys, destination: Path) -> Toys:
    shutil.copytree(toys.project.root, destination)
    settings = destination / "mlf.toml"
    text = settings.read_text()
    assert "images_root" in text
    return Toys(open_project(destination), toys.truth)


def figures(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Finished:
    """A project brought through stages 3 to 5 by the commands, with what each command printed."""

    toys: Toys
    printed: dict[str, str]

    @property
    def project(self) -> Project:
        return self.toys.project

    def report(self, stage: str) -> str:
        return (self.project.reports_dir / f"{stage}.html").read_text(encoding="utf-8")

    def summary(self, stage: str) -> dict:
        return figures(self.project.results_dir / f"{stage}.json")


def states_of(project: Project, round_: Round) -> dict[int, dict[str, ImageState]]:
    """Return image index to annotator to decided state, straight from the store."""
    from pipeline.store import open_project_store

    with open_project_store(project) as store:
        found: dict[int, dict[str, ImageState]] = {}
        for row in store.iter_states(round_):
            if row.state.is_decided:
                found.setdefault(row.image_index, {})[row.annotator] = row.state
    return found
