"""The precision of a run: what is taken, what is refused, and how far it agrees with float32, counted by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.errors import ProjectError
from pipeline.inference import precision as precisions
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.precision import read_precision, sample_of
from pipeline.inference.predictions import predict, predictions_path, read_model_predictions
from pipeline.project.folder import Project
from pipeline.stages.models_of_project import list_models
from pipeline.stages.propose import propose, propose_summary

N_IMAGES = 40
KEYS = ("ant", "bee", "cow", "dog", "eel", "fox")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    drawn = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 6, 6, 3), dtype=np.uint8)
    for number, pixels in enumerate(drawn):
        path = folder / KEYS[number % len(KEYS)] / f"{number:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).resize((64, 64)).save(path)
    return folder


@pytest.fixture
def cpu_info(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file in which a processor says what it can do."""
    monkeypatch.setattr(precisions, "_CPU_INFO", tmp_path / "cpuinfo")
    return tmp_path / "cpuinfo"


def run(project: Project, model: Path, precision: str, **options: object) -> Path:
    return predict(project, [ModelSource(checkpoint=model)], precision=precision, device="cpu", n_workers=0, **options)[  # type: ignore[arg-type]
        0
    ].path


def test_agreement_is_that_of_the_two_tables_on_the_sample(images: Path, model: Path, tmp_path: Path) -> None:
    exact = run(init_project(tmp_path / "one", images), model, "float32")
    coarse = run(init_project(tmp_path / "other", images), model, "bfloat16")
    assert read_precision(exact) == precisions.RunPrecision("float32")
    wanted, found = (read_model_predictions(path) for path in (exact, coarse))
    assert not np.array_equal(wanted.score, found.score)
    np.testing.assert_allclose(found.score, wanted.score, rtol=0.1)
    recorded = read_precision(coarse)
    assert recorded is not None
    agreement = recorded.agreement
    assert agreement is not None
    rows = sample_of(N_IMAGES)
    pairs = list(zip(wanted.class_index[rows], found.class_index[rows], strict=True))
    assert (agreement.n_images, agreement.k, agreement.n_ranked) == (32, 6, 192)
    assert agreement.n_same_first == sum(one[0] == other[0] for one, other in pairs)
    assert agreement.n_in_common == sum(len(set(one) & set(other)) for one, other in pairs)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16 sse", "bfloat16"),
        ("flags\t\t: fpu amx_bf16", "bfloat16"),
        ("Features\t: fp asimd bf16", "bfloat16"),
        ("flags\t\t: fpu avx512f avx512_vnni", "float32"),
        ("model name\t: avx512_bf16 of nothing", "float32"),
        (None, "float32"),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_says_it_has_it(
    said: str | None, taken: str, project: Project, model: Path, cpu_info: Path
) -> None:
    if said is not None:
        cpu_info.write_text(f"processor\t: 0\n{said}\n")
    propose(project, checkpoint=model, device="cpu", n_workers=0)
    ((name, found),) = propose_summary(project).precisions
    assert (name, found.precision) == ("small", taken)
    assert (found.agreement is None) == (taken == "float32")


def test_a_run_goes_on_in_its_precision_and_in_another_only_when_told(
    project: Project, model: Path, cpu_info: Path
) -> None:
    path = run(project, model, "bfloat16")
    first = path.read_bytes()
    assert run(project, model, "auto").read_bytes() == first  # this processor says nothing of bfloat16
    with pytest.raises(ProjectError, match=r'was "bfloat16", now "float32".*--precision bfloat16.*--restart'):
        run(project, model, "float32")
    assert path.read_bytes() == first
    run(project, model, "float32", restart=True)
    assert [(kept.name, str(kept.precision)) for kept in list_models(project)] == [("small", "float32")]
    cpu_info.write_text("flags : avx512_bf16\n")
    assert b"bfloat16" not in (pq.read_metadata(run(project, model, "auto")).metadata or {})[b"settings"]


def test_parts_of_one_precision_are_not_mixed_with_those_of_another(project: Project, model: Path) -> None:
    path = run(project, model, "bfloat16")
    settings = (pq.read_metadata(path).metadata or {})[b"settings"]
    parts = path.with_suffix(".partial")
    parts.mkdir()
    (parts / "run.json").write_bytes(settings)
    path.unlink()
    with pytest.raises(ProjectError, match=r'precision was "bfloat16", now "float32"'):
        run(project, model, "float32")
    run(project, model, "auto")
    assert str(read_precision(path)).startswith("bfloat16 (against float32, on a sample of 32 images")


def test_what_the_device_cannot_do_is_told(project: Project, model: Path) -> None:
    with pytest.raises(ProjectError, match=r"a CPU does not compute in float16; take bfloat16"):
        run(project, model, "float16")
    with pytest.raises(ProjectError, match="--precision half: there are auto, float32, bfloat16, float16"):
        precisions.as_asked("half")
    assert not predictions_path(project, "small").exists()


@pytest.mark.parametrize(("n_images", "n"), [(1, 1), (31, 31), (1000, 32), (10_000, 100), (1_281_167, 256)])
def test_the_sample_is_spread_over_all_images(n_images: int, n: int) -> None:
    sample = sample_of(n_images)
    assert (len(sample), len(set(sample)), sample[0]) == (n, n, 0)
    assert sample[-1] < n_images <= sample[-1] + n_images / n + 1


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_a_gpu_agrees_with_float32_as_it_says(project: Project, model: Path, precision: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    (done,) = predict(project, [ModelSource(checkpoint=model)], precision=precision, device="cuda")  # type: ignore[arg-type]
    found = read_precision(done.path)
    assert found is not None
    assert found.agreement is not None
    assert found.agreement.n_in_common > 0.9 * found.agreement.n_ranked
