"""Images on their way into a model, against timm's own loader and against what the whole picture would give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

from pipeline.datasets.create import init_project
from pipeline.inference.loading import ProjectImages, normalized
from pipeline.project.folder import Project

CONFIG: dict[str, Any] = {"input_size": (3, 64, 64), "mean": (0.5,) * 3, "std": (0.5,) * 3, "crop_pct": 0.9}


def project_of(folder: Path, **pictures: Image.Image) -> Project:
    for name, picture in pictures.items():
        (folder / "images" / "cat").mkdir(parents=True, exist_ok=True)
        picture.save(folder / "images" / "cat" / f"{name}.png")
    return init_project(folder / "project", folder / "images")


def tensors(project: Project, **options: Any) -> list[torch.Tensor]:
    images = ProjectImages(project.images_path, project.images_root, [CONFIG], **options)
    found = [images[index][1] for index in range(1)]
    assert not any(isinstance(each, str) for each in found), found
    return [normalized(looks[0], CONFIG)[0] for looks in found if not isinstance(looks, str)]


@pytest.mark.parametrize("size", [(40, 2000), (2000, 40), (41, 2001)])
def test_a_strip_gives_the_model_what_the_whole_of_it_would_give(tmp_path: Path, size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (size[1] // 8 + 1, size[0] // 8 + 1, 3), dtype=np.uint8)
    strip = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    (seen,) = tensors(project_of(tmp_path, strip=strip))
    whole = create_transform(**CONFIG, is_training=False)(strip)
    assert float((seen - whole).abs().mean()) < 0.03


MEASURE = """
import resource, sys
from pathlib import Path
from pipeline.inference.loading import ProjectImages
config = {"input_size": (3, 224, 224), "mean": (0.5,) * 3, "std": (0.5,) * 3}
images = ProjectImages(Path(sys.argv[1]), sys.argv[2], [config])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print({tuple(images[index][1][0][0].shape) for index in range(3)})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_strip_takes_no_more_memory_than_a_photograph(tmp_path: Path) -> None:
    sizes = {"high": (1, 3000), "wide": (3000, 1), "long": (2, 60000)}
    project = project_of(tmp_path, **{name: Image.new("RGB", size, "teal") for name, size in sizes.items()})
    command = [sys.executable, "-c", MEASURE, str(project.images_path), project.images_root]
    shapes, kib = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert shapes == "{(3, 224, 224)}"
    assert int(kib) < 64 * 1024


def test_as_timm_gives_the_model_the_very_tensor_of_timms_own_loader(tmp_path: Path) -> None:
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    project = project_of(tmp_path, turned=photograph)
    path = tmp_path / "images" / "cat" / "turned.png"
    photograph.save(path, exif=exif)
    plain = create_transform(**CONFIG, is_training=False)(Image.open(path).convert("RGB"))
    assert torch.equal(tensors(project, as_timm=True)[0], plain)
    assert not torch.equal(tensors(project)[0], plain)
