"""`mlf add`: new images join a running project, and nothing that is there changes."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.project.folder import Project, open_project
from pipeline.project.history import read_history
from pipeline.proposals.reader import open_proposals
from pipeline.sessions.local import LocalSession
from pipeline.stages.assign import hand_over_project, share_project
from pipeline.store import open_project_store
from pipeline.votes.words import Round

Mlf = Callable[..., str]
Vote = Callable[..., None]
Draw = Callable[[Path, int], None]


@pytest.fixture
def new_photos(project: Project, draw: Draw) -> Path:
    """Return a folder of four new images elsewhere, and beside it their rankings by the project's model."""
    folder = project.root.parent / "elsewhere"
    for i, key in enumerate(("cat", "cup", "dog", "lamp")):
        draw(folder / key / f"new{i}.png", 100 + i)
    np.savez(project.root.parent / "new.npz", model=np.array([[5, 4, 3, 2]] * 4))
    return folder


@pytest.fixture
def predictions(project: Project) -> Path:
    return project.root.parent / "new.npz"


def tasks_of(project: Project) -> dict[str, list[int]]:
    with open_project_store(open_project(project.root)) as store:
        found: dict[str, list[int]] = {}
        for task in store.assignments(Round.ANNOTATION):
            found.setdefault(task.annotator, []).append(task.image_index)
    return found


def test_new_images_join_with_proposals_tasks_and_pictures(
    project: Project, vote: Vote, mlf: Mlf, new_photos: Path, predictions: Path
) -> None:
    vote(project, "ada", 0, ["cat"], ["cat"])
    before = pq.read_table(project.proposals_path)
    images_before = pq.read_table(project.images_path)
    old_tasks = tasks_of(project)
    printed = mlf("add", project.root, "--images", new_photos, "--from-predictions", predictions, "--by", "maria")
    assert "Change 1: added 4 images; 10 images in the project" in printed
    assert "lost" not in printed  # their folder is one more, which the project has known for a moment only
    opened = open_project(project.root)
    assert pq.read_table(opened.images_path).slice(0, 6).equals(images_before)
    assert pq.read_table(opened.proposals_path).slice(0, 6).equals(before)
    assert [row.class_index for row in open_proposals(opened).rows([6, 7, 8, 9]).values()] == [(5, 4, 3, 2)] * 4
    tasks = tasks_of(project)
    assert {name: images[:6] for name, images in tasks.items()} == old_tasks
    assert Counter(image for images in tasks.values() for image in images if image >= 6) == dict.fromkeys(
        range(6, 10), 2
    )
    assert {len(images) for images in tasks.values()} == {10}
    session = LocalSession(opened, "ada")
    assert session.open().progress.n_tasks == 10
    assert all(session.image(position, 64).data for position in range(10))
    assert "10 images" in mlf("status", project.root)
    [change] = read_history(project.root)
    assert (change.by, change.what, change.text) == ("maria", "images add", "added 4 images")


def test_images_below_the_folder_of_images_are_found_by_naming_it_again(project: Project, mlf: Mlf, draw: Draw) -> None:
    photos = project.root.parent / "photos"
    draw(photos / "cat" / "9.png", 9)
    np.savez(project.root.parent / "one.npz", model=np.array([[1, 2, 3, 4]]))
    printed = mlf("add", project.root, "--images", photos, "--from-predictions", project.root.parent / "one.npz")
    assert "added 1 image;" in printed
    assert "6 were in the project already" in printed
    assert pq.read_table(project.images_path)["image_id"].to_pylist()[6] == "cat/9.png"
    assert "holds no new image" in mlf("add", project.root, "--images", photos, code=2)


def test_names_that_clash_are_refused_with_the_option_that_mends_it(
    project: Project, mlf: Mlf, predictions: Path, draw: Draw
) -> None:
    folder = project.root.parent / "clashing"
    draw(folder / "cat" / "1.png", 55)
    assert "--prefix" in mlf("add", project.root, "--images", folder, code=2)
    np.savez(predictions, model=np.array([[1, 2, 3, 4]]))
    mlf("add", project.root, "--images", folder, "--prefix", "second/", "--from-predictions", predictions)
    assert pq.read_table(project.images_path)["image_id"].to_pylist()[6] == "second/cat/1.png"


def test_loads_stay_within_one_and_leavers_get_nothing(
    project: Project, mlf: Mlf, new_photos: Path, predictions: Path
) -> None:
    share_project(project, ["cleo"])
    hand_over_project(project, "ben", ["cleo"])
    mlf("add", project.root, "--images", new_photos, "--from-predictions", predictions)
    new = {name: sum(image >= 6 for image in images) for name, images in tasks_of(project).items()}
    assert {name: n for name, n in new.items() if n} == {"ada": 4, "cleo": 4}


def test_images_that_nobody_could_propose_for_wait_and_status_says_so(
    project: Project, mlf: Mlf, new_photos: Path
) -> None:
    before = {path.name: path.read_bytes() for path in project.root.glob("*.parquet")}
    told = mlf("add", project.root, "--images", new_photos, code=2)
    assert "--from-predictions" in told
    assert "--model" in told
    assert {path.name: path.read_bytes() for path in project.root.glob("*.parquet")} == before
    assert not (project.root / ".change").exists()


def test_new_images_wait_where_others_wait(project: Project, mlf: Mlf, new_photos: Path, predictions: Path) -> None:
    with open_project_store(project) as store:
        store.unassign(Round.ANNOTATION, "ada", [0])
        store.unassign(Round.ANNOTATION, "ben", [0])
    printed = mlf("add", project.root, "--images", new_photos, "--from-predictions", predictions)
    assert "1 image of before waits" in printed
    assert all(image < 6 for images in tasks_of(project).values() for image in images)


def test_changed_and_vanished_files_are_named_with_what_to_do(project: Project, mlf: Mlf, draw: Draw) -> None:
    photos = project.root.parent / "photos"
    assert "6 files are as they were" in mlf("add", project.root)
    (photos / "cat" / "1.png").unlink()
    draw(photos / "cup" / "2.png", 77)
    os.utime(photos / "cup" / "2.png", (1, 1))
    for printed in (mlf("add", project.root), mlf("status", project.root)):
        assert "1 image has lost its file ('cat/1.png')" in printed
        assert "1 image has a file that was written again since it came ('cup/2.png')" in printed
    assert "lost" not in mlf("add", project.root, "--accept-files")


@pytest.mark.parametrize(
    ("ran_on", "refusal"),
    [
        ({}, ""),
        ({"engine": "ray", "ray_address": "127.0.0.1:1", "device": "cuda"}, ""),
        ({"device": "cuda:99"}, "device 'cuda:99': not usable here"),
    ],
    ids=["here", "a lost cluster", "a lost GPU"],
)
def test_a_model_runs_on_the_new_images_alone(
    project: Project, mlf: Mlf, new_photos: Path, ran_on: dict[str, Any], refusal: str
) -> None:
    import timm
    import torch

    from pipeline.inference.predictions import predictions_path

    checkpoint = project.root.parent / "own.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=6).state_dict(), checkpoint)
    mlf(
        "propose",
        project.root,
        "--model",
        "test_resnet.r160_in1k",
        "--checkpoint",
        checkpoint,
        "--n-workers",
        0,
        "--restart",
    )
    (path,) = project.runs_dir.glob("*-propose*/1_propose.ipynb")
    record = json.loads(path.read_text())
    record["metadata"]["mlf"]["parameters"] |= ran_on
    path.write_text(json.dumps(record))
    before = pq.read_table(predictions_path(project, "own"))
    photo = project.root.parent / "photos" / "cat" / "1.png"
    photo.write_bytes(b"no picture any more")  # whoever looked at the old images again would stumble over it
    command = ["add", project.root, "--images", new_photos]
    if refusal:
        refused = mlf(*command, code=2)
        assert refusal in refused
        assert "--device cpu" in refused
        command += ["--device", "cpu"]
    assert "Proposals for 4 of 4 new images" in mlf(*command)
    after = pq.read_table(predictions_path(project, "own"))
    assert after.slice(0, 6).equals(before)
    assert after.num_rows == 10
    assert len(open_proposals(open_project(project.root)).rows([9])[9].class_index) == 6
    assert "proposals for 10 of 10" in mlf(
        "propose", project.root, "--model", "test_resnet.r160_in1k", "--checkpoint", checkpoint
    )
