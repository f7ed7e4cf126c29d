"""`mlf status` names the right next step in every state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project, open_project
from pipeline.sessions.local import LocalSession
from pipeline.stages.assign import share_project
from pipeline.stages.select import select_and_assign
from pipeline.stages.settle import settle_project
from pipeline.toybox import write_toybox
from pipeline.votes.words import Round

Mlf = Callable[..., str]
Vote = Callable[..., None]


def next_of(printed: str) -> str:
    [line] = [line for line in printed.splitlines() if line.startswith("Next: ")]
    return line.removeprefix("Next: ")


def test_own_classes_are_proposed_from_examples_and_wordnet_ones_by_a_model(
    tmp_path: Path, mlf: Mlf, draw: Callable[[Path, int], None]
) -> None:
    for i, key in enumerate(("cat", "dog")):
        draw(tmp_path / "own" / key / "1.png", i)
    for i, key in enumerate(("n01440764", "n01443537")):
        draw(tmp_path / "net" / key / "1.png", i)
    assert "--from-examples" in next_of(mlf("init", tmp_path / "a", "--images", tmp_path / "own"))
    assert "--from-examples" in next_of(mlf("status", tmp_path / "a"))
    assert "the best model at hand" in next_of(mlf("init", tmp_path / "b", "--images", tmp_path / "net"))
    toys = write_toybox(tmp_path / "toys", n_scenes=1, n_reference=1)
    made = mlf("init", tmp_path / "c", "--images", toys.scenes, "--classes", toys.classes)
    assert "the best model at hand" in next_of(made)


def test_images_without_files_are_proposed_for_from_predictions(tmp_path: Path, mlf: Mlf) -> None:
    (tmp_path / "images.csv").write_text("image,label\none,a\ntwo,b\n")
    init_project(tmp_path / "birds", tmp_path / "images.csv")
    assert "--from-predictions" in next_of(mlf("status", tmp_path / "birds"))


def test_from_votes_to_labels(project: Project, vote: Vote, mlf: Mlf) -> None:
    root = project.root
    assert "mlf annotate" in next_of(mlf("status", root))
    for image in range(6):
        for name in ("ada", "ben"):
            vote(project, name, image, ["cat", "cup"], ["cat"] if image or name == "ada" else ["cup"])
    assert "mlf analyze" in next_of(mlf("status", root))
    mlf("analyze", root)
    assert "mlf refine" in next_of(mlf("status", root))
    assert "no tasks yet; 1 disputed image" in mlf("status", root)
    select_and_assign(project, ["cleo"])
    assert "--round refinement" in next_of(mlf("status", root))
    vote(project, "cleo", 0, ["cat", "cup"], ["cat", "cup"], round_=Round.REFINEMENT)
    assert "mlf settle" in next_of(mlf("status", root))
    settle_project(project)
    assert "mlf evaluate" in next_of(mlf("status", root))
    mlf("classes", root, "retire", "lamp")
    assert "mlf settle" in next_of(mlf("status", root))  # labels of the earlier list


def _annotate_all(project: Project, vote: Vote, disputed: int = -1) -> None:
    """Have everybody decide their open images, and differ on one."""
    opened = open_project(project.root)
    for name in ("ada", "ben"):
        session = LocalSession(opened, name)
        for task in session.tasks(range(session.open().progress.n_tasks)):
            if not task.state.is_done:
                ticked = "cup" if (task.image_index, name) == (disputed, "ben") else "cat"
                offered = [opened.label_space[c].key for c in task.state.offered]
                vote(opened, name, task.image_index, ["cat", "cup", *offered], [ticked])


def test_after_images_were_added_from_their_assignment_to_new_disputes(
    project: Project, vote: Vote, mlf: Mlf, draw: Callable[[Path, int], None]
) -> None:
    root = project.root
    _annotate_all(project, vote, disputed=0)
    mlf("analyze", root)
    select_and_assign(project, ["cleo"])
    vote(project, "cleo", 0, ["cat", "cup"], ["cat"], round_=Round.REFINEMENT)
    settle_project(project)
    draw(root.parent / "more" / "cat" / "new.png", 100)
    np.savez(root.parent / "new.npz", model=np.array([[1, 2, 3, 4]]))
    mlf("add", root, "--images", root.parent / "more", "--from-predictions", root.parent / "new.npz")
    assert "mlf annotate" in next_of(mlf("status", root))
    _annotate_all(project, vote, disputed=6)
    assert "mlf analyze" in next_of(mlf("status", root))  # the refiners' work is done, but not for the new image
    mlf("analyze", root)
    assert "mlf refine" in next_of(mlf("status", root))
    select_and_assign(open_project(root), ["cleo"])
    assert "--round refinement" in next_of(mlf("status", root))
    vote(project, "cleo", 6, ["cat", "cup"], ["cat"], round_=Round.REFINEMENT)
    assert "mlf settle" in next_of(mlf("status", root))


def test_after_classes_were_split_and_merged(project: Project, vote: Vote, mlf: Mlf) -> None:
    root = project.root
    _annotate_all(project, vote)
    settle_project(project)
    mlf("classes", "split", root, "cat", "--into", "tom,queen")
    assert "mlf annotate" in next_of(mlf("status", root))  # open again, for everybody who had it
    opened = open_project(root)
    for name in ("ada", "ben"):
        for image in range(6):
            vote(opened, name, image, ["cup", "tom", "queen"], ["tom"])
    assert "mlf analyze" in next_of(mlf("status", root))
    mlf("analyze", root)
    assert "mlf settle" in next_of(mlf("status", root))  # nothing is disputed
    settle_project(open_project(root))
    assert "mlf evaluate" in next_of(mlf("status", root))
    mlf("classes", "merge", root, "tom", "queen", "--into", "feline")
    assert "mlf analyze" in next_of(mlf("status", root))


def test_nothing_is_left_once_the_report_is_made(project: Project, vote: Vote, mlf: Mlf) -> None:
    root = project.root
    _annotate_all(project, vote)
    mlf("analyze", root)
    settle_project(project)
    np.savez(root.parent / "others.npz", other=np.array([[1, 2, 3, 4, 5]] * 6))
    mlf("evaluate", root, "--predictions", root.parent / "others.npz", "--order", "natural")
    assert "mlf report" in next_of(mlf("status", root))
    mlf("report", root)
    assert next_of(mlf("status", root)) == "all stages are done"
    vote(project, "ada", 0, ["cat", "cup", "dog"], ["dog"])
    assert "mlf analyze" in next_of(mlf("status", root))  # somebody changed their mind


@pytest.mark.parametrize("has_joined", [False, True])
def test_people_who_join_and_leave_are_in_the_history(project: Project, mlf: Mlf, has_joined: bool) -> None:
    if has_joined:
        share_project(project, ["cleo"])
    mlf("assign", project.root, "--from", "ben", "--to", "dora")
    told = mlf("project", "history", project.root)
    assert ("cleo joined the annotation round and took 4 undecided tasks" in told) is has_joined
    assert "ben left the annotation round;" in told
