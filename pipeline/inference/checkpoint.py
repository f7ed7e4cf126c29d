"""A model to run: one that `timm` knows by name, or a checkpoint on this machine with a description beside it.

The description is a JSON object in `<checkpoint>.json` or `<stem of the checkpoint>.json`; `docs/inputs.md` has an
example.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError, in_plain_words
from pipeline.inference.views import VIEW_COUNTS

_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
_SHAPE_LENGTH = 3
#: Numbers of channels that photographs have: gray and color.
CHANNELS = (1, 3)
INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
CROP_MODES = ("center", "squash", "border")
#: How a model was trained, as our own training notes it: nothing that loading needs.
_OF_TRAINING = frozenset({"command", "n_pictures", "n_steps", "seed", "timm", "torch"})
#: What others call a known field.
_ALSO_CALLED = {
    "classes": "class_keys",
    "class_names": "class_keys",
    "labels": "class_keys",
    "label_names": "class_keys",
    "class_to_idx": "class_keys",
    "model": "architecture",
    "model_name": "architecture",
    "arch": "architecture",
    "img_size": "input_size",
    "image_size": "input_size",
    "crop_ratio": "crop_pct",
}
#: A field of `timm`'s own `config.json`; its values are nested one level deeper.
_TIMM_CONFIG = b'"pretrained_cfg"'
_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Which model to run.

    Parameters
    ----------
    architecture
        A name that `timm.create_model` knows, such as `resnet50.a1_in1k` or `hf_hub:timm/…`. May be left out if the
        checkpoint's description names it.
    checkpoint
        Weights on this machine (`.pth`, `.pt`, `.safetensors`); without it, the pretrained weights are downloaded.
    name
        What tables and reports call the model; if left out, made from the other two.
    """

    architecture: str | None = None
    checkpoint: Path | None = None
    name: str | None = None

    @property
    def label(self) -> str:
        """Return the model's name, safe as a file name.

        Raise `DatasetError` if neither a name, an architecture nor a checkpoint is given.
        """
        given = self.name or (self.checkpoint.stem if self.checkpoint else self.architecture)
        if not given:
            raise DatasetError("no model is named; give a timm model name (--model) or a checkpoint (--checkpoint)")
        return _NOT_IN_NAMES.sub("_", given.removeprefix("hf_hub:").removeprefix("hf-hub:"))


@dataclass(frozen=True, slots=True)
class CheckpointDescription:
    """What the JSON beside a checkpoint says; fields left out are None, and `unknown` lists those that nobody knows."""

    architecture: str | None = None
    num_classes: int | None = None
    input_size: tuple[int, int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    crop_mode: str | None = None
    class_keys: tuple[str, ...] | None = None
    #: The number of views per image that is best for this model.
    views: int | None = None
    unknown: tuple[str, ...] = ()

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Return the part of the description that `timm` calls a data configuration."""
        names = ("input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def description_path(checkpoint: Path) -> Path | None:
    """Return the JSON file beside a checkpoint, or else the `config.json` that `timm` puts beside its weights."""
    beside = (checkpoint.with_name(checkpoint.name + ".json"), checkpoint.with_suffix(".json"))
    found = next((candidate for candidate in beside if candidate.is_file()), None)
    of_timm = checkpoint.with_name("config.json")
    return of_timm if found is None and of_timm.is_file() and _TIMM_CONFIG in of_timm.read_bytes() else found


def read_description(checkpoint: Path) -> CheckpointDescription:
    """Read `<checkpoint>.json` or the JSON of the same stem beside a checkpoint; empty if there is none.

    Raise `DatasetError` if the checkpoint is missing or is not a file of weights, or if its description is malformed.
    The message then names the field.
    """
    _check_file(checkpoint)
    path = description_path(checkpoint)
    if path is None:
        return CheckpointDescription()
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        return _description(content)
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{path}: cannot be read as the description of a checkpoint: {error}") from error


def _check_file(checkpoint: Path) -> None:
    """Refuse a file whose first bytes are not those of a file of weights, before any library fails on it."""
    if checkpoint.is_dir():
        raise DatasetError(f"{checkpoint}: a folder, not a checkpoint; name the file of weights in it")
    if not checkpoint.is_file():
        raise DatasetError(f"{checkpoint}: no such checkpoint")
    try:
        with checkpoint.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise DatasetError(in_plain_words(error, checkpoint)) from error
    if not start:
        raise DatasetError(f"{checkpoint}: an empty file, not weights; copy or download it again")
    if start.startswith(_LFS_POINTER):
        raise DatasetError(
            f"{checkpoint}: a Git LFS pointer, not the weights themselves; fetch them with `git lfs pull`"
        )
    if start.lstrip()[:1] == b"<":
        raise DatasetError(f"{checkpoint}: a web page, as a failed download leaves it, not weights; download it again")
    if checkpoint.suffix == ".safetensors":
        n_header_bytes = int.from_bytes(start[:8], "little")
        if n_header_bytes > checkpoint.stat().st_size - 8:
            raise DatasetError(f"{checkpoint}: cut short, or no safetensors file; copy or download it again")


def _description(content: Any) -> CheckpointDescription:
    if not isinstance(content, dict):
        raise TypeError(f"holds a {type(content).__name__}; expected an object")
    if isinstance(content.get("pretrained_cfg"), dict):
        content = _of_timm(content)
    readers: dict[str, Callable[[str, Any], Any]] = {
        "architecture": _text,
        "num_classes": _count,
        "input_size": _input_size,
        "mean": _channel_values,
        "std": _channel_values,
        "crop_pct": _share,
        "interpolation": _one_of(INTERPOLATIONS),
        "crop_mode": _one_of(CROP_MODES),
        "class_keys": _class_keys,
        "views": _views,
    }
    unknown = tuple(name for name in content if name not in readers and name not in _OF_TRAINING)
    for name in unknown:
        near = _ALSO_CALLED.get(name) or next(iter(get_close_matches(name.lower(), readers, 1, cutoff=0.8)), None)
        if near and near not in content:
            raise ValueError(f"{name!r} is not known; did you mean {near!r}?")
    given = {name: read(name, content[name]) for name, read in readers.items() if content.get(name) is not None}
    description = CheckpointDescription(**given, unknown=unknown)
    _check_together(description)
    return description


def _of_timm(content: dict[str, Any]) -> dict[str, Any]:
    """Return what `timm`'s own `config.json` says, as fields on one level."""
    config = content["pretrained_cfg"]
    known = ("num_classes", "input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation")
    fields = {name: config[name] for name in known if config.get(name) is not None}
    fields |= {name: content[name] for name in ("architecture", "num_classes") if content.get(name) is not None}
    keys = content.get("label_names") or config.get("label_names")
    return fields | ({"class_keys": keys} if keys else {})


def _check_together(description: CheckpointDescription) -> None:
    keys, n_classes = description.class_keys, description.num_classes
    if keys is not None and n_classes is not None and len(keys) != n_classes:
        raise ValueError(f"num_classes is {n_classes}, and class_keys names {len(keys)}")
    n_channels = description.input_size[0] if description.input_size else _SHAPE_LENGTH
    for name in ("mean", "std"):
        values = getattr(description, name)
        if values is not None and len(values) not in {1, n_channels}:
            raise ValueError(f"{name} has {len(values)} values for {n_channels} channels")
    if description.std is not None and min(description.std) <= 0:
        raise ValueError(f"std {list(description.std)}: each value must be above 0")
    if description.mean is not None and max(description.mean) > 1:
        raise ValueError(f"mean {list(description.mean)} counts in levels from 0 to 255; divide mean and std by 255")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{name} {value!r} is not a name")
    return value.strip()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _count(name: str, value: Any) -> int:
    if not _is_number(value) or value != int(value) or value < 1:
        raise ValueError(f"{name} {value!r} is not a number of classes")
    return int(value)


def _views(name: str, value: Any) -> int:
    if value not in VIEW_COUNTS:
        raise ValueError(f"{name} {value!r} is not a number of views; there are {', '.join(map(str, VIEW_COUNTS))}")
    return int(value)


def _share(name: str, value: Any) -> float:
    if not _is_number(value) or not 0 < value <= 1:
        raise ValueError(f"{name} {value!r} is not a share; it must be above 0 and at most 1, as 0.875")
    return float(value)


def _channel_values(name: str, value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(map(_is_number, values)):
        raise TypeError(f"{name} {value!r} is not a list of numbers, one for each channel")
    return tuple(float(each) for each in values)


def _one_of(known: tuple[str, ...]) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        if value not in known:
            raise ValueError(f"{name} {value!r} is not known; it is one of {', '.join(known)}")
        return str(value)

    return read


def _class_keys(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        value = _listed(name, value)
    if not isinstance(value, list) or not all(isinstance(key, str) or _is_number(key) for key in value):
        raise TypeError(f"{name} must be a list of class keys in the order of the model's outputs")
    keys = tuple(str(key).strip() for key in value)
    if len(set(keys)) < len(keys):
        raise ValueError(f"{name} names {Counter(keys).most_common(1)[0][0]!r} twice")
    return keys


def _listed(name: str, mapping: Mapping[str, Any]) -> list[str]:
    """Return the keys of a `class_to_idx` or an `id2label` in the order of the outputs."""
    by_output = mapping if all(key.isdecimal() for key in mapping) else {str(v): key for key, v in mapping.items()}
    outputs = [str(output) for output in range(len(mapping))]
    if sorted(by_output) != sorted(outputs):
        raise ValueError(f"{name} pairs classes with outputs that are not 0 to {len(mapping) - 1}")
    return [by_output[output] for output in outputs]


def _input_size(name: str, value: Any) -> tuple[int, int, int]:
    sizes = [_SHAPE_LENGTH, value, value] if _is_number(value) else value
    if isinstance(sizes, list) and len(sizes) == _SHAPE_LENGTH - 1:
        sizes = [_SHAPE_LENGTH, *sizes]
    is_size = isinstance(sizes, list) and len(sizes) == _SHAPE_LENGTH and all(map(_is_number, sizes))
    if not is_size or min(sizes) < 1 or any(size != int(size) for size in sizes):
        raise ValueError(f"{name} {value!r} is not a size; [3, 224, 224] is one")
    n_channels, height_px, width_px = map(int, sizes)
    if n_channels not in CHANNELS and width_px in CHANNELS:
        raise ValueError(f"{name} {value!r} has its channels last; channels come first, as in [3, 224, 224]")
    return n_channels, height_px, width_px
