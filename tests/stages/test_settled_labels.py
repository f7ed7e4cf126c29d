"""Settled labels: by which rule, where each comes from, and that what is exported reads back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from command_line import run_mlf
from simulation import annotate, decide
from toy_projects import Toys, copy_of, states_of

from pipeline.formats.refined_labels_in import read_refined_labels
from pipeline.formats.refined_labels_out import write_refined_labels
from pipeline.project.folder import Project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.results import read_summary
from pipeline.project.tables import REFINED_LABELS
from pipeline.stages.assign import assign_project
from pipeline.stages.select import select_and_assign
from pipeline.stages.settle import SettleSummary, settle_project
from pipeline.store import open_project_store
from pipeline.votes.words import Round


def votes_by_class(project: Project, image: int) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Return what annotators and refiners said about each class of an image, from their states."""
    annotators = states_of(project, Round.ANNOTATION)[image].values()
    votes: dict[int, list[str]] = {}
    for state in annotators:
        for class_index, vote in state.exposed_votes().items():
            votes.setdefault(class_index, []).append(vote)
    settled: dict[int, list[str]] = {}
    for state in states_of(project, Round.REFINEMENT).get(image, {}).values():
        for class_index, vote in state.exposed_votes().items():
            is_left = class_index not in state.votes and not state.none
            words = votes.get(class_index, [])
            is_agreed = set(words) == {"yes"} and len(words) >= min(2, len(annotators))
            if not (is_left and is_agreed):
                settled.setdefault(class_index, []).append(vote)
    return votes, settled


def by_the_rule(votes: list[str], settled: list[str], posterior: float | None, cut: float) -> tuple[bool, str]:
    """Return whether a label stands, and where it comes from; the posterior is that of a label that was kept."""
    lean = settled.count("yes") - settled.count("no")
    said_alike = len(votes) > 1 and set(votes) in ({"yes"}, {"no"})
    if said_alike and abs(lean) == 1 and (votes[0] == "yes") != (lean > 0):
        return posterior is not None and posterior > 0.5, "consensus"
    if lean:
        return lean > 0, "refined"
    everyone = votes + settled
    if len(everyone) > 1 and set(everyone) in ({"yes"}, {"no"}):
        return everyone[0] == "yes", "agreed"
    return posterior is not None and posterior > cut, "consensus"


def check_labels(project: Project, labels: pd.DataFrame) -> None:
    """Check every label and every missing label by the rule, image by image, from the states."""
    found = {(r.image_index, int(r.class_index)): r for r in labels.itertuples() if not pd.isna(r.class_index)}
    cut = read_summary(project, "settle", SettleSummary).consensus["cut"]
    for image in states_of(project, Round.ANNOTATION):
        votes, settled = votes_by_class(project, image)
        for class_index in votes.keys() | settled.keys():
            row = found.pop((image, class_index), None)
            of_class = votes.get(class_index, []), settled.get(class_index, [])
            stands, source = by_the_rule(*of_class, None if row is None else row.posterior, cut)
            assert (row is not None) == stands, (image, class_index)
            if row is not None:
                everyone = [*of_class[0], *of_class[1]]
                assert row.source == source
                assert (row.n_yes, row.n_no, row.n_unsure) == tuple(everyone.count(w) for w in ("yes", "no", "unsure"))
    assert not found


@pytest.mark.parametrize("refined_share", [0.0, 1.0])
def test_every_label_is_settled_by_the_rule_and_says_where_it_came_from(fresh: Toys, refined_share):
    if refined_share:
        select_and_assign(fresh.project, ["dora"], audit_share=0.3)
        annotate(fresh.project, "dora", fresh.truth, miss=0.1, false_alarm=0.05, unsure=0.1, round_=Round.REFINEMENT)
    settlement = settle_project(fresh.project)
    labels = pq.read_table(fresh.project.refined_labels_path)
    assert labels.schema.equals(REFINED_LABELS)
    assert labels.equals(settlement.labels)
    table = labels.to_pandas()
    assert set(table["image_index"]) == set(range(48))
    order = table[["image_index", "class_index"]].fillna(-1)
    assert order.equals(order.sort_values(["image_index", "class_index"]).reset_index(drop=True))
    assert not order.duplicated().any()
    check_labels(fresh.project, table)


def _assigned(project: Project) -> set[int]:
    with open_project_store(project) as store:
        return store.assigned_images(Round.ANNOTATION)


def test_images_that_nobody_decided_are_unlabelled_and_left_out_of_the_export(proposed: Toys, tmp_path: Path):
    toys = copy_of(proposed, tmp_path / "project")
    assign_project(toys.project, ["ada", "ben"], 2, n_images=20)
    annotate(toys.project, "ada", toys.truth)
    decide(toys.project, "ben", lambda _: {})
    settlement = settle_project(toys.project)
    table = settlement.labels.to_pandas()
    decided = set(states_of(toys.project, Round.ANNOTATION))
    assert len(decided) == 20
    assert set(table.loc[table["source"] == "unlabelled", "image_index"]) == set(range(48)) - decided
    published = json.loads(toys.project.refined_labels_path.with_suffix(".json").read_text())
    assert set(published) == {toys.image_ids[i] for i in decided}
    assert settlement.summary.n_labelled_images == 20
    assert settlement.before_after["n_images"].tolist() == [20] * 3


def test_an_image_to_which_nothing_applies_has_an_empty_set_with_its_reason(proposed: Toys, tmp_path: Path):
    toys = copy_of(proposed, tmp_path / "project")
    assign_project(toys.project, ["ada", "ben"], 2, n_images=6)
    images = sorted(i for i in _assigned(toys.project))
    decide(toys.project, "ada", lambda task: {} if task.image_index in images[:2] else {0: "yes"})
    decide(toys.project, "ben", lambda task: {} if task.image_index == images[0] else {0: "yes"})
    select_and_assign(toys.project, ["dora"])
    decide(toys.project, "dora", lambda _: {}, round_=Round.REFINEMENT)
    table = settle_project(toys.project).labels.to_pandas().set_index("image_index")
    assert pd.isna(table.loc[images[0], "class_index"])
    assert table.loc[images[0], "source"] == "agreed"
    assert pd.isna(table.loc[images[1], "class_index"])
    assert table.loc[images[1], "source"] == "refined"
    rows = list(csv.DictReader(toys.project.refined_labels_path.with_suffix(".csv").open(encoding="utf-8")))
    notes = {row["image"]: row["note"] for row in rows}
    assert notes[toys.image_ids[images[0]]].startswith("none applies: all annotators")
    assert notes[toys.image_ids[images[1]]].startswith("none applies: settled")
    assert notes[toys.image_ids[images[2]]] == ""
    published = json.loads(toys.project.refined_labels_path.with_suffix(".json").read_text())
    assert published[toys.image_ids[images[0]]] == []
    assert published[toys.image_ids[images[2]]] == ["0"]


def test_before_and_after_count_what_the_labels_say(fresh: Toys):
    settlement = settle_project(fresh.project)
    table = settlement.labels.to_pandas().dropna(subset="class_index")
    row = settlement.before_after.set_index("stage").loc["refinement"]
    per_image = table.groupby("image_index").size().reindex(range(48), fill_value=0)
    pairs = set(zip(table["image_index"], table["class_index"].astype(int), strict=True))
    assert row["n_labels"] == len(table)
    assert row["n_multi"] == (per_image > 1).sum()
    assert row["n_without"] == (per_image == 0).sum()
    assert row["n_original_kept"] == sum((i, c) in pairs for i, c in enumerate(fresh.original))
    original = settlement.before_after.set_index("stage").loc["original"]
    assert (original["n_labels"], original["n_multi"], original["n_original_kept"]) == (48, 0, 48)


def test_known_answers_stand_anchor_and_check_the_posterior(proposed: Toys, tmp_path: Path):
    toys = copy_of(proposed, tmp_path / "project")
    gold = tmp_path / "gold.csv"
    keys = toys.project.label_space.keys
    known = {i: toys.truth[toys.image_ids[i]] for i in range(5)}
    with gold.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "class"])
        writer.writerows([toys.image_ids[i], keys[c]] for i, classes in known.items() for c in classes)
        writer.writerow([toys.image_ids[40], ""])
    assign_project(toys.project, ["ada", "ben"], 2, n_images=30, gold=gold, gold_share=0.15)
    wrong = {i: next(c for c in range(50) if c not in classes) for i, classes in known.items()}
    for name in ("ada", "ben"):
        decide(
            toys.project,
            name,
            lambda t: {wrong.get(t.image_index, next(iter(toys.truth[toys.image_ids[t.image_index]]))): "yes"},
        )
    settlement = settle_project(toys.project)
    table = settlement.labels.to_pandas()
    for image, classes in known.items():
        mine = table[table["image_index"] == image]
        assert set(mine["class_index"]) == set(classes)
        assert set(mine["source"]) == {"known"}
    nothing = table[table["image_index"] == 40]
    assert nothing["source"].tolist() == ["known"]
    assert nothing["class_index"].isna().all()
    checked = settlement.recalibration
    assert checked is not None
    gold_votes = settlement.votes.probes
    assert checked.n_known == checked.reliability_after["n_items"].sum() == gold_votes.n_items > 0
    reliability = checked.reliability_before
    # Everyone says yes to what does not apply: the posterior of a model that has not seen the answers errs there.
    assert reliability["observed"].iloc[-1] < reliability["claimed"].iloc[-1]


def test_the_published_json_is_read_back_and_evaluated_as_outside_data(finished, tmp_path: Path):
    project = finished.project
    path = project.refined_labels_path.with_suffix(".json")
    images = tmp_path / "images.csv"
    with images.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label"])
        for name, label in zip(finished.toys.image_ids, finished.toys.original, strict=True):
            writer.writerow([name, project.label_space.keys[label]])
    paired = read_refined_labels(path, finished.toys.image_ids, project.label_space)
    assert not paired.skipped
    table = pd.read_parquet(project.refined_labels_path)
    for row, name in enumerate(finished.toys.image_ids):
        own = table.loc[(table["image_id"] == name) & table["class_index"].notna(), "class_index"]
        assert paired.labels[row].tolist() == own.astype(int).tolist()
    rankings = {
        f"model_{k}": np.array(pd.read_parquet(project.predictions_dir / f"model_{k}.parquet")["class_index"].tolist())
        for k in range(3)
    }
    np.savez(tmp_path / "models.npz", **rankings)
    printed = run_mlf(
        "score", "--images", images, "--labels", path, "--predictions", tmp_path / "models.npz",
        "--classes", project.classes_path, "--out", tmp_path / "out",
    )  # fmt: skip
    outside = json.loads((tmp_path / "out" / "summary.json").read_text())
    inside = json.loads((project.results_dir / "evaluate.json").read_text())
    for figure in ("multi_label_share", "label_count_distribution", "n_labelled", "fit"):
        assert outside[figure] == inside[figure]
    assert f"Multi-label: {inside['multi_label_share']:.2%} of 48 images" in printed
    assert outside["n_skipped"] == 0


def test_classes_whose_keys_are_numbers_are_named_by_key_so_that_the_json_reads_back(tmp_path: Path):
    from pipeline.project.folder import create_project
    from pipeline.project.settings import Settings

    space = label_space_from_keys(["2", "0", "1"])
    project = create_project(tmp_path / "project", Settings(), space)
    rows = [(0, "a.png", 0), (0, "a.png", 2), (1, "b.png", None)]
    labels = REFINED_LABELS.empty_table().from_pylist(
        [
            {
                "image_index": i,
                "image_id": n,
                "class_index": c,
                "source": "agreed",
                "n_yes": 2,
                "n_no": 0,
                "n_unsure": 0,
            }
            for i, n, c in rows
        ],
        schema=REFINED_LABELS,
    )
    write_refined_labels(project, labels)
    path = project.refined_labels_path.with_suffix(".json")
    paired = read_refined_labels(path, ["a.png", "b.png"], space)
    assert [paired.labels[row].tolist() for row in range(2)] == [[0, 2], []]
