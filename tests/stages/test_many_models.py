"""One run over many models: names, checkpoints and files of predictions, killed in the middle, mended afterwards."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from command_line import run_mlf
from PIL import Image
from toy_projects import Toys, copy_of

from pipeline.datasets.create import init_project
from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.filling import RunOptions
from pipeline.inference.predictions import predictions_path, read_model_predictions
from pipeline.project.folder import Project, open_project
from pipeline.reports import evaluation_report as report
from pipeline.stages.evaluate import evaluate_project
from pipeline.stages.model_list import read_model_list
from pipeline.stages.models_of_project import add_predictions, list_models, remove_models, rename_model
from pipeline.stages.settle import settle_project

N_MODELS = 57
KEYS = ("ant", "bee", "cow", "dog", "eel", "fox")
QUICK = RunOptions(batch_size=16, device="cpu", n_workers=0)
#: Waits after each table, so that even a busy machine has the time to kill it between the first and the last.
RUN = """
import sys, time
from pipeline.inference.filling import PartialTable, RunOptions
from pipeline.project.folder import open_project
from pipeline.stages.models_of_project import add_predictions
finish = PartialTable.finish
PartialTable.finish = lambda *given: (finish(*given), time.sleep(1))
options = RunOptions(batch_size=16, device="cpu", n_workers=0)
add_predictions(open_project(sys.argv[1]), models=sys.argv[2], options=options)
"""


def save_models(folder: Path, n_models: int, keys: Sequence[str]) -> Path:
    """Save small untrained checkpoints that all differ, of three preprocessings, and the list of them."""
    folder.mkdir()
    for number in range(n_models):
        torch.manual_seed(number)
        path = folder / f"small_{number:02d}.pth"
        torch.save(timm.create_model("test_resnet", num_classes=len(keys)).state_dict(), path)
        described = {
            "architecture": "test_resnet",
            "num_classes": len(keys),
            "input_size": [3, 32 + 8 * (number % 3), 32 + 8 * (number % 3)],
            "class_keys": list(keys),
        }
        path.with_suffix(".json").write_text(json.dumps(described))
    listed = folder / "models.txt"
    listed.write_text("# all of them\n\n" + "".join(f"small_{number:02d}.pth\n" for number in range(n_models)))
    return listed


@pytest.fixture
def settled(fresh: Toys) -> Toys:
    settle_project(fresh.project)
    return fresh


def small_run(settled: Toys, folder: Path, n_models: int = 2) -> Path:
    return save_models(folder, n_models, settled.project.label_space.keys)


def rankings(project: Project) -> dict[str, list[list[int]]]:
    paths = sorted(project.predictions_dir.glob("*.parquet"))
    return {path.stem: read_model_predictions(path).class_index.tolist() for path in paths}


@pytest.fixture
def noise(tmp_path: Path) -> Project:
    """Return a project of eight pictures of noise."""
    rows = ["image,label"]
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        rows.append(f"{number}.png,{KEYS[number % 3]}")
    (tmp_path / "images.csv").write_text("\n".join(rows))
    (tmp_path / "classes.txt").write_text("\n".join(KEYS))
    return init_project(tmp_path / "noise", tmp_path / "images.csv", tmp_path / "classes.txt")


def test_57_models_killed_in_the_middle_end_in_the_tables_of_an_undisturbed_run(noise: Project, tmp_path: Path) -> None:
    models = save_models(tmp_path / "models", N_MODELS, KEYS)
    copy = open_project(shutil.copytree(noise.root, tmp_path / "undisturbed"))
    command = [sys.executable, "-c", RUN, str(noise.root), str(models)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    running = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    while not list(noise.predictions_dir.glob("small_*.parquet")) and running.poll() is None:
        time.sleep(0.005)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert 0 < sum(model.is_complete for model in list_models(noise)) < N_MODELS
    for project in (noise, copy):
        added = add_predictions(project, models=str(models), options=QUICK)
        assert (len(added.names), added.not_run) == (N_MODELS, ())
    assert rankings(noise) == rankings(copy)
    assert all(model.is_complete for model in list_models(noise))
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({f"{number}.png": [KEYS[number % 3], KEYS[number % 5 + 1]] for number in range(8)}))
    tables = [evaluate_project(project, str(labels)).evaluation.table() for project in (noise, copy)]
    pd.testing.assert_frame_equal(*tables)
    assert len(tables[0]) == N_MODELS
    assert tables[0]["real"].nunique() > 2


def test_models_that_share_a_pass_over_two_devices_have_the_rankings_of_each_alone(
    settled: Toys, tmp_path: Path
) -> None:
    models = small_run(settled, tmp_path / "models", 4)
    alone = copy_of(settled, tmp_path / "alone")
    over_two = replace(QUICK, device="cpu,cpu")
    add_predictions(settled.project, models=str(models), options=over_two)
    for number in range(4):
        add_predictions(alone.project, checkpoint=str(models.parent / f"small_{number:02d}.pth"), options=QUICK)
    assert rankings(settled.project) == rankings(alone.project)


def test_one_command_takes_a_mixed_list_and_names_what_could_not_be_run(settled: Toys, tmp_path: Path) -> None:
    models = small_run(settled, tmp_path / "models")
    best = np.array([[original, *(c for c in range(20) if c != original)][:5] for original in settled.original])
    np.savez(models.parent / "elsewhere.npz", oracle=best)
    state = torch.load(models.parent / "small_01.pth", weights_only=True)
    torch.save(
        {name: value * (float("nan") if value.is_floating_point() else 1) for name, value in state.items()},
        models.parent / "nan.pth",
    )
    (models.parent / "nan.json").write_text((models.parent / "small_01.json").read_text())
    (models.parent / "cut short.pth").write_bytes((models.parent / "small_00.pth").read_bytes()[:1000])
    with models.open("a") as file:
        file.write("elsewhere.npz\nnan.pth\ntest_resnet cut short.pth\n")
    printed = run_mlf("evaluate", settled.project.root, "--models", models, "--device", "cpu")
    summary = json.loads((settled.project.results_dir / "evaluate.json").read_text())
    assert {row["model"] for row in summary["models"]} == {f"model_{k}" for k in range(3)} | {
        "small_00",
        "small_01",
        "oracle",
    }
    reasons = {row["model"]: row["reason"] for row in summary["models_not_run"]}
    assert reasons.keys() == {"nan", "cut_short"}
    assert "NaN" in reasons["nan"]
    assert "cut short or damaged" in reasons["cut_short"]
    assert "Not run: 2 models" in printed


def test_a_wrong_run_is_replaced_renamed_or_removed(settled: Toys, tmp_path: Path) -> None:
    models = small_run(settled, tmp_path / "models")
    project, first = settled.project, models.parent / "small_00.pth"
    add_predictions(project, models=str(models), options=QUICK)
    before = rankings(settled.project)
    torch.manual_seed(99)
    keys = project.label_space.keys
    torch.save(timm.create_model("test_resnet", num_classes=len(keys)).state_dict(), first)
    with pytest.raises(ProjectError, match=r"weights_sha256 .* --restart"):
        add_predictions(project, checkpoint=str(first), options=QUICK)
    assert rankings(settled.project) == before
    added = add_predictions(project, models=str(models), options=QUICK)
    assert (added.names, [failed.model for failed in added.not_run]) == (("small_01",), ["small_00"])
    again = RunOptions(batch_size=16, device="cpu", n_workers=0, restart=True)
    assert add_predictions(project, checkpoint=str(first), options=again).names == ("small_00",)
    assert rankings(settled.project)["small_00"] != before["small_00"]
    assert rankings(settled.project)["small_01"] == before["small_01"]

    printed = run_mlf("models", project.root, "--rename", "small_00", "retrained", "--remove", "small_01")
    assert "retrained  run here     48 ranked, computed in float32 (was small_00)" in printed
    assert {model.name for model in list_models(project)} == {"model_0", "model_1", "model_2", "retrained"}
    with pytest.raises(ProjectError, match="did you mean 'retrained'"):
        remove_models(project, ["model_0", "retraned"])
    assert predictions_path(project, "model_0").exists()
    with pytest.raises(ProjectError, match="has a model 'model_0' already"):
        rename_model(project, "retrained", "model_0")
    with pytest.raises(ProjectError, match="cannot be a model's name"):
        rename_model(project, "retrained", "../elsewhere")


def test_predictions_of_a_file_do_not_replace_a_model_that_was_run_here(settled: Toys, tmp_path: Path) -> None:
    models = small_run(settled, tmp_path / "models", 1)
    add_predictions(settled.project, models=str(models), options=QUICK)
    before = rankings(settled.project)
    np.savez(tmp_path / "other.npz", small_00=np.array(before["model_0"], dtype=np.int16))
    with pytest.raises(ProjectError, match="has the name of one that was run in"):
        add_predictions(settled.project, predictions=str(tmp_path / "other.npz"))
    assert rankings(settled.project) == before
    add_predictions(settled.project, predictions=str(tmp_path / "other.npz"), options=RunOptions(restart=True))
    assert rankings(settled.project)["small_00"] == before["model_0"]


def test_a_renamed_model_keeps_its_mark_as_evidence(settled: Toys) -> None:
    provenance = settled.project.refined_labels_path.with_suffix(".provenance.json")
    said = json.loads(provenance.read_text())
    provenance.write_text(json.dumps(said | {"evidence_models": ["model_1"]}))
    rename_model(settled.project, "model_1", "best")
    rename_model(settled.project, "best", "best_of_all")
    found = evaluate_project(settled.project)
    assert found.summary.evidence_models == ("best_of_all",)
    for page in (report.models(found), report.ranks(found), report.differences(found)):
        named = page.text.count("best_of_all")
        assert named == page.text.count("best_of_all*") > 0
        assert "model_0*" not in page.text
    assert "1 of these models gave evidence" in report.top1_against_real(found).text


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", "names no model"),
        ("# nothing\n", "names no model"),
        ("resnet18\nweights/none.pth\n", r"line 2: there is no file .*none\.pth"),
        ("more.npz\n", "line 1: there is no file"),
        ("resnet18\n\nresnet18\n", "line 3: 'resnet18' has the name of line 1"),
        ("there.pth\nresnet50 there.pth\n", "line 2: .* has the name of line 1, 'there'"),
        ("resnet 50 there\n", "neither a model's name"),
        ("folder\n", "is a folder"),
    ],
)
def test_a_list_that_cannot_be_followed_is_refused_by_line_before_anything_runs(
    lines: str, told: str, tmp_path: Path
) -> None:
    (tmp_path / "there.pth").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "models.txt").write_text(lines)
    with pytest.raises(DatasetError, match=told):
        read_model_list(tmp_path / "models.txt")


def test_a_line_that_can_be_read_in_two_ways_is_refused(tmp_path: Path) -> None:
    for name in ("resnet18 mine.pth", "mine.pth"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "models.txt").write_text("resnet18 mine.pth\n")
    with pytest.raises(DatasetError, match="can as well mean"):
        read_model_list(tmp_path / "models.txt")
