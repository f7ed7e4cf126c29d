"""Any text as the id of an image, the key of a class and a person: init, votes, refined labels, export, and back."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulation import decide

from pipeline.datasets.create import init_project
from pipeline.formats.outside_data import read_outside_data
from pipeline.formats.refined_labels_in import read_refined_labels
from pipeline.formats.votes_in import read_votes
from pipeline.project.files import read_table
from pipeline.project.label_space import load_label_space
from pipeline.project.names import settled
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions
from pipeline.stages.settle import settle_project
from pipeline.store import open_project_store
from pipeline.votes.words import Round

LOOK_LIKE_NUMBERS = [
    "007",
    "7",
    "1e3",
    "1000",
    "True",
    "NA",
    "nan",
    "0",
    "1",
    "2",
    "1.0",
    "-1",
    "123456789012345678901",
]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(LOOK_LIKE_NUMBERS)
#: Names that are paths (`./x` is `x`) or that look like image files follow other rules, so they are left out.
names = texts.map(settled).filter(lambda name: name and "." not in name and "/" not in name)


#: A person's name also stands in addresses and in lists that people type.
people_names = names.filter(lambda name: name.isprintable() and not set(name) & set("/\\,:"))


def some(of: st.SearchStrategy[str], size: int) -> st.SearchStrategy[list[str]]:
    return st.lists(of, min_size=size, max_size=size, unique=True)


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([header, *rows])


def round_trip(folder: Path, ids: list[str], keys: list[str], people: list[str]) -> None:
    """Label image `i` with class `i % 3` and, on every second image, `(i + 1) % 3`; everything comes back as it was."""
    truth = [sorted({i % 3, *((i + 1) % 3 for _ in range(i % 2))}) for i in range(len(ids))]
    original = [keys[of_image[0]] for of_image in truth]
    write_csv(
        folder / "images.csv", ["image_id", "label"], [[f" {i}\t", k] for i, k in zip(ids, original, strict=True)]
    )
    (folder / "classes.json").write_text(json.dumps([{"key": key} for key in keys]))
    project = init_project(folder / "project", folder / "images.csv", folder / "classes.json")
    table = pq.read_table(project.images_path).to_pylist()
    assert [row["image_id"] for row in table] == ids
    assert [project.label_space.keys[row["original_label"]] for row in table] == original
    ranking = np.array([[*of, *(c for c in range(3) if c not in of)] for of in truth])
    np.savez(folder / "models.npz", model=ranking)
    propose_from_predictions(project, folder / "models.npz")
    assign_project(project, people, 2)
    for person in people:
        decide(project, person, lambda task: dict.fromkeys(truth[task.image_index], "yes"))
    with open_project_store(project) as store:
        assert set(store.annotators_of(Round.ANNOTATION)) == set(people)
    settle_project(project)

    exported = project.refined_labels_path
    as_json = exported.with_suffix(".json")
    assert [name for name in json.loads(as_json.read_text("utf-8"))] == ids  # noqa: C416 - the order counts, too
    paired = read_refined_labels(as_json, ids, project.label_space)
    assert not paired.skipped
    assert [sorted(paired.labels[row].tolist()) for row in range(len(ids))] == truth
    for table in (
        read_table(exported.with_suffix(".csv")),
        pd.read_parquet(exported).rename(columns={"image_id": "image"}),
    ):
        assert list(dict.fromkeys(table["image"])) == ids
    by_csv = read_table(exported.with_suffix(".csv"))
    found = [[i, k] for i, k in zip(by_csv["image"], by_csv["class_key"], strict=True)]
    assert found == [[ids[i], keys[c]] for i, of_image in enumerate(truth) for c in of_image]
    space = load_label_space(project.classes_path)
    assert list(space.keys) == keys
    outside = read_outside_data(folder / "images.csv", as_json, folder / "models.npz", space)
    assert outside.labels.image_ids == tuple(ids)
    assert outside.original_label.tolist() == [of_image[0] for of_image in truth]

    votes = [[i, keys[c], person, "yes"] for i, of in zip(ids, truth, strict=True) for c in of for person in people]
    header = ["image", "class", "annotator", "vote"]
    write_csv(folder / "votes.csv", header, votes)
    pd.DataFrame(votes, columns=header).to_parquet(folder / "votes.parquet")
    for suffix in ("csv", "parquet"):
        read = read_votes(folder / f"votes.{suffix}")
        images, classes = read.images[read.item_image[read.item]], read.classes[read.item_class[read.item]]
        given = {(i, c, person) for i, c, person, _ in votes}
        assert set(zip(images, classes, read.annotators[read.annotator], strict=True)) == given


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=6)
@given(some(names, 5), some(names, 3), some(people_names, 2))
def test_any_text_comes_back_as_it_was(tmp_path: Path, ids: list[str], keys: list[str], people: list[str]) -> None:
    round_trip(Path(tempfile.mkdtemp(dir=tmp_path)), ids, keys, people)


@pytest.mark.skipif("MLF_SOAK" not in os.environ, reason="long: run with MLF_SOAK=1")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=300)
@given(some(names, 5), some(names, 3), some(people_names, 2))
def test_any_text_comes_back_for_hours(tmp_path: Path, ids: list[str], keys: list[str], people: list[str]) -> None:
    round_trip(Path(tempfile.mkdtemp(dir=tmp_path)), ids, keys, people)


@pytest.mark.parametrize("keys", [["001", "002", "003"], ["2", "0", "1"], ["1e3", "1000", "01000"], ["3", "cat", "1"]])
def test_numbers_come_back_as_the_keys_they_are(tmp_path: Path, keys: list[str]) -> None:
    round_trip(tmp_path, LOOK_LIKE_NUMBERS[:9], keys, ["Jos\u00e9", "7"])
