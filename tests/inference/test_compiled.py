"""Networks that `torch.compile` makes faster: the same answers but for rounding, whatever a batch's size."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pipeline.errors import DatasetError
from pipeline.inference.networks import Network, ReadyNetwork

CONFIG: dict[str, Any] = {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.25,) * 3, "crop_pct": 1.0}


def ready(module: torch.nn.Module) -> ReadyNetwork:
    network = Network("net", module, CONFIG, lambda found, pixels: found(pixels), is_compiled=True)
    return ReadyNetwork(network, torch.device("cpu"))


def test_a_compiled_network_answers_as_the_plain_one_and_is_compiled_once() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.GELU(), torch.nn.AdaptiveAvgPool2d(1)
    ).eval()
    network, pixels = ready(module), torch.randn(5, 3, 32, 32)
    torch._dynamo.utils.counters.clear()
    for part in (pixels, pixels[:2], pixels[4:]):
        found = network.answers(part)
        torch.testing.assert_close(found, network.answers(part, exact=True))
        torch.testing.assert_close(found, module(part))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_what_torch_cannot_compile_says_what_to_do() -> None:
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}):
        network = ready(torch.nn.Sequential(torch.nn.Conv2d(3, 7, 5), torch.nn.GELU()))
        with pytest.raises(DatasetError, match=r"net: torch\.compile fails \(.*\); leave out --compile"):
            network.answers(torch.randn(3, 3, 32, 32))
