"""A small real project that the kernel halves of the widgets work on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project
from pipeline.project.secret import make_secret
from pipeline.project.settings import AnnotationSection, Settings
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions

N_IMAGES = 12
N_CLASSES = 25
N_PROPOSALS = 20
NASTY_NAME = "<img src=x onerror=alert(1)> & 'co'"


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Project]:
    """Return a function that makes a project whose image i has the proposals i, i + 1, … (20 of 25 classes).

    Ada and Ben have every image; the last has no file. Keywords are settings of the section `annotation`.
    """

    def make(**annotation: object) -> Project:
        folder = tmp_path / "images"
        folder.mkdir()
        for number in range(N_IMAGES - 1):
            coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((120, 90), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
        reference = tmp_path / "reference"
        reference.mkdir()
        for number in range(N_CLASSES):
            Image.new("RGB", (60, 45), (10 * number, 90, 200)).save(reference / f"class_{number:02d}.png")
        with (tmp_path / "images.csv").open("w", newline="") as sink:
            rows = [(f"{number}.png", f"class_{number:02d}") for number in range(N_IMAGES - 1)]
            csv.writer(sink).writerows([("image", "label"), *rows, ("without a file", "class_11")])
        classes = [{"key": f"class_{index:02d}", "name": f"thing {index}"} for index in range(N_CLASSES)]
        classes[3]["name"] = NASTY_NAME
        (tmp_path / "classes.json").write_text(json.dumps(classes))
        project = init_project(
            tmp_path / "project",
            tmp_path / "images.csv",
            tmp_path / "classes.json",
            images_root=folder,
            examples=reference,
            settings=Settings(annotation=AnnotationSection(**annotation)),
        )
        make_secret(project.root, bytes(32))  # the same order of tasks each time; the image without a file is not first
        rankings = (np.arange(N_IMAGES)[:, None] + np.arange(N_PROPOSALS)) % N_CLASSES
        np.savez(tmp_path / "predictions.npz", by_hand=rankings)
        propose_from_predictions(project, tmp_path / "predictions.npz")
        assign_project(project, ["ada", "ben"], 2)
        return project

    return make


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    """Return such a project with the default settings."""
    return make_project()
