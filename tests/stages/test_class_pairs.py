"""Classes that guidelines, votes or proposals take for each other stand beside each other, and stay so once shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import run_mlf

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.session import Task
from pipeline.errors import DatasetError
from pipeline.project.folder import Project, open_project
from pipeline.project.presentation import Presentation
from pipeline.project.settings import write_settings
from pipeline.sessions.local import LocalSession
from pipeline.stages.assign import assign_project
from pipeline.stages.class_pairs import keep_class_pairs
from pipeline.stages.propose import ranked_proposals
from pipeline.store import open_project_store

#: Eight classes an image; 4 and 5 share the two first ranks of two images each way, as sunglass and sunglasses do.
RANKED = [[4, 0, 1, 2, 5, 3, 6, 7], [4, 5, 0, 1, 2, 3, 6, 7], [5, 4, 1, 0, 2, 3, 7, 6], [0, 2, 6, 1, 7, 3, 5, 4]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "images.csv").write_text("image\n" + "".join(f"{i}.jpg\n" for i in range(len(RANKED))))
    names = ["sofa", "chair", "bed", "lamp", "sunglass", "sunglasses", "cat", "dog"]
    (tmp_path / "classes.csv").write_text("index,key,name\n" + "".join(f"{i},c{i},{n}\n" for i, n in enumerate(names)))
    folder = tmp_path / "project"
    run_mlf("init", folder, "--images", tmp_path / "images.csv", "--classes", tmp_path / "classes.csv", "--no-files")
    project = open_project(folder)
    ranked_proposals(project, {"model": np.array(RANKED)}, {})
    return project


def task(project: Project, image_index: int, name: str = "ada") -> Task:
    tasks = LocalSession(open_project(project.root), name).tasks(range(len(RANKED)))
    return next(each for each in tasks if each.image_index == image_index)


def shown(project: Project, image_index: int) -> list[int]:
    return [proposal.class_index for proposal in task(project, image_index).proposals]


def decide(project: Project, name: str, image_index: int, yes: int) -> None:
    of_task = task(project, image_index, name)
    event = Event(
        f"event-{name}-{image_index}-{yes}", LocalSession(project, name).round, name, image_index, EventKind.VOTE,
        {"class_index": yes, "vote": "yes"}, tuple(p.class_index for p in of_task.proposals), order=of_task.order,
    )  # fmt: skip
    (saved,) = LocalSession(project, name).save([event])
    assert saved.seq, saved.error


def test_pairs_of_proposals_stand_beside_each_other_and_ranks_stay(project: Project) -> None:
    assign_project(project, ["ada", "ben"], 2)
    assert shown(project, 0) == [4, 5, 0, 1, 2, 3, 6, 7]
    assert [proposal.rank for proposal in task(project, 0).proposals] == [0, 4, 1, 2, 3, 5, 6, 7]
    assert shown(project, 3) == [0, 2, 6, 1, 7, 3, 5, 4]
    assert Presentation.parse(task(project, 0).order) == Presentation(pairs=1, pairs_page=5)
    assert "sunglass / sunglasses  (proposals)" in run_mlf("classes", project.root, "pairs")


def test_what_somebody_has_acted_on_stays_as_it_was_shown_and_all_else_follows_the_guidelines(project: Project) -> None:
    assign_project(project, ["ada", "ben"], 2)
    decide(project, "ada", 3, yes=0)
    (project.root / "guidelines.md").write_text("## Classes\n\n- sofa / dog: a sofa does not bark\n")
    told = run_mlf("classes", project.root, "pairs")
    assert told.index("sofa / dog  (guidelines)") < told.index("sunglass / sunglasses  (proposals)")
    assert shown(project, 3) == [0, 2, 6, 1, 7, 3, 5, 4]  # as ada saw it
    assert task(project, 3).order == "score pairs:1/5"
    assert shown(project, 1) == [4, 5, 0, 7, 1, 2, 3, 6]
    assert task(project, 1).order == "score pairs:2/5"
    others = LocalSession(open_project(project.root), "ben").tasks(range(4))
    assert {each.order for each in others} == {"score pairs:2/5"}


def test_a_pair_is_not_torn_apart_between_two_pages(project: Project) -> None:
    settings = project.settings.with_changes("annotation", page_size=3)
    write_settings(settings, project.root / "mlf.toml")
    assign_project(project, ["ada"], 1)
    (project.root / "guidelines.md").write_text("## Classes\n\n- bed / cat: a cat may lie on a bed\n")
    run_mlf("classes", project.root, "pairs")
    assert shown(project, 1) == [4, 5, 0, 1, 2, 6, 3, 7]
    assert shown(project, 2) == [5, 4, 1, 0, 2, 6, 3, 7]
    assert shown(project, 0) == [4, 5, 0, 1, 2, 6, 3, 7]


def test_pairs_that_votes_confuse_are_found_by_analyze(project: Project) -> None:
    assign_project(project, ["ada", "ben"], 2)
    for image in range(3):
        decide(project, "ada", image, yes=6)
        decide(project, "ben", image, yes=7)
    run_mlf("analyze", project.root)
    assert "cat / dog  (votes)" in run_mlf("classes", project.root, "pairs")
    assert shown(project, 3) == [0, 2, 6, 7, 1, 3, 5, 4]


def test_switched_off_nothing_moves_and_nothing_is_logged(project: Project) -> None:
    assign_project(project, ["ada"], 1)
    write_settings(project.settings.with_changes("annotation", pairs_together=False), project.root / "mlf.toml")
    assert [shown(project, image) for image in range(4)] == RANKED
    assert task(project, 0).order == "score"
    assert "pairs_together is off" in run_mlf("classes", project.root, "pairs")


def test_a_project_begun_before_there_were_pairs_stays_as_it_was_shown(project: Project) -> None:
    assign_project(project, ["ada"], 1)
    (project.root / "class_pairs.json").unlink()
    decide(project, "ada", 0, yes=4)
    keep_class_pairs(project)
    assert shown(project, 0) == RANKED[0]
    assert shown(project, 1) == RANKED[1]
    assert task(project, 1).order == "score pairs:1/5"


def test_a_broken_file_of_pairs_is_named(project: Project) -> None:
    assign_project(project, ["ada"], 1)
    (project.root / "class_pairs.json").write_text("[[[1]]]")
    with pytest.raises(DatasetError, match=r"class_pairs\.json: cannot be read as pairs"):
        task(project, 0)
    with open_project_store(project) as store:
        assert store.progress(LocalSession(project, "ada").round, "ada").n_done == 0
