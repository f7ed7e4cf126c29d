"""Assignments written to a store, and the command that people call."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.annotation.events import Event, EventKind
from pipeline.commands.assign import assign
from pipeline.errors import ProjectError
from pipeline.project.folder import Project, open_project
from pipeline.stages.assign import assign_project, read_tasks
from pipeline.store import open_project_store
from pipeline.votes.words import Round


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(assign)
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False).output


def lists(project: Project) -> dict[str, list[int]]:
    with open_project_store(project) as store:
        found: dict[str, list[int]] = {}
        for task in store.assignments(Round.ANNOTATION):
            found.setdefault(task.annotator, []).append(task.image_index)
    return found


def decide(project: Project, annotator: str, images: list[int]) -> None:
    with open_project_store(project) as store:
        made = [
            Event(f"event-{annotator}-{i}", Round.ANNOTATION, annotator, i, EventKind.NONE, {"value": True})
            for i in images
        ]
        assert all(result.seq for result in store.append(made))


def test_parts_are_assigned_one_after_the_other_until_all_images_have_two_people(project: Project) -> None:
    root = str(project.root)
    assert "10 images assigned as 20 tasks; 30 images are left for later" in run(
        root, "--annotators", "ada,ben,cleo", "--images", "10"
    )
    run(root, "--annotators", "ada,ben,cleo")
    counts = Counter(image for images in lists(project).values() for image in images)
    assert counts == dict.fromkeys(range(40), 2)
    assert "0 images assigned" in run(root, "--annotators", "ada,ben,cleo")
    late = run(root, "--annotators", "dora,ada")
    assert "No tasks for dora: " in late
    assert "--to dora" in late


def test_what_became_of_gold_that_was_hidden_nowhere_is_said(project: Project, gold_csv: Path) -> None:
    root = str(project.root)
    kept = "The answers for 6 images are kept in the project's gold.csv, and stand when labels are settled"
    people = ("--annotators", "ada,ben")
    assert "No hidden gold" not in run(root, *people, "--images", "30")
    none = run(root, *people, "--images", "2", "--gold", str(gold_csv), "--gold-share", "0")
    assert f"No hidden gold: --gold-share 0 asks for none. {kept}" in none
    run(root, *people, "--gold-share", "0")
    late = run(root, *people, "--gold", str(gold_csv))
    assert "0 images assigned" in late
    assert f"no image is left to give out; give --gold before all images are given. {kept}" in late
    assert (project.root / "gold.csv").read_bytes() == gold_csv.read_bytes()
    with pytest.raises(ProjectError, match="--gold goes along with new work: give it with --annotators"):
        run(root, "--to", "cleo", "--gold", str(gold_csv))


def test_gold_that_everyone_has_already_is_said_to_be_hidden_nowhere(project: Project, gold_csv: Path) -> None:
    root = str(project.root)
    first = run(root, "--annotators", "ada,ben", "--images", "6", "--gold", str(gold_csv), "--gold-share", "0.5")
    assert "12 of them hidden gold" in first
    more = run(root, "--annotators", "ada,ben", "--images", "6")
    assert "No hidden gold: everyone named has these images already." in more


def test_work_of_someone_who_left_moves_and_their_decisions_stay(project: Project) -> None:
    run(str(project.root), "--annotators", "ada,ben,cleo,dora")
    done = lists(project)["ben"][:3]
    decide(project, "ben", done)
    assert "17 undecided tasks moved" in run(str(project.root), "--from", "ben", "--to", "ada,cleo,dora")
    after = lists(project)
    assert after["ben"] == done
    assert Counter(image for images in after.values() for image in images) == dict.fromkeys(range(40), 2)


def test_someone_who_joins_takes_undecided_work_from_everyone(project: Project) -> None:
    run(str(project.root), "--annotators", "ada,ben,cleo")
    before = lists(project)
    run(str(project.root), "--to", "dora")
    after = lists(project)
    assert {name: len(images) for name, images in after.items()} == dict.fromkeys(("ada", "ben", "cleo", "dora"), 20)
    assert all(after[name] == [image for image in before[name] if image in after[name]] for name in before)


def test_gold_is_left_out_of_the_ordinary_work_and_marked_in_the_store_alone(project: Project, gold_csv: Path) -> None:
    output = run(str(project.root), "--annotators", "ada,ben", "--gold", str(gold_csv), "--gold-share", "0.1")
    assert "34 images assigned as 76 tasks, 8 of them hidden gold" in output
    with open_project_store(project) as store:
        tasks = read_tasks(store)
    assert set(tasks.image_index[tasks.is_gold].tolist()) <= set(range(6))
    assert set(tasks.image_index[~tasks.is_gold].tolist()) == set(range(6, 40))


def test_who_refines_an_image_is_not_asked_for_a_vote_on_it_afterwards(
    project: Project, give_to_refiners: Callable[..., None]
) -> None:
    folder = str(project.root)
    run(folder, "--annotators", "ada,ben")
    give_to_refiners(project, range(10), "cleo")
    run(folder, "--annotators", "ada,ben,cleo", "--per-image", "3")  # a third opinion
    assert not set(lists(project)["cleo"]) & set(range(10))
    assert len(lists(project)["cleo"]) == 30
    run(folder, "--from", "ada", "--to", "cleo,dora")
    assert not set(lists(project)["cleo"]) & set(range(10))
    run(folder, "--to", "cleo")
    assert not set(lists(project)["cleo"]) & set(range(10))


def test_images_that_nobody_named_may_complete_are_told_with_what_to_do(
    project: Project, give_to_refiners: Callable[..., None]
) -> None:
    folder = str(project.root)
    complete = run(folder, "--annotators", "ada,ben")
    assert "fewer than" not in complete
    give_to_refiners(project, [3, 5, 8, 9], "cleo")
    summary = assign_project(project, ["ada", "ben", "cleo"], 3)
    assert (summary.n_topped_up, summary.stuck) == (36, ("3.png", "5.png", "8.png", "9.png"))
    output = run(folder, "--annotators", "ada,ben,cleo", "--per-image", "3")
    assert "4 images still have fewer than 3 people ('3.png', '5.png', '8.png', …)" in output
    advice = f"mlf assign {folder} --annotators ada,ben,cleo,NAME --per-image 3"
    assert advice in output
    assert "fewer than" not in run(*advice.replace("NAME", "dora").split()[2:])  # the advice, exactly as printed
    assert sorted(lists(project)["dora"]) == [3, 5, 8, 9]


def test_an_image_that_lacks_two_people_is_told_once(project: Project, give_to_refiners: Callable[..., None]) -> None:
    assign_project(project, ["ada", "ben"], 1, n_images=5)
    summary = assign_project(project, ["ada", "ben", "cleo"], 3, n_images=1)
    assert summary.stuck == ()
    give_to_refiners(project, lists(project)["ada"][:1], "dora")
    later = assign_project(project, ["ada", "ben", "cleo", "dora", "eli"], 5, n_images=1)
    assert len(later.stuck) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--annotators", "ada"], "name at least 2"),
        (["--from", "ben"], "who takes over from 'ben'"),
        ([], "who annotates"),
        (["--annotators", "a,b", "--images", "few"], "--images 'few'"),
        (["--annotators", "a,b", "--to", "c"], "give one or the other"),
    ],
)
def test_a_call_that_makes_no_sense_says_what_to_do_instead(
    project: Project, arguments: list[str], message: str
) -> None:
    with pytest.raises(ProjectError, match=message):
        run(str(project.root), *arguments)


def test_simulated_annotators_are_known_as_such(project: Project) -> None:
    run(str(project.root), "--annotators", "sim-1,sim-2", "--simulated")
    with open_project_store(project) as store:
        assert store.annotator_kinds() == {"sim-1": "simulated", "sim-2": "simulated"}


def test_who_has_the_project_gets_the_same_assignment_again(project: Project, tmp_path: Path) -> None:
    copied = open_project(shutil.copytree(project.root, tmp_path / "copy"))
    given = []
    for each in (project, copied):
        assign_project(each, ["ada", "ben", "cleo"], 2)
        store = open_project_store(each)
        given.append([(a.annotator, a.image_index) for a in store.assignments(Round.ANNOTATION)])
        store.close()
    assert given[0] == given[1]


def test_given_out_in_parts_every_two_people_share_as_many_images_as_given_out_at_once(project: Project) -> None:
    people = ("ada", "ben", "cleo", "dora")
    for _ in range(6):
        assign_project(project, people, 2, n_images=2)
    with open_project_store(project) as store:
        having = defaultdict(set)
        for task in store.assignments(Round.ANNOTATION):
            having[task.image_index].add(task.annotator)
    met = Counter(frozenset(pair) for pair in having.values())
    assert met == {frozenset(pair): 2 for pair in combinations(people, 2)}
