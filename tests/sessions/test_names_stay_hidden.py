"""What a session hands out tells nothing about an image but what it shows: file names often hold the class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlf_widgets.messages import session_info_message, small_picture_message, task_message
from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError
from pipeline.project.folder import Project
from pipeline.project.opaque_ids import image_of_opaque_id, opaque_image_id
from pipeline.sessions.local import LocalSession
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions

CLASSES = ("n03701234_wardrobe", "n03705678_teapot")
N_EACH = 3
BROKEN, MISSING = 1, 4


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project of images in one folder per class; one file is broken and one is gone."""
    for number, name in enumerate(CLASSES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(N_EACH):
            noise = np.random.default_rng(10 * number + i).integers(0, 256, (30, 40, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "photos" / name / f"{name}_{i}.png")
    made = init_project(tmp_path / "project", str(tmp_path / "photos"))
    np.savez(tmp_path / "ranks.npz", model=np.tile(np.array([[0, 1]], dtype=np.int16), (2 * N_EACH, 1)))
    propose_from_predictions(made, tmp_path / "ranks.npz")
    files = sorted((tmp_path / "photos").rglob("*.png"))
    files[BROKEN].write_bytes(b"no picture at all")
    files[MISSING].unlink()
    assign_project(made, ["ada"], 1)
    return made


def test_tasks_pictures_and_failures_name_no_file_and_no_folder(project):
    session = LocalSession(project, "ada")
    positions = range(2 * N_EACH)
    said = [json.dumps(session_info_message(session.open()))]
    said += [json.dumps(task_message(task)) for task in session.tasks(positions)]
    pictures = session.images(positions, 32)
    said += [json.dumps(small_picture_message(*pair)) for pair in zip(positions, pictures, strict=True)]
    n_failed = 0
    for position in positions:
        try:
            session.image(position, 64)
        except DatasetError as error:
            n_failed += 1
            said.append(f"{error} {error.__cause__} {error.__context__}")
    assert n_failed == 2
    everything = "\n".join(said)
    assert "cannot be read" in everything or "no such file" in everything
    for name in (*CLASSES, "wardrobe", "teapot", "photos", ".png"):
        assert name not in everything


def test_opaque_ids_tell_images_apart_and_lead_back_for_whoever_has_the_project(project):
    name = project.settings.project.id
    ids = [opaque_image_id(name, index) for index in range(2 * N_EACH)]
    assert len(set(ids)) == 2 * N_EACH
    assert all(set(one) <= set("0123456789abcdef") for one in ids)
    assert [image_of_opaque_id(name, one, 2 * N_EACH) for one in ids] == list(range(2 * N_EACH))
    assert image_of_opaque_id(name, "of nothing", 2 * N_EACH) is None
    session = LocalSession(project, "ada")
    assert [task.image_id for task in session.tasks(range(6))] == [
        ids[task.image_index] for task in session.tasks(range(6))
    ]
