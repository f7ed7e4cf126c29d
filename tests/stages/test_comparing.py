"""`mlf compare-datasets` and `mlf compare-labels`, as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from command_line import run_mlf
from toy_projects import Finished, copy_of

from pipeline.errors import DatasetError
from pipeline.stages.compare_labels import compare_labels


def refined(finished: Finished) -> dict[int, set[int]]:
    table = pd.read_parquet(finished.project.refined_labels_path)
    table = table[table["source"] != "unlabelled"]
    found: dict[int, set[int]] = {int(image): set() for image in table["image_index"]}
    for row in table.dropna(subset="class_index").itertuples():
        found[int(row.image_index)].add(int(row.class_index))
    return found


def test_it_counts_the_images_whose_labels_are_not_just_the_original_one(finished: Finished, tmp_path: Path) -> None:
    sets, original = refined(finished), finished.toys.original
    n_changed = sum(labels != {original[image]} for image, labels in sets.items())
    printed = run_mlf("compare-labels", finished.project.root, "--out", tmp_path / "out")
    assert f"the labels of {n_changed:,} of {len(sets):,} images differ" in printed
    listed = pd.read_csv(tmp_path / "out" / "differences.csv")
    assert (listed["kind"] != "same").sum() == n_changed
    page = (tmp_path / "out" / "differences.html").read_text()
    assert "data:image/jpeg" in page
    assert "<script" not in page


def test_labels_of_a_file_and_of_another_project_are_paired_by_name(finished: Finished, tmp_path: Path) -> None:
    project, toys = finished.project, finished.toys
    published = tmp_path / "published.json"
    published.write_text(json.dumps({n: [str(c) for c in sorted(toys.truth[n])] for n in toys.image_ids[:40]}))
    found = compare_labels(project, published)
    sets = refined(finished)
    expected = sum(sets[i] != set(toys.truth[toys.image_ids[i]]) for i in found.image_index.tolist())
    assert found.n_changed == expected
    assert found.n_left_out == len(sets) - len(found.changes)
    same = compare_labels(project, copy_of(toys, tmp_path / "copy").project.root)
    assert (same.n_changed, same.n_by_kind["same"]) == (0, len(sets))
    (tmp_path / "none.json").write_text(json.dumps({"another.jpg": ["1"]}))
    with pytest.raises(DatasetError):
        compare_labels(project, tmp_path / "none.json")


def test_two_data_sets_are_compared_by_the_models_that_both_were_scored_with(
    finished: Finished, tmp_path: Path
) -> None:
    own = pd.read_csv(finished.project.results_dir / "evaluate" / "evaluation.csv")
    lower = own.assign(top1=own["top1"] / 2, real=own["real"] * 0.75)
    (tmp_path / "replica").mkdir()
    lower.to_csv(tmp_path / "replica" / "evaluation.csv", index=False)
    out = tmp_path / "out"
    run_mlf("compare-datasets", finished.project.root, tmp_path / "replica", "--out", out)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["mean_top1_drop"] == pytest.approx((own["top1"] / 2).mean())
    assert summary["mean_real_drop"] == pytest.approx((own["real"] * 0.25).mean())
    assert set(pd.read_csv(out / "drops.csv")["model"]) == set(own["model"])
    assert "Scatter plot of 3 models" in (out / "drops.html").read_text()
