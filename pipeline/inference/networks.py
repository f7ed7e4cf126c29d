"""Networks and where they run: made ready on their devices, as fast as can be without other answers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from pipeline.errors import DatasetError
from pipeline.inference.folding import folded
from pipeline.inference.loading import normalized
from pipeline.inference.precision import Precision

#: Pixels of a batch: 64 images of 224 × 224 px on a CPU, 128 on a GPU, which then need not wait long for the first.
_CPU_PIXELS, _GPU_PIXELS = 64 * 224**2, 128 * 224**2


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
        Turns pixels (n, channels, height, width) into answers (n, n_outputs), which are checked, by means of `module`
        or of another one that answers as it does.
    wanted
        Turns the answers into what is wanted from them, (n, width).
    precision
        In which the network is computed.
    is_compiled
        Whether `torch.compile` makes the network faster, which takes seconds before its first answer.
    """

    name: str
    module: torch.nn.Module
    data_config: dict[str, Any]
    forward: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor]
    wanted: Callable[[torch.Tensor], torch.Tensor] = lambda answers: answers
    precision: Precision = "float32"
    is_compiled: bool = False


class ReadyNetwork:
    """A network on its device, made as fast as it can be without other answers.

    Parameters
    ----------
    network
        The network; its module stays as it is.
    device
        Where it runs.

    Attributes
    ----------
    exact
        What answers in float32.
    module
        What answers in the network's precision, compiled if that is wanted.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        self.network, self.device = network, device
        if device.type == "cuda":  # float32 means float32: convolutions would be computed in TF32
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        self._at_once = 0  # as many images as memory takes, once it did not take all
        self._compiled_for = 0  # as many images as each compiled call has, so that it is compiled once
        found = folded(network.module, network.data_config["input_size"])
        if found is network.module and device.type != "cpu":
            found = copy.deepcopy(found)  # `to` moves a module itself
        self.exact = found.to(device).to(memory_format=torch.channels_last)
        self.module = self.exact if network.precision == "float32" else _in_half(self.exact, network.precision)
        if network.is_compiled:
            compiled: Any = torch.compile(self.module, dynamic=False)
            self.module = compiled

    @property
    def name(self) -> str:
        """Return the network's name."""
        return self.network.name

    def pixels(self, looks: torch.Tensor) -> torch.Tensor:
        """Return what the network takes (n, channels, height, width), from pixels (images, views, …) as decoded."""
        return normalized(looks.flatten(0, 1).to(self.device, non_blocking=True), self.network.data_config)

    def answers(self, pixels: torch.Tensor, *, exact: bool = False) -> torch.Tensor:
        """Return its answers (n, n_outputs), in its precision or in float32.

        Raise `DatasetError` if the memory does not suffice, or the network does not take images of this size.
        """
        while (found := self._answers_that_fit(pixels, exact=exact)) is None:
            torch.cuda.empty_cache()
        return found

    def _answers_that_fit(self, pixels: torch.Tensor, *, exact: bool) -> torch.Tensor | None:
        """Return the answers; None if memory did not take that many at once, so that fewer are tried next."""
        is_float32 = exact or self.network.precision == "float32"
        forward = self._forward_exactly if exact else self._forward
        at_once = min(self._at_once or len(pixels), len(pixels))
        try:
            with torch.inference_mode(), nullcontext() if is_float32 else self._autocast():
                found = torch.cat([forward(part) for part in torch.split(pixels, at_once)])
        except torch.cuda.OutOfMemoryError as error:
            if at_once == 1:
                raise DatasetError(
                    f"{self.name}: the memory of {self.device} is used up by one image; give --device cpu"
                ) from error
            self._at_once = self._compiled_for = at_once // 2
            return None
        except (RuntimeError, AssertionError, ValueError) as error:
            if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise DatasetError(
                    f"{self.name}: torch.compile fails ({_short(error)}); leave out --compile (with --restart where a "
                    "run was begun with it)"
                ) from error
            size = " × ".join(map(str, pixels.shape[1:]))
            raise DatasetError(
                f"{self.name}: cannot take images of {size} ({_short(error)}); say its input_size in the JSON beside it"
            ) from error
        return found.float()

    def _forward_exactly(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.network.forward(self.exact, pixels)

    def _forward(self, pixels: torch.Tensor) -> torch.Tensor:
        n = len(pixels)
        if not self.network.is_compiled:
            return self.network.forward(self.module, pixels)
        self._compiled_for = max(self._compiled_for, n)
        filled = torch.cat([pixels, pixels.new_zeros(self._compiled_for - n, *pixels.shape[1:])])
        return self.network.forward(self.module, filled.contiguous(memory_format=torch.channels_last))[:n]

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.device.type, dtype=getattr(torch, self.network.precision))


def default_batch_size(data_config: Mapping[str, Any], device: torch.device) -> int:
    """Return how many views a network sees at once where nobody says: fewer, the more pixels each has."""
    _, height_px, width_px = data_config["input_size"]
    n_pixels = _GPU_PIXELS if device.type == "cuda" else _CPU_PIXELS
    return max(1, min(256, n_pixels // int(height_px * width_px)))


def preprocessings(networks: Sequence[Network]) -> list[dict[str, Any]]:
    """Return the networks' data configurations, each once."""
    found: list[dict[str, Any]] = []
    for network in networks:
        if network.data_config not in found:
            found.append(network.data_config)
    return found


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _in_half(module: torch.nn.Module, precision: Precision) -> torch.nn.Module:
    """Return a network whose matrices are in half precision already, as autocast would make them for every batch."""
    found = copy.deepcopy(module)
    for part in found.modules():
        if type(part) in (torch.nn.Conv2d, torch.nn.Linear):
            part.to(getattr(torch, precision))
    return found
