"""A model to run: one that `timm` knows by name, or a checkpoint on this machine with a description beside it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError

_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")
_SHAPE_LENGTH = 3


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Which model to run.

    Parameters
    ----------
    architecture
        A name `timm.create_model` knows: `resnet50.a1_in1k`, `hf_hub:timm/…`. May be left out where a checkpoint's
        description names it.
    checkpoint
        Weights on this machine (`.pth`, `.pt`, `.safetensors`); without it the pretrained weights are fetched.
    name
        What tables and reports call the model; made from the other two where left out.
    """

    architecture: str | None = None
    checkpoint: Path | None = None
    name: str | None = None

    @property
    def label(self) -> str:
        """Return the model's name, safe as a file name.

        Raises
        ------
        DatasetError
            If neither a name, an architecture nor a checkpoint is given.
        """
        given = self.name or (self.checkpoint.stem if self.checkpoint else self.architecture)
        if not given:
            raise DatasetError("no model is named; give a timm model name or a checkpoint")
        return _NOT_IN_NAMES.sub("_", given.removeprefix("hf_hub:").removeprefix("hf-hub:"))


@dataclass(frozen=True, slots=True)
class CheckpointDescription:
    """What the JSON beside a checkpoint says; what it leaves out is None."""

    architecture: str | None = None
    num_classes: int | None = None
    input_size: tuple[int, int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    crop_mode: str | None = None
    class_keys: tuple[str, ...] | None = None

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Return the part of it that `timm` calls a data configuration."""
        names = ("input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def read_description(checkpoint: Path) -> CheckpointDescription:
    """Read `<checkpoint>.json` or the JSON of the same stem beside a checkpoint; empty where there is none.

    Raises
    ------
    DatasetError
        If the checkpoint is missing or its description malformed.
    """
    if not checkpoint.is_file():
        raise DatasetError(f"{checkpoint}: no such checkpoint")
    beside = (checkpoint.with_name(checkpoint.name + ".json"), checkpoint.with_suffix(".json"))
    path = next((candidate for candidate in beside if candidate.is_file()), None)
    if path is None:
        return CheckpointDescription()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return _description(content)
    except (ValueError, TypeError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as the description of a checkpoint: {error}") from error


def _description(content: Any) -> CheckpointDescription:
    if not isinstance(content, dict):
        raise TypeError(f"holds a {type(content).__name__} where an object is due")

    def numbers(name: str) -> tuple[float, ...] | None:
        return tuple(float(value) for value in content[name]) if content.get(name) is not None else None

    def text(name: str) -> str | None:
        return str(content[name]) if content.get(name) is not None else None

    keys = content.get("class_keys")
    if isinstance(keys, str):
        raise TypeError("class_keys must be a list")
    return CheckpointDescription(
        architecture=text("architecture"),
        num_classes=int(content["num_classes"]) if content.get("num_classes") is not None else None,
        input_size=_input_size(content.get("input_size")),
        mean=numbers("mean"),
        std=numbers("std"),
        crop_pct=float(content["crop_pct"]) if content.get("crop_pct") is not None else None,
        interpolation=text("interpolation"),
        crop_mode=text("crop_mode"),
        class_keys=tuple(str(key) for key in keys) if keys is not None else None,
    )


def _input_size(value: Any) -> tuple[int, int, int] | None:
    if value is None:
        return None
    if isinstance(value, int):
        return (3, value, value)
    sizes = [int(size) for size in value]
    if len(sizes) == _SHAPE_LENGTH - 1:
        sizes = [3, *sizes]
    if len(sizes) != _SHAPE_LENGTH or min(sizes) < 1:
        raise ValueError(f"input_size {value!r} is not a size; [3, 224, 224] is one")
    return (sizes[0], sizes[1], sizes[2])
