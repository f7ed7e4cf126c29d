"""Ranking the classes of every image with one model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from pipeline.errors import DatasetError
from pipeline.inference.classifier import Classifier
from pipeline.inference.loading import ImageBatch, ProjectImages, image_batches
from pipeline.project.folder import Project

_MAX_WORKERS = 16


@dataclass(frozen=True, slots=True)
class Ranking:
    """The classes of one image, the best first, with softmax probabilities; empty with a reason if unreadable."""

    image_index: int
    class_index: list[int]
    score: list[float]
    failure: str | None = None


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to compute on: the GPU where there is one, unless one is named.

    Raises
    ------
    DatasetError
        If torch has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DatasetError(f"device {name!r}: not usable here: {str(error).splitlines()[0]}") from error
    return device


def default_n_workers(device: torch.device) -> int:
    """Return how many processes decode: all cores for a GPU, all but one (at least one) beside a model on the CPU."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MAX_WORKERS, n_cores if device.type != "cpu" else max(1, n_cores - 1))


def rank_images(
    classifier: Classifier,
    project: Project,
    indices: range,
    *,
    top_k: int,
    batch_size: int,
    device: torch.device,
    n_workers: int,
) -> Iterator[Ranking]:
    """Yield the ranking of each image, in order of `indices`.

    Parameters
    ----------
    classifier
        The model.
    project
        Whose images.
    indices
        Which images.
    top_k
        How many classes to keep; fewer where the model knows fewer of the label space.
    batch_size
        Images the model sees at once.
    device
        Where the model runs: on a GPU in half precision (bfloat16 where it has it).
    n_workers
        Processes that decode; 0 decodes in this one.
    """
    as_timm = project.settings.proposals.exif == "as timm"
    images = ProjectImages(project.images_path, project.images_root, classifier.data_config, as_timm=as_timm)
    module = classifier.module.to(device).to(memory_format=torch.channels_last)
    outputs, class_indices = classifier.outputs.to(device), classifier.class_indices.to(device)
    on_gpu = device.type == "cuda"
    loader = image_batches(images, indices, batch_size=batch_size, n_workers=n_workers, pin_memory=on_gpu)
    for batch in loader:
        assert isinstance(batch, ImageBatch)
        found: list[tuple[list[int], list[float]]] = []
        if batch.decoded:
            pixels = batch.pixels.to(device, non_blocking=True).to(memory_format=torch.channels_last)
            with torch.inference_mode(), _half_precision(device):
                logits = module(pixels)
            probabilities = logits.float().softmax(dim=-1)[:, outputs]
            scores, columns = probabilities.topk(min(top_k, len(outputs)), dim=-1)
            found = list(zip(class_indices[columns].tolist(), scores.tolist(), strict=True))
        by_position = dict(zip(batch.decoded, found, strict=True))
        for position, image_index in enumerate(batch.image_index):
            classes, scores_of_image = by_position.get(position, ([], []))
            yield Ranking(image_index, classes, scores_of_image, batch.failures.get(image_index))


def _half_precision(device: torch.device) -> AbstractContextManager[object]:
    if device.type != "cuda":
        return nullcontext()
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.autocast(device.type, dtype=dtype)
