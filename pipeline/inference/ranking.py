"""What models say about images: networks are run over batches, and their outputs give rankings of classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pipeline.errors import DatasetError
from pipeline.images.decoding_turns import n_cores
from pipeline.inference.classifier import Classifier
from pipeline.inference.loading import ImageBatch, ImageFiles, batches_in_turn, image_batches
from pipeline.inference.networks import Network, ReadyNetwork, default_batch_size, preprocessings
from pipeline.inference.precision import Agreement, Precision
from pipeline.inference.views import views

#: How many processes or threads decode beside a GPU at most.
MOST_DECODERS = 16
#: How many of the topmost classes are compared with those in float32.
_COMPARED = 20
#: How many different images may get the same answer before a model is refused; at the end of a run, two are enough.
_ALIKE_AT_MOST = 64
#: Outputs count as the same if they differ by less than this, relative to their size.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class LookedAt:
    """A batch of images, and the output of each network for it: float32 (n_decoded, n_views, width)."""

    batch: ImageBatch
    outputs: tuple[npt.NDArray[np.float32], ...]


def look_at_images(
    networks: Sequence[ReadyNetwork],
    images: Callable[[list[dict[str, Any]]], ImageFiles],
    indices: range,
    *,
    n_views: int,
    batch_size: int | None,
    n_workers: int | None,
    decoder: torch.device | None = None,
) -> Iterator[LookedAt]:
    """Run networks over images, in order of `indices`; each image is decoded once for all networks.

    Parameters
    ----------
    networks
        The networks to run; on GPUs, each batch is given to all of them before the answers to the one before are read.
    images
        Makes the images for the preprocessings that the networks want.
    indices
        Indices of the images to look at.
    n_views
        In how many views each image is looked at.
    batch_size
        Number of views that a network sees at once; None chooses (:func:`default_batch_size`).
    n_workers
        Number of processes that decode; with 0, this process decodes. None chooses: on a CPU, threads that decode in
        turn with the networks, on as many cores; else a process for each core.
    decoder
        The GPU that decodes (:mod:`pipeline.inference.gpu_decoding`); None leaves it to these processes.
    """
    configs = preprocessings([ready.network for ready in networks])
    n_seen = batch_size or min(default_batch_size(config, networks[0].device) for config in configs)
    n_images = max(1, n_seen // n_views)
    device = networks[0].device
    n_processes = min(MOST_DECODERS, n_cores()) if n_workers is None else n_workers
    if decoder is not None:
        from pipeline.inference.gpu_decoding import decoded_batches

        loader: Iterable[ImageBatch] = decoded_batches(
            images(configs), indices, decoder, batch_size=n_images, n_workers=n_processes
        )
    elif n_workers is None and device.type == "cpu":
        loader = batches_in_turn(images(configs), indices, batch_size=n_images, n_threads=torch.get_num_threads())
    else:
        loader = image_batches(
            images(configs),
            indices,
            batch_size=n_images,
            n_workers=n_processes,
            pin_memory=device.type == "cuda",
        )
    looking = Looking(networks, n_views)
    begun: list[_Begun] = []
    n_ahead = 0 if device.type == "cpu" else 1
    with nullcontext() if device.type == "cpu" else _on_one_thread():
        for batch in loader:
            begun.append(looking.begin(batch))
            if len(begun) > n_ahead:
                yield looking.collect(begun.pop(0))
        for rest in begun:
            yield looking.collect(rest)
    looking.end()


@contextmanager
def _on_one_thread() -> Iterator[None]:
    """Let torch use one thread here: where others decode on every core, each small sum waits for all of its threads."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


@dataclass(frozen=True)
class _Answer:
    """What a network was given, and its answers and what is wanted of them, on their way to this machine's memory."""

    pixels: torch.Tensor
    answers: torch.Tensor
    wanted: torch.Tensor
    arrived: torch.cuda.Event | None

    def wait(self) -> None:
        if self.arrived:
            self.arrived.synchronize()


#: A batch that GPUs may still be at work on, with the answer of each network.
_Begun = tuple[ImageBatch, list[_Answer]]


class Looking:
    """Gives batches of images to networks, and checks that their answers mean something.

    Parameters
    ----------
    networks
        The networks, in the order of a batch's preprocessings.
    n_views
        In how many views each image is looked at.
    """

    def __init__(self, networks: Sequence[ReadyNetwork], n_views: int) -> None:
        self._networks, self._n_views = networks, n_views
        self._configs = preprocessings([ready.network for ready in networks])
        self._watched = [_Outputs(network.name) for network in networks]

    def begin(self, batch: ImageBatch) -> _Begun:
        """Give a batch to all networks, without waiting for what GPUs make of it.

        Raise `DatasetError` if a network cannot take the images.
        """
        seen: dict[tuple[int, torch.device], torch.Tensor] = {}
        answers = []
        for ready in self._networks if batch.decoded else ():
            place = self._configs.index(ready.network.data_config)
            key = place, ready.device
            pixels = seen[key] = seen[key] if key in seen else ready.pixels(batch.pixels[place])
            answers.append(_on_the_way(ready, pixels))
        return batch, answers

    def collect(self, begun: _Begun) -> LookedAt:
        """Check what the networks answered, and bring what is wanted of it to this machine's memory.

        Raise `DatasetError` if an answer means nothing.
        """
        batch, answers = begun
        indices_seen = [batch.image_index[position] for position in batch.decoded for _ in range(self._n_views)]
        outputs = []
        for watched, answer in zip(self._watched, answers, strict=False):
            answer.wait()
            watched.check(answer.answers, answer.pixels, indices_seen)
            found = answer.wanted
            outputs.append(found.reshape(-1, self._n_views, found.shape[1]).numpy())
        return LookedAt(batch, tuple(outputs))

    @property
    def all_differ(self) -> bool:
        """Return whether each network has answered differently to different images, so that it cannot be refused."""
        return all(watched.differ for watched in self._watched)

    def end(self) -> None:
        """Raise `DatasetError` if a network has answered the same to all images."""
        for watched in self._watched:
            watched.check_end()


def _on_the_way(ready: ReadyNetwork, pixels: torch.Tensor) -> _Answer:
    """Return a network's answer to pixels; a GPU brings it while it works on, so that nobody has to stop for it."""
    answers = ready.answers(pixels)
    wanted = ready.network.wanted(answers)
    answers, wanted = answers.to("cpu", non_blocking=True), wanted.to("cpu", non_blocking=True)
    arrived = torch.cuda.current_stream(ready.device).record_event() if ready.device.type == "cuda" else None
    return _Answer(pixels, answers, wanted, arrived)


def agreement_with_float32(
    compared: Sequence[tuple[ReadyNetwork, Callable[[npt.NDArray[np.float32]], list[npt.NDArray[Any]]]]],
    batches: Iterable[ImageBatch],
) -> list[Agreement]:
    """Compare networks' rankings of some images with their rankings in float32.

    Parameters
    ----------
    compared
        Networks of the same preprocessing, each with what turns its output (n, 1, width) into columns, the first of
        which has class indices (n, k), the best first.
    batches
        The images, with this preprocessing alone.
    """
    ranked: list[list[tuple[npt.NDArray[Any], ...]]] = [[] for _ in compared]
    for batch in batches:
        for place, (ready, rows) in enumerate(compared if batch.decoded else ()):
            pixels = ready.pixels(batch.pixels[0][:, :1])
            answers = (ready.network.wanted(ready.answers(pixels, exact=exact)) for exact in (True, False))
            ranked[place].append(tuple(rows(found[:, None].cpu().numpy())[0][:, :_COMPARED] for found in answers))
    return [_agreement(parts) for parts in ranked]


def agreement_of_pixels(
    ready: ReadyNetwork,
    rows: Callable[[npt.NDArray[np.float32]], list[npt.NDArray[Any]]],
    wanted: Iterable[ImageBatch],
    found: Iterable[ImageBatch],
) -> Agreement:
    """Compare a network's rankings, in float32, of the same images as two ways of decoding show them.

    Parameters
    ----------
    ready, rows
        As for :func:`agreement_with_float32`.
    wanted, found
        The images, with the network's preprocessing alone.
    """

    def ranked(batches: Iterable[ImageBatch]) -> dict[int, npt.NDArray[Any]]:
        rankings: dict[int, npt.NDArray[Any]] = {}
        for batch in (batch for batch in batches if batch.decoded):
            answers = ready.network.wanted(ready.answers(ready.pixels(batch.pixels[0][:, :1]), exact=True))
            indices = (batch.image_index[position] for position in batch.decoded)
            rankings |= zip(indices, rows(answers[:, None].cpu().numpy())[0][:, :_COMPARED], strict=True)
        return rankings

    one, other = ranked(wanted), ranked(found)
    pairs = [(one[index], other[index]) for index in one if index in other]
    return _agreement([tuple(map(np.stack, zip(*pairs, strict=True)))] if pairs else [])


def _agreement(parts: Sequence[tuple[npt.NDArray[Any], ...]]) -> Agreement:
    if not parts:
        return Agreement(0, 0, 0, 0, 0)
    exact, found = (np.concatenate(ranking) for ranking in zip(*parts, strict=True))
    n_in_common = int((exact[:, :, None] == found[:, None, :]).sum())
    return Agreement(len(exact), int((exact[:, 0] == found[:, 0]).sum()), n_in_common, exact.size, exact.shape[1])


def classifier_network(
    classifier: Classifier, precision: Precision = "float32", *, is_compiled: bool = False
) -> Network:
    """Return a network that gives the probabilities of the classes that the model knows, in their order."""
    outputs: dict[torch.device, torch.Tensor] = {}  # bringing them there again would stop a GPU

    def known(logits: torch.Tensor) -> torch.Tensor:
        found = logits.sigmoid() if classifier.is_multi_label else logits.softmax(dim=-1)
        if logits.device not in outputs:
            outputs[logits.device] = classifier.outputs.to(logits.device)
        return found[:, outputs[logits.device]]

    return Network(
        classifier.name,
        classifier.module,
        classifier.data_config,
        lambda module, pixels: module(pixels),
        known,
        precision,
        is_compiled,
    )


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

    @property
    def differ(self) -> bool:
        """Return whether two different images got different answers."""
        return self._n_alike < 0

    def check(self, logits: torch.Tensor, pixels: torch.Tensor, image_index: Sequence[int]) -> None:
        """Check a batch of outputs (n, classes), in this machine's memory, for pixels (n, channels, height, width).

        Raise `DatasetError` if an output is not a number, if all outputs are the same, or if many images got the same
        answer.
        """
        is_number = torch.isfinite(logits).all(dim=-1).tolist()
        if not all(is_number):
            number = image_index[is_number.index(False)]
            raise DatasetError(
                f"{self._model}: answers NaN or infinity for image {number:,} (counted from 0), so its ranking means "
                "nothing; the weights are damaged or diverged, or its precision is too narrow (--precision float32)"
            )
        if logits.shape[-1] > 1 and bool((_spread(logits, -1) <= _tolerance(logits)).all()):
            raise DatasetError(f"{self._model}: gives every class the same score; its weights are empty or untrained")
        if self.differ:
            return
        if self._first is None:
            self._first = logits[:1].clone(), pixels[:1].clone()
        is_other = (pixels != self._first[1]).flatten(1).any(dim=-1).cpu()
        differs = ((logits - self._first[0]).abs().amax(dim=-1) > _tolerance(logits)) & is_other
        self._n_alike = -1 if bool(differs.any()) else self._n_alike + int(is_other.sum())
        if self._n_alike >= _ALIKE_AT_MOST:
            self.check_end()

    def check_end(self) -> None:
        """Refuse a model that has given the same answer to all images, if at least two of them differ.

        Raise `DatasetError` if the model has done so.
        """
        if self._n_alike > 0:
            raise DatasetError(
                f"{self._model}: answers the same to {self._n_alike + 1:,} different images; its weights are empty, "
                "damaged or untrained"
            )


def _spread(logits: torch.Tensor, dim: int) -> torch.Tensor:
    return logits.amax(dim=dim) - logits.amin(dim=dim)


def _tolerance(logits: torch.Tensor) -> float:
    return _ROUNDING * (1.0 + float(logits.abs().max()))
