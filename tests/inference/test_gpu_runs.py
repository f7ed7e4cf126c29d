"""A run whose images a GPU decodes, run on the CPU as that GPU: what it records, and the gate before it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from drawn import soft_spots

from pipeline.datasets.create import init_project
from pipeline.errors import ProjectError
from pipeline.inference import decoding, engine, gpu_decoding
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_classifier
from pipeline.inference.filling import RunOptions, fill_tables
from pipeline.inference.parts import PartialTable
from pipeline.inference.precision import RunPrecision, read_precision
from pipeline.inference.predictions import predictions_path, ranking_tables
from pipeline.project.folder import Project, open_project
from pipeline.stages.add import add_images
from pipeline.stages.propose import propose, propose_summary

CPU = torch.device("cpu")
KEYS = ("ant", "bee", "cow", "dog", "eel", "fox")
N_IMAGES = 40


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(N_IMAGES):
        path = folder / KEYS[number % len(KEYS)] / f"{number:02d}.{'png' if number == 7 else 'jpg'}"
        path.parent.mkdir(exist_ok=True)
        soft_spots(90 + number % 3, 80, seed=number).save(path)
    return folder


@pytest.fixture
def cpu_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU stand for the GPU that decodes: all else is what runs there."""
    monkeypatch.setattr(engine, "decoding_device", lambda _: CPU)


def run(project: Project, model: Path, **options: Any) -> Path:
    propose(project, checkpoint=model, device="cpu", n_workers=0, precision="float32", **options)
    return predictions_path(project, "small")


def settings_in(table: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((pq.read_metadata(table).metadata or {})[b"settings"])
    return found


@pytest.mark.usefixtures("cpu_decodes")
def test_a_run_says_what_decoded_and_how_far_it_agrees(project: Project, images: Path, model: Path) -> None:
    table = run(project, model, decode="gpu")
    by_pillow = run(init_project(project.root.with_name("other"), images), model)
    differing = {"decoding": {"decoder": "nvjpeg", "resize": "torch, antialiased", "exif": "upright"}}
    assert settings_in(table) == settings_in(by_pillow) | differing
    assert "decoding" not in settings_in(by_pillow)
    assert read_precision(by_pillow) == RunPrecision("float32")
    ((_, found),) = propose_summary(project).precisions
    assert found.decoding is not None
    assert found.decoding.n_images == 32  # beside the one that is a PNG
    assert found.decoding.n_same_first >= 30
    assert str(found).startswith("float32; decoded on a GPU (against Pillow, on a sample of 32 images: the same first")
    one, other = (np.array(pq.read_table(path)["score"].to_pylist()) for path in (table, by_pillow))
    np.testing.assert_allclose(one, other, rtol=0.05)


@pytest.mark.usefixtures("cpu_decodes")
def test_a_run_goes_on_as_it_was_begun_and_otherwise_only_when_told(project: Project, model: Path) -> None:
    before = run(project, model, decode="gpu").read_bytes()
    assert run(project, model).read_bytes() == before
    with pytest.raises(ProjectError, match=r"decoding was .*nvjpeg.*, now \"cpu\".*--decode gpu.*--restart"):
        run(project, model, decode="cpu")
    assert "decoding" not in settings_in(run(project, model, decode="cpu", restart=True))
    with pytest.raises(ProjectError, match=r"go on with it \(--decode cpu\), or --restart"):
        run(project, model, decode="gpu")


@pytest.mark.usefixtures("cpu_decodes")
def test_pixels_that_change_rankings_are_refused_and_leave_nothing(
    project: Project, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_decoding, "_turned", lambda found, _: 255 - found.flip(-2))
    with pytest.raises(ProjectError, match=r"small ranks too differently.*sample of 32 images.*--decode cpu"):
        run(project, model, decode="gpu")
    table = run(project, model, decode="cpu")
    before = table.read_bytes()
    assert "decoding" not in settings_in(table)
    with pytest.raises(ProjectError, match="small ranks too differently"):
        run(project, model, decode="gpu", restart=True)
    assert table.read_bytes() == before
    assert not table.with_suffix(".partial").exists()


@pytest.mark.usefixtures("cpu_decodes")
def test_what_was_not_finished_is_dropped_only_once_rankings_agree(
    project: Project, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = predictions_path(project, "small")
    real, n_written = PartialTable.write_part, 0

    def write_two(parts: PartialTable, first_row: int, rows: pa.Table) -> None:
        nonlocal n_written
        n_written += 1
        real(parts, first_row, rows)
        if n_written == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as cut_off:
        cut_off.setattr("pipeline.inference.filling.PART_SECONDS", 0.0)
        cut_off.setattr(PartialTable, "write_part", write_two)
        with pytest.raises(KeyboardInterrupt):
            run(project, model, decode="cpu", batch_size=8)
    with monkeypatch.context() as other:
        other.setattr(gpu_decoding, "_turned", lambda found, _: 255 - found.flip(-2))
        with pytest.raises(ProjectError, match="small ranks too differently"):
            run(project, model, decode="gpu", restart=True)
    assert sum(pq.read_metadata(part).num_rows for part in table.with_suffix(".partial").glob("part-*")) == 16
    done = propose(project, checkpoint=model, device="cpu", n_workers=0, precision="float32")
    assert done.n_done_before == 16


@pytest.mark.usefixtures("cpu_decodes")
def test_without_a_jpeg_there_is_nothing_for_a_gpu_and_the_cpu_decodes(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, key in enumerate(KEYS):
        path = tmp_path / "images" / key / "one.png"
        path.parent.mkdir(parents=True)
        soft_spots(90, 80, seed=number).save(path)
    table = run(init_project(tmp_path / "project", tmp_path / "images"), model, decode="gpu")
    assert "decoding" not in settings_in(table)
    assert "no image that was looked at is a plain JPEG" in "".join(capsys.readouterr())


@pytest.mark.usefixtures("cpu_decodes")
def test_new_images_for_what_a_gpu_decoded_go_on_so_or_say_what_else_there_is(
    project: Project, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project, model, decode="gpu")
    for name in ("first", "second"):
        (tmp_path / name / "ant").mkdir(parents=True)
        soft_spots(90, 80, seed=len(name)).save(tmp_path / name / "ant" / f"{name}.jpg")
    again: dict[str, Any] = {"model": [], "checkpoint": [model], "device": "cpu", "n_workers": 0}
    add_images(project, tmp_path / "first", model=again)
    assert "decoding" in settings_in(predictions_path(project, "small"))
    monkeypatch.undo()
    with pytest.raises(ProjectError, match=r"needs an Nvidia GPU.*; a GPU ranked .* with --model$") as refusal:
        add_images(open_project(project.root), tmp_path / "second", model=again)
    assert "--decode cpu" not in str(refusal.value)


def test_without_a_gpu_the_option_says_so_and_leaves_nothing(project: Project, model: Path) -> None:
    with pytest.raises(
        ProjectError, match=r"--decode gpu: needs an Nvidia GPU, and --device cpu is none.*--decode cpu"
    ):
        run(project, model, decode="gpu")
    run(project, model)
    with pytest.raises(ProjectError, match="--decode fast: there are auto, cpu, gpu"):
        decoding.decoding_as_asked("fast")


@pytest.mark.usefixtures("cpu_decodes")
def test_what_cannot_be_compared_is_not_decoded_on_a_gpu(project: Project, model: Path) -> None:
    with pytest.raises(ProjectError, match="no rankings to compare"):
        run(project, model, from_examples=True, decode="gpu")
    np.savez(project.root / "p.npz", elsewhere=np.tile(np.arange(6), (N_IMAGES, 1)))
    with pytest.raises(ProjectError, match="--from-predictions looks at no images"):
        propose(project, from_predictions=project.root / "p.npz", decode="gpu")
    with pytest.raises(ProjectError, match="--decode GPU: there are auto, cpu, gpu"):
        run(project, model, decode="GPU")
    with pytest.raises(ProjectError, match="--engine Ray: there are local and ray"):
        run(project, model, engine="Ray")


@pytest.mark.usefixtures("cpu_decodes")
def test_a_cluster_is_refused_only_what_is_left_to_decode(project: Project, model: Path) -> None:
    table = run(project, model, decode="gpu")
    classifier = load_classifier(ModelSource(checkpoint=model), project.label_space)
    (filling,) = ranking_tables(project, classifier, 1, 20, RunOptions(device="cpu", precision="float32"))
    assert fill_tables(project, [filling], 1, RunOptions(engine="ray")) == [N_IMAGES]
    before = table.read_bytes()
    for left in (filling, replace(filling, path=table.with_name("other.parquet"))):
        with pytest.raises(ProjectError, match=r"machines of a cluster decode on their CPUs.*--restart without --dec"):
            fill_tables(project, [left], 1, RunOptions(engine="ray", restart=left is filling))
    assert table.read_bytes() == before
    assert list(table.parent.iterdir()) == [table]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_run_whose_images_a_gpu_decodes_agrees_as_it_says(project: Project, model: Path) -> None:
    propose(project, checkpoint=model, device="cuda", decode="gpu")
    ((_, found),) = propose_summary(project).precisions
    assert found.decoding is not None
    assert found.decoding.n_images == 32
