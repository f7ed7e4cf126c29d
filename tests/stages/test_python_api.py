"""What a notebook's user reads of a project in Python is what its files and its store hold."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from toy_projects import Finished, Toys

import mlf_widgets
from mlf_widgets import open_project
from pipeline.errors import ProjectError
from pipeline.store import open_project_store
from pipeline.votes.words import Round


def test_images_and_classes_are_those_of_the_files(finished: Finished) -> None:
    project = finished.toys.project
    opened = open_project(project.root)
    images, classes = opened.images(), opened.classes()
    assert list(images["image"]) == finished.toys.image_ids
    assert list(classes["class"]) == list(project.label_space.keys)
    assert set(images["original"].dropna()) <= set(classes["class"])
    assert opened.name in repr(opened)


def test_votes_are_the_states_of_the_store(finished: Finished) -> None:
    project = finished.toys.project
    names, keys = finished.toys.image_ids, project.label_space.keys
    expected = set()
    with open_project_store(project) as store:
        for round_ in Round:
            for image, people in store.states_of_images(round_, range(len(names))).items():
                for annotator, state in people.items():
                    seen = {*state.shown, *state.votes} if state.is_decided else set()
                    votes = {index: state.votes.get(index, "unsure" if state.unsure else "no") for index in seen}
                    expected |= {(names[image], keys[i], annotator, round_.value, vote) for i, vote in votes.items()}
    votes = open_project(project.root).votes()
    found = {tuple(row) for row in votes[["image", "class", "annotator", "round", "vote"]].itertuples(index=False)}
    assert {row for row in found if row[3] == "annotation"} == {row for row in expected if row[3] == "annotation"}
    assert {row for row in found if row[3] == "refinement"} <= expected
    assert {row[3] for row in found} == {"annotation", "refinement"}
    assert len(found) == len(votes)
    assert not votes["is_gold"].any()


def test_refined_labels_are_those_of_the_csv(finished: Finished) -> None:
    project = finished.toys.project
    labels = open_project(project.root).refined_labels()
    with project.refined_labels_path.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["image"], row["class_key"], row["source"], row["n_yes"]) for row in csv.DictReader(file)]
    mine = labels[["image", "class", "source", "n_yes"]].astype({"n_yes": "Int16"})
    found = [tuple("" if pd.isna(cell) else str(cell) for cell in row) for row in mine.itertuples(index=False)]
    assert found == rows
    published = json.loads(project.refined_labels_path.with_suffix(".json").read_text())
    assert labels["class"].notna().sum() == sum(len(each) for each in published.values())


def test_proposals_are_ranked_for_every_image(finished: Finished) -> None:
    proposals = open_project(finished.toys.project.root).proposals()
    ranks = proposals.groupby("image")["rank"].agg(["min", "max", "count", "nunique"])
    assert set(ranks.index) == set(finished.toys.image_ids)
    assert (ranks["min"] == 1).all()
    assert (ranks["max"] == ranks["count"]).all()
    assert (ranks["nunique"] == ranks["count"]).all()
    falls = proposals.groupby("image")["score"].apply(lambda scores: scores.is_monotonic_decreasing)
    assert falls.all()


def test_figures_and_tables_are_those_of_the_stages(finished: Finished) -> None:
    project = finished.toys.project
    opened = open_project(project.root)
    assert opened.figures("settle") == json.loads((project.results_dir / "settle.json").read_text())
    assert {"evaluate/evaluation", "analyze/annotators", "analyze/images"} <= set(opened.tables())
    evaluation = opened.table("evaluate/evaluation")
    pd.testing.assert_frame_equal(evaluation, pd.read_csv(project.results_dir / "evaluate" / "evaluation.csv"))
    for name in opened.tables():
        assert len(opened.table(name).columns)


def test_what_is_not_there_is_an_error_that_says_what_to_do(proposed: Toys, tmp_path: Path) -> None:
    opened = open_project(proposed.project.root)
    with pytest.raises(ProjectError, match="mlf settle"):
        opened.refined_labels()
    with pytest.raises(ProjectError, match="no table 'evaluate/evaluation'"):
        opened.table("evaluate/evaluation")
    with pytest.raises(ProjectError, match="choose from analyze"):
        opened.figures("annotate")
    with pytest.raises(ProjectError):
        open_project(tmp_path)


def test_the_documented_names_are_there_and_opening_a_project_is_light(finished: Finished) -> None:
    assert all(getattr(mlf_widgets, name).__doc__ for name in mlf_widgets.__all__)
    script = (
        "import sys\nfrom mlf_widgets import open_project\n"
        f"open_project({str(finished.toys.project.root)!r})\n"
        "print(sorted({'pandas', 'scipy', 'torch', 'matplotlib', 'ipywidgets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
