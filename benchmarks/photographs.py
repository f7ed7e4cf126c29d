"""A project of real photographs with the 1,000 classes of ImageNet, for benchmarks and browser tests.

There are no pretrained weights to propose with, so each photograph's proposals are drawn at random, with its own class
among them. What is measured (pictures, messages, painting) does not depend on which classes they are. Example images
are cut from the photographs, so that their files are as large as real ones.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pipeline.datasets.create import init_project
from pipeline.project.folder import Project
from pipeline.project.settings import Settings
from pipeline.stages.assign import assign_project
from pipeline.stages.propose import propose_from_predictions

N_CLASSES = 1000
N_PROPOSALS = 20
_EXAMPLE_PX = 160
_SEED = 20230


def make_photograph_project(
    folder: Path,
    photographs: Path,
    n_images: int,
    annotators: Sequence[str],
    *,
    n_examples: int,
    settings: Settings | None = None,
) -> Project:
    """Make a project of real photographs, with proposals, examples and tasks.

    Parameters
    ----------
    folder
        Where the project goes; the photographs stay where they are.
    photographs
        A folder of ``<WordNet id>.jpg``, one per class.
    n_images
        How many of them to use.
    annotators
        Their names; each gets every image.
    n_examples
        Examples per class, cut from the photographs of the class and its neighbours; 1 takes the photograph itself.
    settings
        Everything else that `mlf.toml` holds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(photographs.glob("n*.jpg"))
    chosen = files[:n_images]
    manifest = folder / "images.csv"
    with manifest.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.writer(sink)
        writer.writerow(["image", "wnid"])
        writer.writerows([file.name, file.stem] for file in chosen)
    examples = photographs if n_examples == 1 else _cut_examples(files, folder / "examples", n_examples)
    project = init_project(
        folder / "project",
        manifest,
        "imagenet-1k",
        examples,
        name="Photographs",
        images_root=photographs,
        settings=settings,
    )
    predictions = folder / "random.npz"
    labels = [project.label_space.index_of(file.stem) for file in chosen]
    np.savez(predictions, random=random_rankings(labels))
    propose_from_predictions(project, predictions)
    assign_project(project, list(annotators), len(annotators))
    return project


def random_rankings(labels: Sequence[int]) -> np.ndarray:
    """Return 20 distinct classes per image, drawn at random, with the image's own among them: int16 (images, 20)."""
    generator = np.random.default_rng(_SEED)
    rankings = np.empty((len(labels), N_PROPOSALS), dtype=np.int16)
    for row, label in enumerate(labels):
        drawn = generator.permutation(N_CLASSES)[:N_PROPOSALS]
        if label not in drawn:
            drawn[generator.integers(N_PROPOSALS)] = label
        rankings[row] = drawn
    return rankings


def _cut_examples(files: Sequence[Path], folder: Path, n_examples: int) -> Path:
    """Cut squares out of each class's photograph and the next ones in the list, some of them mirrored."""

    def cut(number: int) -> None:
        generator = np.random.default_rng([_SEED, number])
        target = folder / files[number].stem
        target.mkdir(parents=True, exist_ok=True)
        for example in range(n_examples):
            with Image.open(files[(number + example // 2) % len(files)]) as image:
                side = int(min(image.size) * generator.uniform(0.6, 1.0))
                left = int(generator.integers(image.width - side + 1))
                top = int(generator.integers(image.height - side + 1))
                piece = image.convert("RGB").crop((left, top, left + side, top + side))
            piece = piece.resize((_EXAMPLE_PX, _EXAMPLE_PX), Image.Resampling.BICUBIC)
            (ImageOps.mirror(piece) if example % 2 else piece).save(target / f"{example}.jpg", quality=85)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(cut, range(len(files))))
    return folder
