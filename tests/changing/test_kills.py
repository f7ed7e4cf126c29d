"""Killed between any two steps, a change leaves the old state or the new one, never a third."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from pipeline.annotation.events import Event, EventKind
from pipeline.project.class_changes import add_classes, merge_classes, rename_class, retire_classes, split_class
from pipeline.project.class_pairs import read_versions
from pipeline.project.folder import Project, open_project
from pipeline.project.history import read_history
from pipeline.project.label_space import ClassInfo
from pipeline.proposals.reader import open_proposals
from pipeline.sessions.local import LocalSession
from pipeline.stages.add import add_images
from pipeline.stages.class_pairs import keep_class_pairs
from pipeline.stages.class_suggestions import class_suggestions, decline, take_up
from pipeline.stages.classes import change_classes, offer_class
from pipeline.store import open_project_store
from pipeline.votes.words import Round

Change = Callable[[Project], object]
KILLED = 77
N_POINTS = 10_000 if os.environ.get("MLF_SOAK") else 8
#: What changes something on disk, by the names under which Python audits it; a commit of the database is one more.
STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "shutil.rmtree", "shutil.copyfile"}


def add_four(project: Project) -> None:
    folder = project.root.parent / "elsewhere"
    add_images(project, folder, from_predictions=project.root.parent / "new.npz")


CHANGES: dict[str, Change] = {
    "add images": add_four,
    "classes add": lambda project: change_classes(
        project, "add", lambda space, since: add_classes(space, [ClassInfo(0, "lynx", "lynx")], since)
    ),
    "classes merge": lambda project: change_classes(
        project, "merge", lambda space, since: merge_classes(space, ["cat", "kitten"], "feline", since)
    ),
    "classes split": lambda project: change_classes(
        project, "split", lambda space, since: split_class(space, "cup", ["mug", "goblet"], since)
    ),
    "classes retire": lambda project: change_classes(
        project, "retire", lambda space, _since: retire_classes(space, ["lamp"])
    ),
    "classes rename": lambda project: change_classes(
        project, "rename", lambda space, _since: rename_class(space, "dog", "hound", ["doggy"])
    ),
    "classes take": lambda project: take_up(project, "lynx", key="lynx-1"),
    "classes decline": lambda project: decline(project, "lynx"),
    "classes offer": lambda project: offer_class(project, "lamp"),
    "classes pairs": lambda project: keep_class_pairs(project, [(1, 4, 5)]),
}


def killed_after(n_steps: int, change: Change, project: Project) -> bool:
    """Run a change in a process of its own that dies at a step; return whether it got that far."""
    child = os.fork()
    if child == 0:
        left = n_steps

        def step(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            is_writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in STEPS or is_writing:
                left -= 1
                if left < 0:
                    os._exit(KILLED)

        try:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 2)
            sa.event.listen(sa.Engine, "commit", lambda _connection: step("os.rename", ()))
            sys.addaudithook(step)
            change(project)
        except BaseException:  # noqa: BLE001 - a forked child must not return into the tests
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED), f"the change failed after {n_steps} steps"
    return code == KILLED


def seen(root: Path) -> dict[str, object]:
    """Return everything that people and reports would notice of a project's state."""
    project = open_project(root)
    with open_project_store(project) as store:
        tasks = sorted((t.annotator, t.image_index) for t in store.assignments(Round.ANNOTATION))
        states = [(r.annotator, r.image_index, r.state) for r in store.iter_states(Round.ANNOTATION)]
    sessions = [LocalSession(project, name) for name in ("ada", "ben")]
    return {
        "history": [(c.what, c.text) for c in read_history(root)],
        "classes": [(c.key, c.name, c.synonyms, c.fate, c.into) for c in project.label_space],
        "suggestions": [each.name for each in class_suggestions(project)],
        "pairs": read_versions(project.class_pairs_path),
        "images": pq.read_table(project.images_path).to_pylist(),
        "proposals": open_proposals(project).as_arrays().class_index.tolist(),
        "examples": pq.read_table(project.examples_path)["n_examples"].to_pylist(),
        "predictions": [pq.read_metadata(p).num_rows for p in sorted(project.predictions_dir.glob("*.parquet"))],
        "files": pq.read_metadata(root / "files.marks").num_rows,
        "progress": [session.open().progress for session in sessions],
        "tasks": tasks,
        "states": [(name, image, dict(s.votes), s.shown, s.none, s.offered, s.open_again) for name, image, s in states],
        "is unfinished": [(root / name).exists() for name in (".change/journal.json", "pending.json")],
    }


@pytest.mark.parametrize("name", CHANGES)
def test_killed_at_any_step_a_change_is_made_or_not(
    name: str, project: Project, vote: Callable[..., None], draw: Callable[[Path, int], None], tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    for i, key in enumerate(("cat", "cup", "dog", "lamp")):
        draw(folder / key / f"new{i}.png", 100 + i)
    np.savez(tmp_path / "new.npz", model=np.array([[5, 4, 3, 2]] * 4))
    vote(project, "ada", 0, ["cat", "kitten", "cup", "lamp"], ["kitten", "cup"])
    vote(project, "ben", 0, ["cat", "kitten", "cup"], ["cat"])
    vote(project, "ada", 1, ["cat", "kitten", "lamp"], ["lamp"])
    comment = Event("ada-comments", Round.ANNOTATION, "ada", 1, EventKind.COMMENT, {"text": "class: lynx"})
    assert LocalSession(project, "ada").save([comment])[0].seq
    root, kept = project.root, tmp_path / "kept"
    shutil.copytree(root, kept)

    def begun_anew() -> Project:
        shutil.rmtree(root)
        shutil.copytree(kept, root)
        return open_project(root)

    old = seen(root)
    CHANGES[name](begun_anew())
    new = seen(root)
    assert new != old
    n_steps = 1
    while killed_after(n_steps, CHANGES[name], begun_anew()):
        n_steps *= 2
    points = range(n_steps)
    found = []
    for point in sorted(random.Random(name).sample(points, min(N_POINTS, len(points)))):
        killed_after(point, CHANGES[name], begun_anew())
        state = seen(root)
        assert state in (old, new), f"a third state after {point} of {n_steps} steps"
        found.append(state == new)
        CHANGES[name](open_project(root)) if state == old else None
        assert seen(root) == new  # what was cut off before it counted can be given again
    assert found == sorted(found)  # from some step on, and for good, the change counts
