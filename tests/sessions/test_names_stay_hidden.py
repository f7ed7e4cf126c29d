"""What a session hands out tells nothing about an image but what it shows: file names often hold the class."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.annotation.events import Event, EventKind
from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError
from pipeline.project.folder import Project
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.project.secret import make_secret
from pipeline.sessions.local import LocalSession
from pipeline.sessions.messages import session_info_message, small_picture_message, task_message
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions
from pipeline.store import Assignment, open_project_store
from pipeline.votes.words import Round

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
    make_secret(made.root, bytes(32))  # six images could come in any order by chance
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
    numbers = ImageNumbers.of(project.secret)
    said += [json.dumps(task_message(task, numbers)) for task in session.tasks(positions)]
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
    numbers = ImageNumbers.of(project.secret)
    ids = [numbers.image_id(index) for index in range(2 * N_EACH)]
    assert len(set(ids)) == 2 * N_EACH
    assert all(set(one) <= set("0123456789abcdef") for one in ids)
    assert [numbers.index(int(one, 16)) for one in ids] == list(range(2 * N_EACH))
    session = LocalSession(project, "ada")
    assert [task.image_id for task in session.tasks(range(6))] == [
        ids[task.image_index] for task in session.tasks(range(6))
    ]


def test_a_refiners_tasks_name_no_file_either(project):
    session = LocalSession(project, "ada")
    for task in session.tasks(range(2 * N_EACH)):
        payload = {"class_index": 0, "vote": "unsure"}
        event = Event(f"unsure-{task.position:04d}", Round.ANNOTATION, "ada", task.image_index, EventKind.VOTE, payload)
        assert session.save([event])[0].seq
    with open_project_store(project) as store:
        store.add_annotators(["dora"])
        store.assign(Round.REFINEMENT, [Assignment("dora", task.image_index) for task in session.tasks(range(6))])
    numbers = ImageNumbers.of(project.secret)
    tasks = LocalSession(project, "dora", Round.REFINEMENT).tasks(range(2 * N_EACH))
    assert [task.open_labels for task in tasks] == [(0,)] * 2 * N_EACH
    said = json.dumps([task_message(task, numbers) for task in tasks])
    for name in (*CLASSES, "wardrobe", "teapot", "photos", ".png", "image_index", "rank", "original"):
        assert name not in said


def test_images_come_in_no_order_of_the_manifest_when_assigned_and_when_topped_up(project):
    assign_project(project, ["ada", "ben"], 2)  # a second opinion on every image: they are topped up
    for name in ("ada", "ben"):
        indices = [task.image_index for task in LocalSession(project, name).tasks(range(2 * N_EACH))]
        assert sorted(indices) == list(range(2 * N_EACH))
        assert indices != sorted(indices)
