"""Stage 5 on a project, compared figure by figure with plain counting."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from plain_counting import plain_figures
from toy_projects import Toys, copy_of

from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.predictions import predictions_path, write_predictions
from pipeline.stages.assign import assign_project
from pipeline.stages.evaluate import ProjectEvaluation, evaluate_project
from pipeline.stages.models_of_project import add_predictions
from pipeline.stages.settle import settle_project


@pytest.fixture
def settled(fresh: Toys) -> Toys:
    settle_project(fresh.project)
    return fresh


def rankings_of(toys: Toys) -> dict[str, list[list[int]]]:
    paths = sorted(toys.project.predictions_dir.glob("*.parquet"))
    return {path.stem: [list(row) for row in pd.read_parquet(path)["class_index"]] for path in paths}


def label_sets_of(toys: Toys) -> dict[int, set[int]]:
    table = pd.read_parquet(toys.project.refined_labels_path)
    table = table[table["source"] != "unlabelled"]
    found: dict[int, set[int]] = {int(image): set() for image in table["image_index"]}
    for image, class_index in table.dropna(subset="class_index")[["image_index", "class_index"]].to_numpy():
        found[int(image)].add(int(class_index))
    return found


def check_figures(toys: Toys, found: ProjectEvaluation) -> None:
    sets, original = label_sets_of(toys), toys.original
    assert found.image_index.tolist() == sorted(sets)
    for accuracy in found.evaluation.models:
        ranking = rankings_of(toys)[accuracy.model]
        expected = plain_figures([ranking[i] for i in sets], [original[i] for i in sets], list(sets.values()))
        for figure, value in expected.items():
            assert accuracy.shares[figure].value == value


def test_every_figure_is_that_of_plain_counting(settled: Toys):
    found = evaluate_project(settled.project)
    check_figures(settled, found)
    sets, original = label_sets_of(settled), settled.original
    assert found.evaluation.multi_label.n_hits == sum(len(labels) > 1 for labels in sets.values())
    assert found.n_original_kept.n_hits == sum(original[i] in labels for i, labels in sets.items())
    proposals = pd.read_parquet(settled.project.proposals_path)["class_index"]
    assert found.recall.labels.n_hits == sum(c in proposals[i] for i, labels in sets.items() for c in labels)
    assert found.recall.labels.n == sum(map(len, sets.values()))


def test_images_that_nobody_decided_count_nowhere(proposed: Toys, tmp_path: Path):
    from simulation import annotate

    toys = copy_of(proposed, tmp_path / "project")
    assign_project(toys.project, ["ada", "ben"], 2, n_images=15)
    for name in ("ada", "ben"):
        annotate(toys.project, name, toys.truth)
    settle_project(toys.project)
    found = evaluate_project(toys.project)
    assert (found.evaluation.n_images, found.n_undecided) == (15, 33)
    check_figures(toys, found)


def test_models_run_elsewhere_join_the_others(settled: Toys, tmp_path: Path):
    before = evaluate_project(settled.project).evaluation.table().set_index("model")
    best = np.array([[original, *(c for c in range(20) if c != original)][:5] for original in settled.original])
    np.savez(tmp_path / "more.npz", **{"resnet/50": best})
    assert add_predictions(settled.project, predictions=str(tmp_path / "more.npz")).names == ("resnet_50",)
    after = evaluate_project(settled.project).evaluation.table().set_index("model")
    assert after.at["resnet_50", "top1"] == 1.0
    pd.testing.assert_frame_equal(after.loc[before.index], before)


def test_a_model_that_is_run_now_joins_the_others(settled: Toys, tmp_path: Path):
    import timm
    import torch

    keys = list(settled.project.label_space.keys)
    checkpoint = tmp_path / "untrained.pth"
    torch.save(timm.create_model("test_resnet", num_classes=len(keys)).state_dict(), checkpoint)
    described = {"architecture": "test_resnet", "num_classes": len(keys), "input_size": [3, 32, 32], "class_keys": keys}
    checkpoint.with_suffix(".json").write_text(json.dumps(described))
    assert add_predictions(settled.project, checkpoint=str(checkpoint)).names == ("untrained",)
    found = evaluate_project(settled.project)
    assert "untrained" in [accuracy.model for accuracy in found.evaluation.models]
    check_figures(settled, found)


def test_labels_from_elsewhere_take_the_place_of_the_projects_own(proposed: Toys, tmp_path: Path):
    toys = copy_of(proposed, tmp_path / "project")
    published = {name: [str(c) for c in sorted(toys.truth[name])] for name in toys.image_ids[:40]}
    path = tmp_path / "published.json"
    path.write_text(json.dumps(published))
    found = evaluate_project(toys.project, str(path))
    assert (found.source, found.n_undecided, found.evaluation.n_images) == ("published.json", 8, 40)
    assert found.evaluation.multi_label.n_hits == sum(len(labels) > 1 for labels in published.values())


def test_what_is_missing_is_named_with_the_command_that_makes_it(proposed: Toys, settled: Toys, tmp_path: Path):
    with pytest.raises(ProjectError, match="mlf settle"):
        evaluate_project(copy_of(proposed, tmp_path / "one").project)
    for path in settled.project.predictions_dir.glob("*.parquet"):
        path.unlink()
    with pytest.raises(ProjectError, match=r"mlf evaluate .* --model"):
        evaluate_project(settled.project)
    with pytest.raises(DatasetError, match="no such file of predictions"):
        add_predictions(settled.project, predictions=str(tmp_path / "none.npz"))


def test_a_table_of_predictions_of_another_length_is_refused_by_name(settled: Toys):
    write_predictions(settled.project, "short", np.zeros((3, 1), dtype=np.int32), {})
    with pytest.raises(DatasetError, match=r"short\.parquet: has 3 rows for the 48 images"):
        evaluate_project(settled.project)
    assert predictions_path(settled.project, "short").exists()
