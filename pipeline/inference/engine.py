"""What fills tables: one function of a batch of images, and the engine that runs it on this machine.

Another engine (:mod:`pipeline.inference.cluster`) runs the same function on other machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy.typing as npt
import torch

from pipeline.images.decoding_turns import n_cores
from pipeline.inference.decoding import decoding_device, sample_of_jpegs
from pipeline.inference.hardware import choose_devices
from pipeline.inference.loading import ImageBatch, ImageFiles, batches_in_turn
from pipeline.inference.networks import ReadyNetwork, default_batch_size
from pipeline.inference.parts import DECODING
from pipeline.inference.precision import Agreement
from pipeline.inference.ranking import (
    MOST_DECODERS,
    LookedAt,
    agreement_of_pixels,
    agreement_with_float32,
    look_at_images,
)

if TYPE_CHECKING:
    from pipeline.inference.filling import Filling, RunOptions

#: Makes the images for some preprocessings.
MakeImages = Callable[[list[dict[str, Any]]], ImageFiles]


@dataclass(frozen=True)
class Rows:
    """What a batch of images gives each table.

    Parameters
    ----------
    image_index
        Index of every image of the batch.
    decoded
        Positions in `image_index` of the images that could be decoded.
    failures
        `image_index` of each of the others, with the reason.
    columns
        For each table, an array (len(decoded), k) per list column; none where no image could be decoded.
    """

    image_index: list[int]
    decoded: list[int]
    failures: dict[int, str]
    columns: tuple[list[npt.NDArray[Any]], ...]


class Engine(Protocol):
    """Runs the networks of some tables over images."""

    def agreements(self, tables: Sequence[int], sample: Sequence[int]) -> list[Agreement]:
        """Compare the rankings of tables, by position, with those in float32; they share a preprocessing."""

    def rows(self, indices: range) -> Iterator[Rows]:
        """Yield the rows of these images in order, batch by batch."""


class LocalEngine:
    """Runs networks on this machine.

    Parameters
    ----------
    fillings
        The tables.
    images
        Makes the images.
    n_views
        In how many views each image is looked at.
    options
        How the networks are run.
    """

    def __init__(self, fillings: Sequence[Filling], images: MakeImages, n_views: int, options: RunOptions) -> None:
        self._fillings, self._images, self._n_views, self._options = fillings, images, n_views, options
        self._networks = ready_networks(fillings, choose_devices(options.device))
        is_gpu = any(DECODING in filling.settings for filling in fillings)
        self._decoder = decoding_device(options.device) if is_gpu else None

    def agreements(self, tables: Sequence[int], sample: Sequence[int]) -> list[Agreement]:
        """Compare the rankings of tables, by position, with those in float32; each image is decoded once."""
        config = self._fillings[tables[0]].network.data_config
        n_at_once = default_batch_size(config, self._networks[0].device)
        n_threads = min(MOST_DECODERS, n_cores())
        batches = batches_in_turn(self._images([config]), sample, batch_size=n_at_once, n_threads=n_threads)
        return agreements([self._fillings[table] for table in tables], self._networks, batches)

    def decoding_agreement(self, table: int, n_images: int) -> Agreement:
        """Compare a table's rankings of a GPU's pixels with those of Pillow's, on a sample of what the GPU decodes."""
        from pipeline.inference.gpu_decoding import decoded_batches

        assert self._decoder is not None
        filling = self._fillings[table]
        images = self._images([filling.network.data_config])
        n_at_once = default_batch_size(filling.network.data_config, self._networks[0].device)
        jpegs = sample_of_jpegs(images, n_images)
        by_pillow = batches_in_turn(images, jpegs, batch_size=n_at_once, n_threads=min(MOST_DECODERS, n_cores()))
        by_gpu = decoded_batches(images, jpegs, self._decoder, batch_size=n_at_once, n_workers=0)
        return agreement_of_pixels(self._networks[_place(self._networks, filling)], filling.rows, by_pillow, by_gpu)

    def rows(self, indices: range) -> Iterator[Rows]:
        """Yield the rows of these images in order, batch by batch."""
        for looked_at in look_at_images(
            self._networks,
            self._images,
            indices,
            n_views=self._n_views,
            batch_size=self._options.batch_size,
            n_workers=self._options.n_workers,
            decoder=self._decoder,
        ):
            yield rows_of(looked_at, self._fillings, self._networks)


def ready_networks(fillings: Sequence[Filling], devices: Sequence[torch.device]) -> list[ReadyNetwork]:
    """Return the networks of some tables, each once, spread over the devices."""
    found: list[ReadyNetwork] = []
    for filling in fillings:
        if not any(filling.network is ready.network for ready in found):
            found.append(ReadyNetwork(filling.network, devices[len(found) % len(devices)]))
    return found


def rows_of(looked_at: LookedAt, fillings: Sequence[Filling], networks: Sequence[ReadyNetwork]) -> Rows:
    """Return what the networks' answers to a batch give each table; tables may share a network."""
    batch = looked_at.batch
    columns = tuple(filling.rows(looked_at.outputs[_place(networks, filling)]) for filling in fillings if batch.decoded)
    return Rows(batch.image_index, batch.decoded, batch.failures, columns)


def agreements(
    fillings: Sequence[Filling], networks: Sequence[ReadyNetwork], batches: Iterable[ImageBatch]
) -> list[Agreement]:
    """Compare the rankings of tables with those in float32, on batches of the preprocessing that they share."""
    return agreement_with_float32([(networks[_place(networks, f)], f.rows) for f in fillings], batches)


def _place(networks: Sequence[ReadyNetwork], filling: Filling) -> int:
    return next(place for place, ready in enumerate(networks) if ready.network is filling.network)
