"""How images become batches: decoded in turn by threads or beside by processes, and as many at once as memory takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.errors import DatasetError
from pipeline.inference.loading import ImageBatch, ListedImages, batches_in_turn, image_batches
from pipeline.inference.networks import Network, ReadyNetwork, default_batch_size

CONFIG: dict[str, Any] = {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.25,) * 3, "crop_pct": 1.0}


@pytest.fixture
def images(tmp_path: Path) -> ListedImages:
    locations = []
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (11, 40, 48, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        locations.append(str(tmp_path / f"{number}.png"))
    (tmp_path / "4.png").write_bytes(b"no picture")
    return ListedImages(locations, [CONFIG])


def as_said(batch: ImageBatch) -> tuple[Any, ...]:
    return batch.image_index, batch.decoded, batch.failures, batch.pixels[0].tolist()


def test_threads_in_turn_give_what_one_process_gives(images: ListedImages) -> None:
    alone = image_batches(images, range(2, 11), batch_size=4, n_workers=0, pin_memory=False)
    in_turn = batches_in_turn(images, range(2, 11), batch_size=4, n_threads=3)
    found = list(in_turn)
    assert [as_said(batch) for batch in found] == [as_said(batch) for batch in alone]
    assert [batch.image_index for batch in found] == [[2, 3, 4, 5], [6, 7, 8, 9], [10]]
    assert list(found[0].failures) == [4]


class OutOfMemory(torch.nn.Module):
    """Takes only so many images at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.seen = most, list[int]()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if len(pixels) > self.most:
            raise torch.cuda.OutOfMemoryError("out of memory")
        self.seen.append(len(pixels))
        return pixels.mean((2, 3))


def ready(module: torch.nn.Module) -> ReadyNetwork:
    network = Network("net", module, CONFIG, lambda found, pixels: found(pixels))
    return ReadyNetwork(network, torch.device("cpu"))


def test_a_batch_that_memory_does_not_take_is_given_in_parts() -> None:
    module, pixels = OutOfMemory(3), torch.randn(10, 3, 32, 32)
    network = ready(module)
    torch.testing.assert_close(network.answers(pixels), pixels.mean((2, 3)))
    torch.testing.assert_close(network.answers(pixels[:3]), pixels[:3].mean((2, 3)))
    assert module.seen == [2, 2, 2, 2, 2, 2, 1]
    with pytest.raises(DatasetError, match=r"net: the memory of cpu is used up by one image"):
        ready(OutOfMemory(0)).answers(pixels)


@pytest.mark.parametrize(("side_px", "n"), [(224, 64), (448, 16), (96, 256), (4000, 1)])
def test_larger_images_are_looked_at_fewer_at_once(side_px: int, n: int) -> None:
    assert default_batch_size({"input_size": (3, side_px, side_px)}, torch.device("cpu")) == n
