"""The votes that leave a project are those that settling counts: what a refiner was not asked about has none."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run_mlf
from toy_projects import Toys, copy_of

from pipeline.annotation.events import Event, EventKind
from pipeline.formats.real_votes import read_raters
from pipeline.project.folder import Project
from pipeline.stages.votes_of_project import read_project_votes
from pipeline.store import Assignment, open_project_store
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import VOTE_ORDER, Round

#: Image, class, annotator: what they voted.
Votes = dict[tuple[str, str, str], str]
N_CLASSES = 6
ANNOTATORS, REFINERS = ("ada", "ben", "cleo"), ("ada", "dora")


def act(who: str, round_: Round, image: int, kind: EventKind, shown: tuple[int, ...], **payload: Any) -> Event:
    return Event(uuid.uuid4().hex, round_, who, image, kind, payload, shown)


def work_of(who: str, round_: Round, image: int, chance: random.Random) -> list[Event]:
    """Return the events of somebody who ticks, denies, doubts and leaves alone what they see; refiners leave more."""
    shown = tuple(sorted(chance.sample(range(N_CLASSES), chance.randrange(2, N_CLASSES + 1))))
    if chance.random() < 0.15:
        return [act(who, round_, image, EventKind.NONE, shown, value=True)]
    if chance.random() < 0.1:
        return [act(who, round_, image, EventKind.UNSURE, shown, value=True)]
    weights = [8, 1, 1, 1] if round_ is Round.ANNOTATION else [2, 1, 1, 8]
    words = {c: chance.choices(["yes", "no", "unsure", ""], weights)[0] for c in shown}
    words = {c: word for c, word in words.items() if word} or {shown[0]: "no"}
    return [act(who, round_, image, EventKind.VOTE, shown, class_index=c, vote=word) for c, word in words.items()]


@pytest.fixture(scope="module")
def project(empty_toys: Toys, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project in which three people annotated, and two refined: one of them what she had annotated herself."""
    return with_work(copy_of(empty_toys, tmp_path_factory.mktemp("refined") / "project").project)


def with_work(made: Project, *, is_gold: bool = False) -> Project:
    chance = random.Random(7)
    with open_project_store(made) as store:
        for round_, people in ((Round.ANNOTATION, ANNOTATORS), (Round.REFINEMENT, REFINERS)):
            store.add_annotators(people)
            pairs = [(who, image) for who in people for image in range(24) if chance.random() < 0.8]
            is_hidden = is_gold and round_ is Round.ANNOTATION
            store.assign(round_, [Assignment(who, image, is_gold=is_hidden) for who, image in pairs])
            saved = store.append([event for who, image in pairs for event in work_of(who, round_, image, chance)])
            assert all(result.seq for result in saved)
    return made


def counted(project: Project, round_: str = "") -> Votes:
    """Return the votes that settling counts: of one round, or of both with the refinement's where there are two."""
    with open_project_store(project) as store:
        found = read_project_votes(project, store)
    votes: VoteArrays = getattr(found, round_) if round_ else found.all_votes()
    ids, keys = [f"scenes/{number:04d}.jpg" for number in range(24)], project.label_space.keys
    return {
        (ids[int(votes.item_image[item])], keys[votes.item_class[item]], str(votes.annotators[who])): VOTE_ORDER[vote]
        for item, who, vote in zip(votes.item, votes.annotator, votes.vote, strict=True)
    }


def export(project: Project, kind: str, path: Path, *options: object) -> str:
    return run_mlf("export", project.root, "--format", kind, "--out", path, *options)


@pytest.fixture(scope="module")
def lines(project: Project, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    path = tmp_path_factory.mktemp("lines") / "all.jsonl"
    export(project, "jsonl", path)
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("round_", list(Round))
def test_lines_and_tables_hold_the_votes_that_count_and_no_others(
    round_: Round, project: Project, lines: list[dict[str, Any]], tmp_path: Path
) -> None:
    expected = counted(project, round_)
    said = [(line["image"], each) for line in lines for each in line["votes"] if each["round"] == round_]
    assert expected == {
        (image, name, each["annotator"]): vote for image, each in said for name, vote in each["votes"].items()
    }
    for ending, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        export(project, ending, tmp_path / f"votes.{ending}", "--table", "votes")
        table = read(tmp_path / f"votes.{ending}")
        rows = table[table["round"] == round_]
        keys = zip(rows["image"], rows["class"], rows["annotator"], strict=True)
        assert len(rows) == len(expected)
        assert dict(zip(keys, rows["vote"], strict=True)) == expected


def test_what_a_refiner_saw_unasked_is_exposure_and_no_vote(project: Project, lines: list[dict[str, Any]]) -> None:
    with open_project_store(project) as store:
        seen = {(row.annotator, row.image_index): row.state for row in store.iter_states(Round.REFINEMENT)}
    n_unasked = 0
    for index, line in enumerate(lines):
        for each in line["votes"]:
            if each["round"] == Round.REFINEMENT:
                state = seen[each["annotator"], index]
                assert each["shown"] == [project.label_space.keys[c] for c in state.shown]
                unasked = set(each["shown"]) - set(each["votes"])
                ticked = [other["votes"].get(name) for name in unasked for other in line["votes"]
                          if other["round"] == Round.ANNOTATION and name in other["votes"]]  # fmt: skip
                assert set(ticked) <= {"yes"}
                n_unasked += len(unasked)
    assert n_unasked > 8


def test_formats_of_one_word_each_hold_the_votes_that_count(project: Project, tmp_path: Path) -> None:
    expected = counted(project)
    told = export(project, "crowd-kit", tmp_path / "crowd.csv")
    crowd = pd.read_csv(tmp_path / "crowd.csv")
    assert "unasked" in told.split("not carried:")[1]
    assert Counter(map(tuple, crowd[["image", "class", "worker", "label"]].to_numpy().tolist())) == Counter(
        (*key, vote) for key, vote in expected.items()
    )

    export(project, "cleanlab", tmp_path / "cleanlab.parquet")
    long = pd.read_parquet(tmp_path / "cleanlab.parquet").melt(["class", "image"], var_name="who").dropna()
    sure = {key: vote == "yes" for key, vote in expected.items() if vote != "unsure"}
    assert {(image, name, who): value == 1 for name, image, who, value in long.to_numpy().tolist()} == sure

    export(project, "real", tmp_path / "real")
    votes, keys = read_raters(tmp_path / "real" / "raters.npz"), project.label_space.keys
    assert expected == {
        (str(votes.images[votes.item_image[item]]), keys[int(votes.classes[votes.item_class[item]])],
         str(votes.annotators[who])): VOTE_ORDER[vote]
        for item, who, vote in zip(votes.item, votes.annotator, votes.vote, strict=True)
    }  # fmt: skip

    export(project, "multilabelfy", tmp_path / "mlf")
    ticks = {
        (image, keys[int(number)], path.stem.removeprefix("checkbox_selections_"))
        for path in (tmp_path / "mlf").glob("checkbox_selections_*.json")
        for image, numbers in json.loads(path.read_text()).items()
        for number in numbers
    }
    assert ticks == {key for key, vote in expected.items() if vote == "yes"}

    export(project, "numpy", tmp_path / "arrays.npz")
    with np.load(tmp_path / "arrays.npz") as arrays:
        images, classes = arrays["images"].tolist(), arrays["classes"].tolist()
        exposed = {(images[i], classes[c]) for i, c in np.argwhere(arrays["exposed"])}
        assert exposed == {key[:2] for key in (*counted(project, "annotation"), *counted(project, "refinement"))}
        for word in VOTE_ORDER:
            counts = {(images[i], classes[c]): int(arrays[word][i, c]) for i, c in np.argwhere(arrays[word])}
            assert counts == Counter(key[:2] for key, vote in expected.items() if vote == word)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "label-studio"])
def test_in_another_project_settling_counts_the_same_votes(
    kind: str, project: Project, receiving: Project, tmp_path: Path
) -> None:
    path = tmp_path / {"jsonl": "all.jsonl", "csv": "votes.csv", "label-studio": "out"}[kind]
    export(project, kind, path, *(("--table", "votes") if kind == "csv" else ()))
    path = path / "tasks.json" if kind == "label-studio" else path
    told = run_mlf("import", receiving.root, path, "--format", kind)
    assert "refused" not in told
    for round_ in Round:
        assert counted(receiving, round_) == counted(project, round_)
    again = run_mlf("import", receiving.root, path, "--format", kind, "--replace")
    assert "taken:" not in again, again


@pytest.mark.parametrize("is_gold", [False, True])
def test_a_project_that_is_given_its_own_work_has_it_already(is_gold: bool, empty_toys: Toys, tmp_path: Path) -> None:
    here = with_work(copy_of(empty_toys, tmp_path / "project").project, is_gold=is_gold)
    for kind, name in (("jsonl", "all.jsonl"), ("label-studio", "out/tasks.json")):
        export(here, kind, tmp_path / Path(name).parts[0])
        told = run_mlf("import", here.root, tmp_path / name, "--format", kind, "--only", "votes")
        assert "there already:" in told
        assert "  refused:" not in told, told
        assert "  taken:" not in told, told


@pytest.mark.parametrize("comment", ["", "too dark"])
def test_a_refiners_doubt_without_a_vote_is_told_with_a_comment_or_without(
    comment: str, receiving: Project, tmp_path: Path
) -> None:
    with open_project_store(receiving) as store:
        for round_, people in ((Round.ANNOTATION, ("ada", "ben")), (Round.REFINEMENT, ("dora",))):
            store.add_annotators(people)
            store.assign(round_, [Assignment(who, 0) for who in people])
            for who in people:
                word = act(who, round_, 0, EventKind.VOTE, (0,), class_index=0, vote="yes")
                doubt = act(who, round_, 0, EventKind.UNSURE, (0,), value=True)
                store.append([word if round_ is Round.ANNOTATION else doubt])
            if comment and round_ is Round.REFINEMENT:
                store.append([act("dora", round_, 0, EventKind.COMMENT, (), text=comment)])
    told = export(receiving, "crowd-kit", tmp_path / "crowd.csv")
    assert "1 doubt about an image as a whole has no vote on a class, and no place here" in told
    assert "unasked" not in told


def test_a_refiner_who_denies_what_was_agreed_is_not_taken_for_one_who_left_it_alone(
    receiving: Project, tmp_path: Path
) -> None:
    agreed = [{"annotator": who, "votes": {"mug": "yes", "hat": "no"}, "shown": ["mug", "hat"]} for who in ("ada", "b")]

    def refined(votes: dict[str, str], *options: object, none: bool = False) -> str:
        words = {"annotator": "dora", "round": "refinement", "votes": votes, "shown": ["mug", "hat"], "none": none}
        (tmp_path / "work.jsonl").write_text(json.dumps({"image": "scenes/0000.jpg", "votes": [*agreed, words]}))
        return run_mlf("import", receiving.root, tmp_path / "work.jsonl", *options)

    of_dora = {}
    for step, (votes, options, none) in enumerate([
        ({"hat": "yes"}, (), False), ({"hat": "yes", "mug": "no"}, (), False),
        ({"hat": "yes", "mug": "no"}, ("--replace",), False), ({"hat": "yes"}, ("--replace",), False),
        ({}, ("--replace",), True), ({"hat": "no"}, ("--replace",), False),
    ]):  # fmt: skip
        told = refined(votes, *options, none=none)
        assert ("dora has decided it otherwise here" in told) == (step == 1)
        found = counted(receiving, "refinement")
        of_dora[step] = {name: vote for (_, name, _), vote in found.items()}
    assert of_dora == {
        0: {"hat": "yes"}, 1: {"hat": "yes"}, 2: {"hat": "yes", "mug": "no"}, 3: {"hat": "yes"},
        4: {"hat": "no", "mug": "no"}, 5: {"hat": "no"},
    }  # fmt: skip
