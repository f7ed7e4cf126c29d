"""A project made from the published ImageNetV2 predictions, evaluated under the published refined labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.datasets.create import init_project
from pipeline.reports.evaluation_report import data_set
from pipeline.reports.headlines import evaluation_headline
from pipeline.stages.evaluate import evaluate_project
from pipeline.stages.propose import propose_from_predictions

pytestmark = pytest.mark.shared_data


def test_the_report_says_what_share_of_the_published_labels_the_proposals_contain(shared_data: Path, tmp_path: Path):
    folder = shared_data / "imagenetv2_matched_frequency"
    project = init_project(tmp_path / "v2", folder / "images.csv", "imagenet-1k", has_files=False)
    propose_from_predictions(project, folder / "top5_predictions.npz")
    found = evaluate_project(project, str(folder / "refined_labels.json"))
    lines = evaluation_headline(found.summary)
    assert lines[0].startswith("Multi-label: 47.88% of 10,000 images")
    published = json.loads((folder / "refined_labels.json").read_text())
    images = pd.read_csv(folder / "images.csv", dtype=str)["image"]
    offered = pd.read_parquet(project.proposals_path)["class_index"]
    labels = [{int(c) for c in published[f"{name}.jpeg"]} for name in images]
    assert max(len(row) for row in offered) == 20
    n_contained = sum(len(own & set(row)) for own, row in zip(labels, offered, strict=True))
    n_labels = sum(map(len, labels))
    assert (found.recall.labels.n_hits, found.recall.labels.n) == (n_contained, n_labels)
    assert (
        f"The proposals contain {n_contained / n_labels:.2%} of {n_labels:,} refined labels that somebody found"
        in lines
    )
    assert f"{n_contained / n_labels:.1%} (" in data_set(found).text
    assert "only search probes (stage 3) bound them" in data_set(found).text
    assert any("only search probes (stage 3) bound them" in line for line in lines)
    with np.load(folder / "top5_predictions.npz") as archive:
        for accuracy in found.evaluation.models:
            first = archive[accuracy.model][:, 0].tolist()
            n_real = sum(choice in own for choice, own in zip(first, labels, strict=True) if own)
            assert accuracy.real.n_hits == n_real
    assert len(found.evaluation.models) == 47
