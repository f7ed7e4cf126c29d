"""Decoding on a device beside Pillow's way, run on the CPU as that device; and how far rankings may differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn import soft_spots
from PIL import Image

from pipeline.datasets.create import init_project
from pipeline.errors import ProjectError
from pipeline.images.plain_jpeg import read_plain_jpeg
from pipeline.inference import decoding, gpu_decoding
from pipeline.inference.loading import ImageBatch, ListedImages, ProjectImages, image_batches
from pipeline.inference.precision import Agreement

CPU = torch.device("cpu")
CONFIG: dict[str, Any] = {
    "input_size": (3, 64, 64),
    "mean": (0.485, 0.456, 0.406),
    "std": (0.5,) * 3,
    "interpolation": "bicubic",
    "crop_pct": 0.9,
}
#: Pillow's way decodes these at half their size, whose pixels are not quite those of the whole scaled down.
REDUCED = {"400 x 300", "301 x 399"}
SIZES = [(1, 1), (1, 50), (50, 1), (2, 3), (1500, 20), (20, 1501), (400, 300), (301, 399), (64, 64)]


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
        keep(f"exif {orientation}", soft_spots(120, 90), exif=exif)
    for subsampling, name in enumerate(("4:4:4", "4:2:2", "4:2:0")):
        keep(name.replace(":", ""), soft_spots(97, 131), subsampling=subsampling)
    for width_px, height_px in SIZES:
        keep(f"{width_px} x {height_px}", soft_spots(width_px, height_px))
    keep("progressive", soft_spots(101, 83), progressive=True)
    keep("grey", soft_spots(100, 80).convert("L"))
    keep("cmyk", soft_spots(100, 80).convert("CMYK"))
    keep("png", soft_spots(50, 60), kind="PNG")
    keep("rgb", soft_spots(90, 70), keep_rgb=True)
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
