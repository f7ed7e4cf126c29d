"""Decoding on a device beside Pillow's way, run on the CPU as that device; and the gate before a run that does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import timm
import torch
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.errors import ProjectError
from pipeline.images.plain_jpeg import read_plain_jpeg
from pipeline.inference import decoding, engine, filling, gpu_decoding
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_classifier
from pipeline.inference.loading import ImageBatch, ListedImages, ProjectImages, image_batches, images_of
from pipeline.inference.precision import Agreement, RunPrecision, read_precision
from pipeline.inference.predictions import predictions_path, ranking_tables
from pipeline.project.folder import Project, open_project
from pipeline.stages.add import add_images
from pipeline.stages.propose import propose, propose_summary

CPU = torch.device("cpu")
CONFIG: dict[str, Any] = {
    "input_size": (3, 64, 64),
    "mean": (0.485, 0.456, 0.406),
    "std": (0.5,) * 3,
    "interpolation": "bicubic",
    "crop_pct": 0.9,
}
KEYS = ("ant", "bee", "cow", "dog", "eel", "fox")
N_IMAGES = 40
#: Pillow's way decodes these at half their size, whose pixels are not quite those of the whole scaled down.
REDUCED = {"400 x 300", "301 x 399"}
SIZES = [(1, 1), (1, 50), (50, 1), (2, 3), (1500, 20), (20, 1501), (400, 300), (301, 399), (64, 64)]


def picture(width_px: int, height_px: int, seed: int = 0) -> Image.Image:
    """Return soft spots of colour, as photographs have them: in noise, a rounding here is a large difference there."""
    shape = (height_px // 8 + 2, width_px // 8 + 2, 3)
    spots = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(spots).resize((width_px, height_px), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, found = tmp_path_factory.mktemp("zoo"), {}

    def keep(name: str, content: Image.Image | bytes, **options: Any) -> None:
        found[name] = folder / f"{name}.jpg"
        if isinstance(content, bytes):
            found[name].write_bytes(content)
        else:
            content.save(found[name], options.pop("kind", "JPEG"), quality=95, **options)

    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        keep(f"exif {orientation}", picture(120, 90), exif=exif)
    for subsampling, name in enumerate(("4:4:4", "4:2:2", "4:2:0")):
        keep(name.replace(":", ""), picture(97, 131), subsampling=subsampling)
    for width_px, height_px in SIZES:
        keep(f"{width_px} x {height_px}", picture(width_px, height_px))
    keep("progressive", picture(101, 83), progressive=True)
    keep("grey", picture(100, 80).convert("L"))
    keep("cmyk", picture(100, 80).convert("CMYK"))
    keep("png", picture(50, 60), kind="PNG")
    keep("rgb", picture(90, 70), keep_rgb=True)
    whole = found["444"].read_bytes()
    keep("no end", whole[:-2])
    keep("cut", whole[: len(whole) // 2])
    keep("text", b"not a picture")
    return found


def both_ways(images: ListedImages | ProjectImages, n: int) -> Iterator[tuple[ImageBatch, ImageBatch]]:
    by_pillow = image_batches(images, range(n), batch_size=7, n_workers=0, pin_memory=False)
    yield from zip(
        by_pillow, gpu_decoding.decoded_batches(images, range(n), CPU, batch_size=7, n_workers=0), strict=True
    )


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"interpolation": "bilinear"},
        {"input_size": (3, 64, 48), "crop_pct": 0.95},
        {"crop_mode": "squash"},
        {"crop_mode": "border", "crop_pct": 1.0},
        {"input_size": (3, 65, 63), "crop_mode": "border"},
    ],
)
@pytest.mark.parametrize("as_timm", [False, True])
def test_pixels_are_those_of_pillow_but_for_rounding(
    zoo: dict[str, Path], config: dict[str, Any], as_timm: bool
) -> None:
    names = list(zoo)
    images = ListedImages([str(path) for path in zoo.values()], [{**CONFIG, **config}, CONFIG], as_timm=as_timm)
    n_decoded = 0
    for wanted, found in both_ways(images, len(names)):
        assert found.image_index == wanted.image_index
        assert found.decoded == wanted.decoded
        assert found.failures == wanted.failures
        for one, other in zip(wanted.pixels, found.pixels, strict=True):
            assert other.dtype == torch.uint8
            difference = (one.float() - other.float()).abs()
            for place, decoded in zip(wanted.decoded, difference, strict=True):
                name = names[wanted.image_index[place]]
                is_reduced = name in REDUCED and not as_timm
                assert float(decoded.mean()) < (10 if is_reduced else 0.5), name
                assert is_reduced or float(decoded.max()) <= 6, name
        n_decoded += len(wanted.decoded)
    assert n_decoded == len(names) - (3 if as_timm else 2)  # timm's own loader refuses a file without its end, too


def test_views_are_the_same_parts(zoo: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "images" / "ant"
    folder.mkdir(parents=True)
    for name in ("exif 6", "444", "png", "1500 x 20"):
        (folder / f"{name}.jpg").write_bytes(zoo[name].read_bytes())
    project = init_project(tmp_path / "project", tmp_path / "images")
    images = ProjectImages(project.images_path, project.images_root, [CONFIG], n_views=5)
    ((wanted, found),) = both_ways(images, 4)
    assert found.pixels[0].shape == (4, 5, 3, 64, 64)
    difference = (wanted.pixels[0].float() - found.pixels[0].float()).abs()
    assert float(difference.flatten(2).mean(dim=2).max()) < 0.5


def test_only_plain_jpegs_go_to_the_gpu(zoo: dict[str, Path]) -> None:
    plain = {name for name, path in zoo.items() if read_plain_jpeg(str(path), as_timm=False)}
    assert zoo.keys() - plain == {"cmyk", "png", "rgb", "no end", "cut", "text"}
    assert read_plain_jpeg(str(zoo["text"].with_name("absent.jpg")), as_timm=False) is None
    turned = [read_plain_jpeg(str(zoo["exif 6"]), as_timm=as_timm) for as_timm in (False, True)]
    assert [found and found.orientation for found in turned] == [6, 1]


def test_a_jpeg_that_the_decoder_refuses_goes_pillows_way_and_takes_no_other_with_it(
    zoo: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = len(zoo["grey"].read_bytes())
    real = gpu_decoding.decode_jpeg

    def decode(jpeg: torch.Tensor, mode: Any) -> Any:
        if len(jpeg) == refused:
            raise RuntimeError("nvjpeg: NVJPEG_STATUS_BAD_JPEG")
        return real(jpeg, mode)

    names = ["444", "grey", "progressive", "422", "400 x 300"]
    images = ListedImages([str(zoo[name]) for name in names], [CONFIG])
    usual = [found for _, found in both_ways(images, len(names))]
    monkeypatch.setattr(gpu_decoding, "decode_jpeg", decode)
    ((wanted, found),) = both_ways(images, len(names))
    assert found.decoded == [0, 1, 2, 3, 4]
    assert torch.equal(found.pixels[0][1], wanted.pixels[0][1])
    for place in (0, 2, 3, 4):
        assert torch.equal(found.pixels[0][place], usual[0].pixels[0][place])


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"interpolation": "lanczos"}, "lanczos"),
        ({"input_size": (1, 64, 64)}, "1 channels"),
        ({"crop_border_pixels": 4}, "TrimBorder"),
    ],
)
def test_a_preprocessing_that_is_not_known_is_refused(config: dict[str, Any], reason: str) -> None:
    images = ListedImages([], [{**CONFIG, **config}])
    with pytest.raises(ProjectError, match=f"{reason}.*--decode cpu"):
        gpu_decoding.Decoder(images, CPU)


@pytest.mark.parametrize(
    ("n_images", "n_same_first", "in_common", "passes"),
    [
        (256, 251, 0.96, True),
        (256, 250, 0.96, False),
        (256, 256, 0.94, False),
        (32, 30, 0.97, True),
        (32, 29, 0.97, False),
        (31, 30, 0.97, True),
        (31, 29, 0.97, False),
        (15, 15, 0.97, True),
        (15, 14, 0.97, False),
    ],
)
def test_the_gate_lets_few_images_differ(n_images: int, n_same_first: int, in_common: float, passes: bool) -> None:
    n_ranked = 20 * n_images
    found = Agreement(n_images, n_same_first, round(in_common * n_ranked), n_ranked, 20)
    if passes:
        decoding.refuse_other_rankings("resnet50", found)
        return
    with pytest.raises(ProjectError, match=rf"resnet50.*first class on {n_same_first}.*98% and 95%.*--decode cpu"):
        decoding.refuse_other_rankings("resnet50", found)


def test_the_gate_does_not_open_where_nothing_was_compared() -> None:
    with pytest.raises(ProjectError, match=r"no JPEG was found that shows how resnet50 ranks.*--decode cpu"):
        decoding.refuse_other_rankings("resnet50", Agreement(0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("n_images", "one_in", "at_least", "at_most"),
    [(1000, 1, 32, 32), (1000, 10, 20, 32), (40, 7, 6, 6), (9000, 10, 60, 90)],
)
def test_where_jpegs_are_few_more_images_are_searched_for_them(
    zoo: dict[str, Path], n_images: int, one_in: int, at_least: int, at_most: int
) -> None:
    jpeg, other = str(zoo["444"]), str(zoo["png"])
    is_jpeg = np.random.default_rng(0).permutation(n_images) % one_in == 0
    images = ListedImages([jpeg if found else other for found in is_jpeg], [])
    sample = decoding.sample_of_jpegs(images, n_images)
    assert is_jpeg[sample].all()
    assert sample == sorted(set(sample))
    assert at_least <= len(sample) <= at_most
    assert decoding.has_plain_jpegs(images, n_images)
    assert sample[0] < n_images / 2 < sample[-1]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(N_IMAGES):
        path = folder / KEYS[number % len(KEYS)] / f"{number:02d}.{'png' if number == 7 else 'jpg'}"
        path.parent.mkdir(exist_ok=True)
        picture(90 + number % 3, 80, seed=number).save(path)
    return folder


@pytest.fixture
def project(photographs: Path, tmp_path: Path) -> Project:
    return init_project(tmp_path / "project", photographs)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "small.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet", num_classes=len(KEYS)).state_dict(), path)
    described = {"architecture": "test_resnet", "class_keys": KEYS, "input_size": 64}
    path.with_suffix(".json").write_text(json.dumps(described))
    return path


@pytest.fixture
def cpu_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU stand for the GPU that decodes: all else is what runs there."""
    for module in (filling, engine):
        monkeypatch.setattr(module, "decoding_device", lambda _: CPU)


def run(project: Project, model: Path, **options: Any) -> Path:
    propose(project, checkpoint=model, device="cpu", n_workers=0, precision="float32", **options)
    return predictions_path(project, "small")


def settings_in(table: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((pq.read_metadata(table).metadata or {})[b"settings"])
    return found


@pytest.mark.usefixtures("cpu_decodes")
def test_a_run_says_what_decoded_and_how_far_it_agrees(project: Project, photographs: Path, model: Path) -> None:
    table = run(project, model, decode="gpu")
    by_pillow = run(init_project(project.root.with_name("other"), photographs), model)
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
def test_without_a_jpeg_there_is_nothing_for_a_gpu_and_the_cpu_decodes(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, key in enumerate(KEYS):
        path = tmp_path / "images" / key / "one.png"
        path.parent.mkdir(parents=True)
        picture(90, 80, seed=number).save(path)
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
        picture(90, 80, seed=len(name)).save(tmp_path / name / "ant" / f"{name}.jpg")
    again: dict[str, Any] = {"model": [], "checkpoint": [model], "device": "cpu", "n_workers": 0}
    add_images(project, tmp_path / "first", model=again)
    assert "decoding" in settings_in(predictions_path(project, "small"))
    monkeypatch.undo()
    with pytest.raises(ProjectError, match=r"needs an Nvidia GPU.*; a GPU decoded .* with --model$") as refusal:
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
    with pytest.raises(ProjectError, match="machines of a cluster decode on their CPUs"):
        filling.RunOptions(engine="ray", decode="gpu").decoding_of("upright", project.root / "none.parquet")
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
    options = filling.RunOptions(engine="ray")
    assert "decoding" in options.decoding_of("upright", table)
    assert "decoding" in replace(options, decode="gpu").decoding_of("upright", table)
    for refused in (replace(options, decode="gpu", restart=True), options):
        with pytest.raises(ProjectError, match="machines of a cluster decode on their CPUs"):
            refused.decoding_of("upright", table, table.with_name("other.parquet"))
    classifier = load_classifier(ModelSource(checkpoint=model), project.label_space)
    tables = ranking_tables(project, classifier, 1, 20, filling.RunOptions(device="cpu"))
    with pytest.raises(ProjectError, match=r"machines of a cluster decode on their CPUs.*--restart without --decode"):
        filling._engine(tables, lambda configs: images_of(project, configs), 1, options)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_shows_what_pillow_shows(zoo: dict[str, Path]) -> None:
    names = list(zoo)
    images = ListedImages([str(path) for path in zoo.values()], [CONFIG])
    device = torch.device("cuda", 0)
    wanted = list(image_batches(images, range(len(names)), batch_size=7, n_workers=0, pin_memory=False))
    found = list(gpu_decoding.decoded_batches(images, range(len(names)), device, batch_size=7, n_workers=2))
    for one, other in zip(wanted, found, strict=True):
        assert replace(one, pixels=()) == replace(other, pixels=())
        difference = (one.pixels[0].float() - other.pixels[0].cpu().float()).abs().flatten(1).mean(dim=1)
        # Its decoder interpolates colours less finely, which pictures of a few pixels show most.
        assert float(difference.max()) < 8, [names[one.image_index[place]] for place in one.decoded]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_run_whose_images_a_gpu_decodes_agrees_as_it_says(project: Project, model: Path) -> None:
    propose(project, checkpoint=model, device="cuda", decode="gpu")
    ((_, found),) = propose_summary(project).precisions
    assert found.decoding is not None
    assert found.decoding.n_images == 32
