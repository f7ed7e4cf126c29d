"""What models say about images: networks are run over batches, and their outputs give rankings of classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.errors import DatasetError
from pipeline.inference.classifier import Classifier
from pipeline.inference.loading import ImageBatch, ImageFiles, image_batches
from pipeline.inference.views import views

_MAX_WORKERS = 16
#: How many different images may get the same answer before a model is refused; at the end of a run, two are enough.
_ALIKE_AT_MOST = 64
#: Outputs count as the same if they differ by less than this, relative to their size.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Network:
    """A network to run over images.

    Parameters
    ----------
    name
        Name for progress and messages.
    module
        The network, whose weights move to the device.
    data_config
        `timm`'s data configuration; networks with the same one share their pixels.
    forward
        Turns pixels (n, channels, height, width) into answers (n, n_outputs), which are checked.
    wanted
        Turns the answers into what is wanted from them, (n, width).
    """

    name: str
    module: torch.nn.Module
    data_config: dict[str, Any]
    forward: Callable[[torch.Tensor], torch.Tensor]
    wanted: Callable[[torch.Tensor], torch.Tensor] = lambda answers: answers


@dataclass(frozen=True)
class LookedAt:
    """A batch of images, and the output of each network for it: float32 (n_decoded, n_views, width)."""

    batch: ImageBatch
    outputs: tuple[npt.NDArray[np.float32], ...]


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to compute on: the one that is named, else the GPU if there is one.

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
    """Return how many processes decode: one per core for a GPU; one fewer, but at least one, for a CPU."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MAX_WORKERS, n_cores if device.type != "cpu" else max(1, n_cores - 1))


def look_at_images(
    networks: Sequence[Network],
    images: Callable[[list[dict[str, Any]]], ImageFiles],
    indices: range,
    *,
    n_views: int,
    batch_size: int,
    device: torch.device,
    n_workers: int,
) -> Iterator[LookedAt]:
    """Run networks over images, in order of `indices`; each image is decoded once for all networks.

    Parameters
    ----------
    networks
        The networks to run.
    images
        Makes the images for the preprocessings that the networks want.
    indices
        Indices of the images to look at.
    n_views
        In how many views each image is looked at.
    batch_size
        Number of views that a network sees at once.
    device
        Where the networks run; on a GPU in half precision (bfloat16 if the GPU supports it).
    n_workers
        Number of processes that decode; with 0, this process decodes.
    """
    configs: list[dict[str, Any]] = []
    for network in networks:
        network.module.to(device).to(memory_format=torch.channels_last)
        if network.data_config not in configs:
            configs.append(network.data_config)
    n_images = max(1, batch_size // n_views)
    on_gpu = device.type == "cuda"
    loader = image_batches(images(configs), indices, batch_size=n_images, n_workers=n_workers, pin_memory=on_gpu)
    watched = {network.name: _Outputs(network.name) for network in networks}
    for batch in loader:
        assert isinstance(batch, ImageBatch)
        outputs = []
        for network in networks if batch.decoded else ():
            pixels = batch.pixels[configs.index(network.data_config)].flatten(0, 1)
            pixels = pixels.to(device, non_blocking=True).to(memory_format=torch.channels_last)
            answers = _answers(network, pixels, device)
            indices_seen = [batch.image_index[position] for position in batch.decoded for _ in range(n_views)]
            watched[network.name].check(answers, pixels, indices_seen)
            found = network.wanted(answers)
            outputs.append(found.reshape(-1, n_views, found.shape[1]).cpu().numpy())
        yield LookedAt(batch, tuple(outputs))
    for watch in watched.values():
        watch.check_end()


def classifier_network(classifier: Classifier) -> Network:
    """Return a network that gives the probabilities of the classes that the model knows, in their order."""

    def known(logits: torch.Tensor) -> torch.Tensor:
        return logits.softmax(dim=-1)[:, classifier.outputs.to(logits.device)]

    return Network(classifier.name, classifier.module, classifier.data_config, classifier.module, known)


def whole_image_ranking(
    scores: npt.NDArray[np.float32], class_indices: npt.NDArray[np.int64], top_k: int
) -> list[npt.NDArray[Any]]:
    """Return the top classes of the whole image and their scores, the best first: (n, k) each."""
    return _topmost(scores[:, 0], class_indices, top_k)


def ranking_over_views(
    scores: npt.NDArray[np.float32], class_indices: npt.NDArray[np.int64], top_k: int
) -> list[npt.NDArray[Any]]:
    """Return the top classes over all views, their scores, and the view that scored each highest: (n, k) each.

    Parameters
    ----------
    scores
        Probabilities (n, n_views, n_known).
    class_indices
        Class index of each column of `scores`.
    top_k
        How many classes are kept.
    """
    trust = np.array([view.trust for view in views(scores.shape[1])], dtype=np.float32)
    trusted = scores * trust[:, None]
    columns, found = _topmost(trusted.max(axis=1), np.arange(scores.shape[2]), top_k)
    loudest = np.take_along_axis(trusted.argmax(axis=1), columns, axis=1).astype(np.int8)
    return [class_indices[columns].astype(np.int32), found, loudest]


def _topmost(
    scores: npt.NDArray[np.float32], class_indices: npt.NDArray[np.int64], top_k: int
) -> list[npt.NDArray[Any]]:
    found, columns = torch.from_numpy(scores).topk(min(top_k, scores.shape[1]), dim=-1)
    return [class_indices[columns.numpy()].astype(np.int32), found.numpy()]


class _Outputs:
    """Checks that a model's answers mean something, and are not the same for every image.

    Parameters
    ----------
    model
        The model's name.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._first: tuple[torch.Tensor, torch.Tensor] | None = None
        self._n_alike = 0

    def check(self, logits: torch.Tensor, pixels: torch.Tensor, image_index: Sequence[int]) -> None:
        """Check a batch of outputs (n, classes) for pixels (n, channels, height, width).

        Raises
        ------
        DatasetError
            If an output is not a number, if all outputs are the same, or if many images got the same answer.
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
        """Refuse a model that has given the same answer to all images, if at least two of them differ.

        Raises
        ------
        DatasetError
            If the model has done so.
        """
        if self._n_alike > 0:
            raise DatasetError(
                f"{self._model}: answers the same to {self._n_alike + 1:,} different images; its weights are empty, "
                "damaged or untrained"
            )


def _answers(network: Network, pixels: torch.Tensor, device: torch.device) -> torch.Tensor:
    try:
        with torch.inference_mode(), _half_precision(device):
            found = network.forward(pixels)
    except torch.cuda.OutOfMemoryError as error:
        raise DatasetError(
            f"{network.name}: the memory of {device} is used up by {len(pixels)} images at once; "
            "give a smaller --batch-size"
        ) from error
    except (RuntimeError, AssertionError, ValueError) as error:
        size = " × ".join(map(str, pixels.shape[1:]))
        reason = " ".join(str(error).split())[:200]
        raise DatasetError(
            f"{network.name}: cannot take images of {size} ({reason}); say its input_size in the JSON beside it"
        ) from error
    return found.float()


def _spread(logits: torch.Tensor, dim: int) -> torch.Tensor:
    return logits.amax(dim=dim) - logits.amin(dim=dim)


def _tolerance(logits: torch.Tensor) -> float:
    return _ROUNDING * (1.0 + float(logits.abs().max()))


def _half_precision(device: torch.device) -> AbstractContextManager[object]:
    if device.type != "cuda":
        return nullcontext()
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.autocast(device.type, dtype=dtype)
