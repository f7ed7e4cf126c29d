"""The walk of docs/own-classes.md: photographs, twenty classes that no model knows, proposals in three ways."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_classes import Walk, prepare_walk
from sklearn.linear_model import LogisticRegression
from superclasses import superclass_of
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.inference.feature_tables import read_features
from pipeline.project.folder import open_project
from pipeline.proposals.learned import TOGETHER
from pipeline.proposals.reader import ProposalReader

pytestmark = [pytest.mark.shared_data, pytest.mark.slow, pytest.mark.xdist_group("real_data"), pytest.mark.timeout(900)]
PAGE = Path(__file__).parents[2] / "docs" / "own-classes.md"
IS_SOAK = bool(os.environ.get("MLF_SOAK"))
#: All of the photographs and the best model take minutes; a part of them and the smallest show the same.
MODEL = "tf_efficientnet_lite2" if IS_SOAK else "tf_efficientnet_lite0"
SOME: dict[str, Any] = {} if IS_SOAK else {"n_a_class": 3, "n_others": 10}


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> Walk:
    folder = tmp_path_factory.mktemp("walk")
    (folder / "photographs").symlink_to(shared_data / "imagenet_samples")
    return prepare_walk(folder, shared_data / "imagenet_samples", model=MODEL, **SOME)


def recall(root: Path, truth: dict[str, list[str]], k: int, *, only_unsettled: bool = False) -> float:
    """Return which share of the true labels the first `k` proposals hold."""
    project = open_project(root)
    classes = ProposalReader(project.proposals_path).as_arrays().class_index
    labels = [{project.label_space.index_of(key) for key in keys} for keys in truth.values()]
    some = range(1, len(labels), 2) if only_unsettled else range(len(labels))
    n_found = sum(len(labels[image] & set(classes[image, :k].tolist())) for image in some)
    return n_found / sum(len(labels[image]) for image in some)


def test_the_commands_of_the_page_propose_in_three_ways(
    walk: Walk,
    stage_parameters: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    record_property: pytest.RecordProperty,
) -> None:
    monkeypatch.chdir(walk.folder)
    init, *ways = re.findall(r"^    mlf (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    found: dict[str, float] = {}
    for command, name in zip(ways, ("examples", "zero-shot", "learned"), strict=True):
        made = CliRunner().invoke(app, shlex.split(init.replace("init own", f"init {name}")))
        assert made.exit_code == 0, made.output
        if name == "learned":  # the images and references are the same, so their features need not be taken again
            shutil.copytree(walk.folder / "examples" / "features", walk.folder / name / "features")
        backbone = f" --model {MODEL}" if "--from-examples" in command else ""
        line = command.replace("propose own", f"propose {name}") + f"{backbone} --device cpu --n-workers 0"
        done = CliRunner().invoke(app, shlex.split(line))
        assert done.exit_code == 0, done.output
        for k in (1, 3, 5):
            share = recall(walk.folder / name, walk.truth, k, only_unsettled=name == "learned")
            found[f"{name} at {k}"] = share
            record_property(f"recall at {k}, {name}", f"{share:.3f}")
    assert found["examples at 3"] > 0.8, "three of twenty at random hold 15%"
    assert found["zero-shot at 3"] > 0.5
    unsettled = {
        name: recall(walk.folder / name, walk.truth, 3, only_unsettled=True) for name in ("examples", "zero-shot")
    }
    assert found["learned at 3"] > max(unsettled.values()) - 0.05
    models = ProposalReader(open_project(walk.folder / "learned").proposals_path).models
    assert models == (f"{MODEL}.examples", "small_clip.zero-shot", TOGETHER)
    assert (walk.folder / "learned" / "learned_merge.json").is_file()


def test_ten_examples_a_class_beat_plain_logistic_regression_on_the_same_features(
    walk: Walk, stage_parameters: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On all of the photographs and over ten draws, `benchmarks/proposal_methods.py` has the figures."""
    project = open_project(walk.folder / "examples")
    (of_references,) = project.features_dir.glob("*.references.parquet")
    (of_images,) = project.features_dir.glob("*.1views.parquet")
    references = np.concatenate([part[:, 0] for _, part in read_features(of_references)]).astype(np.float32)
    images = np.concatenate([part[:, 0] for _, part in read_features(of_images)]).astype(np.float32)
    labels = np.repeat(np.arange(20), len(references) // 20)
    plain = LogisticRegression(max_iter=2000).fit(references, labels).predict(images)
    known = superclass_of()
    right = np.array([known.get(Path(name).stem, -1) for name in walk.truth])
    ours = ProposalReader(project.proposals_path).as_arrays().class_index[:, 0]
    counted = right >= 0
    assert (ours == right)[counted].mean() > (plain == right)[counted].mean() + 0.03
