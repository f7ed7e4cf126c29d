"""Published labels and votes come into a project and leave it as they were; timm's reader agrees to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import run_mlf
from timm.data.real_labels import RealLabelsImagenet

from pipeline.datasets.create import init_project
from pipeline.formats.exchange.real_labels import RealLabels
from pipeline.formats.real_votes import read_raters
from pipeline.project.folder import Project, open_project
from pipeline.stages.evaluate import evaluate_project
from pipeline.stages.propose import propose_from_predictions

pytestmark = pytest.mark.shared_data
N_RATED = 40


@pytest.fixture(scope="module")
def validation(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project of the 50,000 validation images that has taken the published real.json."""
    root = tmp_path_factory.mktemp("val") / "project"
    init_project(root, shared_data / "imagenet_val" / "images.csv", "imagenet-1k", has_files=False)
    told = run_mlf("import", root, shared_data / "imagenet_val" / "real.json", "--format", "real")
    assert "an empty list, which says nothing here" in told
    return open_project(root)


def logits_of(ranked: np.ndarray) -> torch.Tensor:
    """Return logits of 1,000 classes with this ranking of the first five."""
    logits = torch.zeros((len(ranked), 1000))
    return logits.scatter_(
        1, torch.from_numpy(ranked.astype(np.int64)), torch.arange(5, 0, -1.0).expand(len(ranked), 5)
    )


def test_real_json_leaves_as_it_came_and_timm_agrees_with_us_to_the_last_digit(
    validation: Project, shared_data: Path, tmp_path: Path
) -> None:
    told = run_mlf("export", validation.root, "--format", "real", "--out", tmp_path / "real")
    assert "timm reads it as its real labels" in told
    written = json.loads((tmp_path / "real" / "real.json").read_text())
    published = json.loads((shared_data / "imagenet_val" / "real.json").read_text())
    assert [sorted(labels) for labels in written] == [sorted(labels) for labels in published]
    images = pd.read_csv(shared_data / "imagenet_val" / "images.csv", dtype=str)["image"].tolist()
    with np.load(shared_data / "imagenet_val" / "top5_predictions.npz") as archive:
        model = archive.files[0]
        ranked = archive[model]
    readers = [
        reader(images, str(tmp_path / "real" / "real.json"), topk=(1, 5)) for reader in (RealLabelsImagenet, RealLabels)
    ]
    readers.append(RealLabelsImagenet(images, str(shared_data / "imagenet_val" / "real.json"), topk=(1, 5)))
    for first in range(0, len(ranked), 5000):
        logits = logits_of(ranked[first : first + 5000])
        for reader in readers:
            reader.add_result(logits)
    theirs, ours, of_published = (reader.get_accuracy() for reader in readers)
    assert theirs == ours == of_published
    np.savez(tmp_path / "one.npz", **{model: ranked})
    propose_from_predictions(validation, tmp_path / "one.npz")
    [accuracy] = evaluate_project(validation).evaluation.models
    assert accuracy.real.n_hits / accuracy.real.n * 100 == theirs[1]
    assert accuracy.shares["real_at_5"].n_hits / accuracy.shares["real_at_5"].n * 100 == theirs[5]


def test_published_refined_labels_of_multilabelfy_leave_as_they_came(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "imagenetv2_matched_frequency"
    root = tmp_path / "v2"
    init_project(root, folder / "images.csv", "imagenet-1k", has_files=False)
    told = run_mlf("import", root, folder / "refined_labels.json", "--format", "multilabelfy")
    assert "taken: 9,871 label sets" in told
    assert "skipped: 129 label sets" in told
    run_mlf("import", root, folder / "refined_labels.json", "--format", "multilabelfy", "--empty", "none")
    run_mlf("export", root, "--format", "multilabelfy", "--out", tmp_path / "out")
    written = json.loads((tmp_path / "out" / "refined_labels.json").read_text())
    published = json.loads((folder / "refined_labels.json").read_text())
    assert {f"{name}.jpeg": sorted(labels) for name, labels in written.items()} == {
        name: sorted(labels) for name, labels in published.items()
    }


def test_raters_answers_come_in_and_leave_as_they_were(shared_data: Path, tmp_path: Path) -> None:
    with np.load(shared_data / "imagenet_val" / "raters.npz") as archive:
        tensor, info, ids = (archive[name] for name in ("tensor", "info", "ids"))
    rated = np.unique(info[:, 0])[:N_RATED]
    kept = np.isin(info[:, 0], rated)
    np.savez(tmp_path / "raters.npz", tensor=tensor[:, kept], info=info[kept], ids=ids)
    images = pd.read_csv(shared_data / "imagenet_val" / "images.csv", dtype=str)
    images[images["image"].isin(rated)].to_csv(tmp_path / "images.csv", index=False)
    root = tmp_path / "rated"
    init_project(root, tmp_path / "images.csv", "imagenet-1k", has_files=False)
    run_mlf("import", root, tmp_path / "raters.npz", "--format", "real", "--class-numbers", "from-0")
    run_mlf("export", root, "--format", "real", "--out", tmp_path / "out")

    def answers(path: Path) -> set[tuple[str, int, str, int]]:
        votes = read_raters(path)
        image, class_ = votes.images[votes.item_image], votes.classes[votes.item_class]
        return {
            (str(image[item]), int(class_[item]), str(votes.annotators[who]), int(vote))
            for item, who, vote in zip(votes.item, votes.annotator, votes.vote, strict=True)
        }

    assert answers(tmp_path / "out" / "raters.npz") == answers(tmp_path / "raters.npz")
