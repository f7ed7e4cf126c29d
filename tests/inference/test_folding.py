"""Folding normalizations into convolutions: the answers stay, and what cannot be folded is left alone."""

from __future__ import annotations

import copy

import pytest
import timm
import torch
from torch import nn

from pipeline.inference.folding import folded


def with_statistics(module: nn.Module) -> nn.Module:
    """Give every normalization statistics as a trained one has them, which a fresh one has not."""
    generator = torch.Generator().manual_seed(3)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d) and part.running_mean is not None and part.running_var is not None:
            part.running_mean = torch.randn(part.num_features, generator=generator) * 0.3
            part.running_var = torch.rand(part.num_features, generator=generator) + 0.5
            if part.affine:
                part.weight.data = torch.rand(part.num_features, generator=generator) + 0.5
                part.bias.data = torch.randn(part.num_features, generator=generator) * 0.1
    return module.eval().requires_grad_(requires_grad=False)


def n_norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "resnet18", "mobilenetv3_small_050", "test_vit"])
def test_a_folded_network_answers_the_same(name: str) -> None:
    torch.manual_seed(0)
    module = with_statistics(timm.create_model(name, num_classes=40))
    before = copy.deepcopy(module.state_dict())
    found = folded(module, (3, 96, 96) if name != "test_vit" else (3, 160, 160))
    side_px = 96 if name != "test_vit" else 160
    pixels = torch.randn(3, 3, side_px, side_px, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(found(pixels), module(pixels), rtol=1e-4, atol=1e-4)
    assert n_norms(found) == 0
    assert (found is module) == (name == "test_vit")
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


class UsedTwice(nn.Module):
    """What a convolution gives is used before its normalization, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        found = self.conv(pixels)
        return (found + self.norm(found)).mean((2, 3))


class SharedConvolution(nn.Module):
    """One convolution serves two normalizations."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.other = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return (self.one(self.conv(pixels)) + self.other(self.conv(pixels.flip(3)))).mean((2, 3))


class OfTheBatch(nn.Sequential):
    """It normalizes by the batch at hand, which no weights can do."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.Flatten())


class ReadsTheNormalization(nn.Sequential):
    """It looks at the normalization's own weights."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(pixels) * self[1].weight.sum()


class NotToBeCopied(ReadsTheNormalization):
    """It holds what no copy can be made of."""

    def __deepcopy__(self, memo: object) -> None:
        raise TypeError("cannot be copied")


@pytest.mark.parametrize("kind", [UsedTwice, SharedConvolution, OfTheBatch, ReadsTheNormalization, NotToBeCopied])
def test_what_cannot_be_folded_is_left_as_it_is(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    module = with_statistics(kind())
    found = folded(module, (3, 16, 16))
    pixels = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(found(pixels), module(pixels))
    assert n_norms(found) == n_norms(module)
