"""Ranking the classes of every image with one model."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from pipeline.errors import DatasetError
from pipeline.inference.classifier import Classifier
from pipeline.inference.loading import ImageBatch, ProjectImages, image_batches
from pipeline.project.folder import Project

_MAX_WORKERS = 16
#: So many different images may be answered alike before a model is refused; at the end of a run two are enough.
_ALIKE_AT_MOST = 64
#: Outputs that differ by less, for their size, are the same.
_ROUNDING = 1e-6


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
    outputs_seen = _Outputs(classifier.name)
    loader = image_batches(images, indices, batch_size=batch_size, n_workers=n_workers, pin_memory=on_gpu)
    for batch in loader:
        assert isinstance(batch, ImageBatch)
        found: list[tuple[list[int], list[float]]] = []
        if batch.decoded:
            pixels = batch.pixels.to(device, non_blocking=True).to(memory_format=torch.channels_last)
            logits = _answers(classifier, module, pixels, device)
            outputs_seen.check(logits, pixels, [batch.image_index[position] for position in batch.decoded])
            probabilities = logits.softmax(dim=-1)[:, outputs]
            scores, columns = probabilities.topk(min(top_k, len(outputs)), dim=-1)
            found = list(zip(class_indices[columns].tolist(), scores.tolist(), strict=True))
        by_position = dict(zip(batch.decoded, found, strict=True))
        for position, image_index in enumerate(batch.image_index):
            classes, scores_of_image = by_position.get(position, ([], []))
            yield Ranking(image_index, classes, scores_of_image, batch.failures.get(image_index))
    outputs_seen.check_end()


class _Outputs:
    """Watches that a model answers something, and not the same to every image.

    Parameters
    ----------
    model
        Its name.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._first: tuple[torch.Tensor, torch.Tensor] | None = None
        self._n_alike = 0

    def check(self, logits: torch.Tensor, pixels: torch.Tensor, image_index: Sequence[int]) -> None:
        """Look at a batch of outputs (n, classes) and what they answer (n, channels, height, width).

        Raises
        ------
        DatasetError
            If an output is not a number, all outputs are the same, or many images have been answered alike.
        """
        is_number = torch.isfinite(logits).all(dim=-1).tolist()
        if not all(is_number):
            number = image_index[is_number.index(False)]
            raise DatasetError(
                f"{self._model}: answers NaN or infinity for image {number:,} (counted from 0), so its ranking means "
                "nothing; the weights are damaged or diverged, or half precision is too narrow (--device cpu)"
            )
        if logits.shape[-1] > 1 and bool((_spread(logits, -1) <= _tolerance(logits)).all()):
            raise DatasetError(f"{self._model}: gives every class the same score; its weights are empty or untrained")
        if self._n_alike < 0:
            return
        if self._first is None:
            self._first = logits[:1].clone(), pixels[:1].clone()
        is_other = (pixels != self._first[1]).flatten(1).any(dim=-1)
        differs = ((logits - self._first[0]).abs().amax(dim=-1) > _tolerance(logits)) & is_other
        self._n_alike = -1 if bool(differs.any()) else self._n_alike + int(is_other.sum())
        if self._n_alike >= _ALIKE_AT_MOST:
            self.check_end()

    def check_end(self) -> None:
        """Refuse a model that has answered the same to all images, two different ones at least.

        Raises
        ------
        DatasetError
            If it has.
        """
        if self._n_alike > 0:
            raise DatasetError(
                f"{self._model}: answers the same to {self._n_alike + 1:,} different images; its weights are empty, "
                "damaged or untrained"
            )


def _answers(
    classifier: Classifier, module: torch.nn.Module, pixels: torch.Tensor, device: torch.device
) -> torch.Tensor:
    try:
        with torch.inference_mode(), _half_precision(device):
            logits: torch.Tensor = module(pixels)
    except torch.cuda.OutOfMemoryError as error:
        raise DatasetError(
            f"{classifier.name}: the memory of {device} is used up by {len(pixels)} images at once; "
            "give a smaller --batch-size"
        ) from error
    except (RuntimeError, AssertionError, ValueError) as error:
        size = " × ".join(map(str, pixels.shape[1:]))
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(
            f"{classifier.name}: cannot take images of {size} ({reason}); say its input_size in the JSON beside it"
        ) from error
    return logits.float()


def _spread(logits: torch.Tensor, dim: int) -> torch.Tensor:
    return logits.amax(dim=dim) - logits.amin(dim=dim)


def _tolerance(logits: torch.Tensor) -> float:
    return _ROUNDING * (1.0 + float(logits.abs().max()))


def _half_precision(device: torch.device) -> AbstractContextManager[object]:
    if device.type != "cuda":
        return nullcontext()
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.autocast(device.type, dtype=dtype)
