"""Batch normalization folded into the convolutions before it: the same answers but for rounding, in less time.

In evaluation a batch normalization scales and shifts each channel by constants, which the weights of the convolution
can do as well. That spares reading and writing every activation once more, on a CPU as long as the convolution takes.
"""

from __future__ import annotations

import copy

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

#: Answers may differ by this much, relative to their size.
_TOLERANCE = 1e-4


def folded(module: nn.Module, input_size: tuple[int, int, int]) -> nn.Module:
    """Return a network that answers as `module` does, with its batch normalizations folded where that can be done.

    Parameters
    ----------
    module
        A network in evaluation mode, in float32; it stays as it is.
    input_size
        Channels, height and width that it takes. A pass over noise tells which convolution feeds which normalization,
        another one whether the folded network answers the same; if it does not, `module` itself is returned.
    """
    if not any(isinstance(part, nn.BatchNorm2d) for part in module.modules()):
        return module
    pixels = torch.randn(2, *input_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            wanted = module(pixels)
        except (RuntimeError, AssertionError, ValueError):
            return module  # it does not take images of this size, which is told when it is given some
        try:
            found = copy.deepcopy(module)
            for conv, name in _pairs(found, pixels):
                _fold(found, conv, name)
            answers = found(pixels)
        except (RuntimeError, TypeError, AttributeError):  # no copy can be made, or it reads what was folded away
            return module
    scale = float(wanted.abs().max())
    is_same = bool(torch.isfinite(answers).all()) and float((answers - wanted).abs().max()) <= _TOLERANCE * scale
    return found if is_same else module


def _pairs(module: nn.Module, pixels: torch.Tensor) -> list[tuple[nn.Conv2d, str]]:
    """Return each convolution whose result goes right into a batch normalization, both used once, with its name."""
    made_by: dict[int, nn.Conv2d] = {}
    kept: list[torch.Tensor] = []  # so that no result gets the identity of an earlier one
    n_uses: dict[nn.Module, int] = {}
    pairs: list[tuple[nn.Conv2d, nn.Module]] = []

    def after_conv(conv: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:  # noqa: ARG001
        assert isinstance(conv, nn.Conv2d)
        made_by[id(made)] = conv
        kept.append(made)
        n_uses[conv] = n_uses.get(conv, 0) + 1

    def before_norm(norm: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        n_uses[norm] = n_uses.get(norm, 0) + 1
        if id(given[0]) in made_by:
            pairs.append((made_by[id(given[0])], norm))

    hooks = [
        part.register_forward_hook(after_conv)
        if isinstance(part, nn.Conv2d)
        else part.register_forward_pre_hook(before_norm)
        for part in module.modules()
        if isinstance(part, (nn.Conv2d, nn.BatchNorm2d))
    ]
    try:
        module(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    name_of = {part: name for name, part in module.named_modules()}
    return [(conv, name_of[norm]) for conv, norm in pairs if n_uses[conv] == n_uses[norm] == 1]


def _fold(module: nn.Module, conv: nn.Conv2d, name: str) -> None:
    """Move the normalization of this name into a convolution; an activation that it brings along stays."""
    norm = module.get_submodule(name)
    if type(norm) not in (nn.BatchNorm2d, BatchNormAct2d):
        return
    assert isinstance(norm, nn.BatchNorm2d)
    if norm.running_mean is None or norm.running_var is None:
        return  # it normalizes by the batch at hand
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    parent, _, own = name.rpartition(".")
    setattr(module.get_submodule(parent), own, norm.act if isinstance(norm, BatchNormAct2d) else nn.Identity())
