"""What a project draws follows from its secret: the same for whoever has it, and something else for whoever guesses."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from toy_projects import N_SCENES, Toys

from pipeline.project.folder import Project, open_project
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.project.secret import make_secret
from pipeline.project.settings import write_settings
from pipeline.sessions.local import LocalSession
from pipeline.stages.add import add_images
from pipeline.stages.assign import assign_project, share_project
from pipeline.stages.select import read_selection, select_and_assign
from pipeline.store import open_project_store
from pipeline.votes.words import Round

Draw = Callable[[Path, bytes], Hashable]


def with_secret(root: Path, key: bytes, section: str = "annotation", **settings: object) -> Project:
    """Give a project another secret, and other settings; what was drawn before stays as it was."""
    write_settings(open_project(root).settings.with_changes(section, **settings), root / "mlf.toml")
    make_secret(root, key)
    return open_project(root)


def given(project: Project, round_: Round = Round.ANNOTATION, *, is_gold: bool = False) -> frozenset[tuple[str, int]]:
    with open_project_store(project) as store:
        return frozenset((a.annotator, a.image_index) for a in store.assignments(round_) if a.is_gold == is_gold)


def shown(root: Path, key: bytes, section: str, **settings: object) -> Hashable:
    """Return how one person is shown images that they were given before."""
    assign_project(open_project(root), ["eve", "fay"], 2)
    tasks = LocalSession(with_secret(root, key, section, **settings), "eve").tasks(range(N_SCENES))
    return tuple(
        (task.image_index, task.order, task.is_probe, *(p.class_index for p in task.proposals)) for task in tasks
    )


def images_of_a_part(root: Path, key: bytes) -> Hashable:
    project = with_secret(root, key)
    assign_project(project, ["eve", "fay"], 2, n_images=24)
    return frozenset(image for _, image in given(project))


def pairs_of_people(root: Path, key: bytes) -> Hashable:
    project = with_secret(root, key)
    assign_project(project, ["eve", "fay", "gil", "hal"], 2)
    return given(project)


def hidden_gold(root: Path, key: bytes) -> Hashable:
    project = with_secret(root, key)
    ids = Toys(project, {}).image_ids[:12]
    answers = root.with_suffix(".csv")
    answers.write_text("".join(f"{row}\n" for row in ("image,class", *(f"{image_id}," for image_id in ids))))
    assign_project(project, ["eve", "fay", "gil", "hal"], 2, gold=answers, gold_share=0.2)
    return given(project, is_gold=True)


def work_of_who_joins(root: Path, key: bytes) -> Hashable:
    assign_project(open_project(root), ["eve", "fay"], 2)
    return share_project(with_secret(root, key), ["gil"]).moves


def work_on_added_images(root: Path, key: bytes) -> Hashable:
    assign_project(open_project(root), ["eve", "fay", "gil", "hal"], 2)
    project = with_secret(root, key)
    manifest, rankings = root.with_suffix(".csv"), root.with_suffix(".npz")
    rows = ("image,label", *(f"new-{i},{project.label_space.keys[0]}" for i in range(40)))
    manifest.write_text("".join(f"{row}\n" for row in rows))
    np.savez(rankings, model_0=np.tile(np.arange(20), (40, 1)))
    add_images(project, manifest, has_files=False, from_predictions=rankings)
    return frozenset(task for task in given(open_project(root)) if task[1] >= N_SCENES)


def audited_images(root: Path, key: bytes) -> Hashable:
    project = with_secret(root, key)
    select_and_assign(project, ["dora"], audit_share=0.5)
    return frozenset(read_selection(project).query("reason == 'audit'")["image_index"])


def work_of_refiners(root: Path, key: bytes) -> Hashable:
    project = with_secret(root, key)
    select_and_assign(project, ["dora", "emil"], audit_share=0.0)
    return given(project, Round.REFINEMENT)


def order_of_proposals(root: Path, key: bytes) -> Hashable:
    return shown(root, key, "annotation", order="shuffled")


def tasks_of_an_experiment(root: Path, key: bytes) -> Hashable:
    return shown(root, key, "experiment", share=0.5, conditions=["scores-shown"])


def search_probes(root: Path, key: bytes) -> Hashable:
    return shown(root, key, "experiment", probe_share=0.5)


def numbers_of_images(root: Path, key: bytes) -> Hashable:
    return ImageNumbers.of(with_secret(root, key).secret).image_id(0)


@pytest.mark.parametrize(
    ("template", "draw"),
    [
        ("proposed", images_of_a_part),
        ("proposed", pairs_of_people),
        ("proposed", hidden_gold),
        ("proposed", work_of_who_joins),
        ("proposed", work_on_added_images),
        ("annotated", audited_images),
        ("annotated", work_of_refiners),
        ("proposed", order_of_proposals),
        ("proposed", tasks_of_an_experiment),
        ("proposed", search_probes),
        ("proposed", numbers_of_images),
    ],
)
def test_what_is_drawn_is_the_same_under_the_same_secret_and_another_under_another(
    template: str, draw: Draw, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    toys: Toys = request.getfixturevalue(template)
    keys = {"mine": b"m" * 32, "copied": b"m" * 32, "guessed": bytes(32)}
    drawn = {name: draw(copytree(toys.project.root, tmp_path / name), key) for name, key in keys.items()}
    assert drawn["mine"], "there is something to draw"
    assert drawn["mine"] == drawn["copied"]
    assert drawn["mine"] != drawn["guessed"]
