"""Training a small `timm` model on the toybox's single-object pictures.

The model is trained as ImageNet's models are, with one label per picture. Augmentation makes objects as small, crowded
and cut off as they are in scenes: random zoom, shift, tilt and colours, and mosaics of four pictures whose label is one
quarter of each. Training begins with what is easy: small views of single objects, then larger views and mosaics.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from pipeline.errors import DatasetError
from pipeline.project.writing import whole_file
from pipeline.toybox.dataset import open_toybox
from pipeline.toybox.objects import TOY_CLASSES

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
_MOSAIC_PROBABILITY = 0.35
_BATCH_SIZE = 64
_LEARNING_RATE, _WARM_UP = 0.3, 0.15
#: The shares of the training after which mosaics begin, and after which views have their full size.
_MOSAICS_FROM, _FULL_SIZE_FROM = 0.4, 0.6
#: Scenes are shown to the model this much larger than training views, since their objects are that much smaller.
_SCENE_SCALE = 4 / 3


def train_toybox_model(
    toybox: Path,
    checkpoint: Path,
    *,
    architecture: str = "test_resnet",
    seed: int = 0,
    seconds: float = 60.0,
    n_epochs: int | None = None,
    input_px: int = 96,
) -> Path:
    """Train a model from scratch and write its weights, with a JSON of the same stem that describes it.

    Parameters
    ----------
    toybox
        Folder written by `write_toybox`.
    checkpoint
        File for the weights, which are stored in half precision.
    architecture
        Any that `timm.create_model` knows; a small one is enough.
    seed
        For the initial weights and the augmentation.
    seconds
        How long to train; how far the model gets depends on the machine.
    n_epochs
        How many epochs to train instead: repeatable on one machine with one version of torch.
    input_px
        Side of the training views in pixels; scenes are shown to the model a third larger.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    DatasetError
        If the toybox is missing, incomplete or has no reference pictures.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    pictures, labels = _read_reference(toybox, round(input_px * 1.15))
    model: nn.Module = timm.create_model(architecture, num_classes=len(TOY_CLASSES))
    schedule = _Schedule(seconds, n_epochs, -(-len(labels) // _BATCH_SIZE))
    n_steps = _fit(model, pictures, labels, schedule, input_px, generator)
    scene_px = round(input_px * _SCENE_SCALE)
    _save(
        model,
        checkpoint,
        {
            "architecture": architecture,
            "num_classes": len(TOY_CLASSES),
            "input_size": [3, scene_px, scene_px],
            "mean": MEAN,
            "std": STD,
            "crop_pct": 1.0,
            "crop_mode": "squash",
            "interpolation": "bilinear",
            "views": 14,
            "class_keys": [toy.key for toy in TOY_CLASSES],
            "seed": seed,
            "n_steps": n_steps,
            "n_pictures": len(labels),
            "torch": str(torch.__version__),
            "timm": timm.__version__,
            "command": _command(checkpoint, architecture, seed, seconds, n_epochs),
        },
    )
    return checkpoint


@dataclass
class _Schedule:
    """How far training has come: by the clock, or by steps where the number of epochs is set."""

    seconds: float
    n_epochs: int | None
    steps_per_epoch: int
    began: float = 0.0

    def share_done(self, n_steps: int) -> float:
        if self.n_epochs is not None:
            return n_steps / (self.n_epochs * self.steps_per_epoch)
        if n_steps == 0:  # the first step is taken however long it took to come to it
            self.began = time.monotonic()
            return 0.0
        return (time.monotonic() - self.began) / self.seconds


def _fit(
    model: nn.Module,
    pictures: Tensor,
    labels: Tensor,
    schedule: _Schedule,
    input_px: int,
    generator: torch.Generator,
) -> int:
    """Train the model in place, and return the number of steps taken."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0, momentum=0.9, nesterov=True, weight_decay=5e-4)
    model.to(memory_format=torch.channels_last).train()
    small_px = max(32, input_px * 2 // 3 // 32 * 32)
    has_bfloat16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # noqa: SLF001 - torch has no public way to ask
    n_steps = 0
    with tqdm(total=100, desc="training", unit="%") as progress:
        while (share := schedule.share_done(n_steps)) < 1:
            if n_steps % schedule.steps_per_epoch == 0:
                order = torch.randperm(len(labels), generator=generator)
            first = n_steps % schedule.steps_per_epoch * _BATCH_SIZE
            chosen = order[first : first + _BATCH_SIZE]
            size_px = input_px if share >= _FULL_SIZE_FROM else small_px
            mosaics = _MOSAIC_PROBABILITY if share >= _MOSAICS_FROM else 0.0
            inputs, targets = augment(pictures[chosen], labels[chosen], size_px, generator, mosaics)
            for group in optimizer.param_groups:
                group["lr"] = _LEARNING_RATE * min(1.0, share / _WARM_UP) * (1 - share)
            with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16):
                logits = model(inputs.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits.float(), targets, label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            n_steps += 1
            progress.n = min(100, round(100 * share))
            progress.set_postfix(loss=f"{loss.item():.2f}")
    return n_steps


def augment(
    pictures: Tensor,
    labels: Tensor,
    size_px: int,
    generator: torch.Generator,
    mosaic_probability: float = _MOSAIC_PROBABILITY,
) -> tuple[Tensor, Tensor]:
    """Return the views that the model sees of a batch, and their soft labels.

    Parameters
    ----------
    pictures
        uint8 (n, 3, height, width).
    labels
        int64 (n,): class indices.
    size_px
        Side of the views in pixels.
    generator
        Source of all randomness.
    mosaic_probability
        Share of the views that are mosaics of four.

    Returns
    -------
    tuple
        float32 (n, 3, size_px, size_px), normalised; float32 (n, n_classes), rows adding up to 1.
    """
    n = len(pictures)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(n, *shape, generator=generator) * (high - low) + low

    zoom, angle = torch.exp(uniform(-0.4, 0.75)), uniform(-0.3, 0.3)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
    shift = uniform(-0.5, 0.5, 2) * (zoom[:, None] - 0.6).abs()
    theta = torch.stack(
        [torch.stack([cos * flip, -sin, shift[:, 0]], 1), torch.stack([sin * flip, cos, shift[:, 1]], 1)], 1
    )
    grid = functional.affine_grid(theta, [n, 3, size_px, size_px], align_corners=False)
    views = functional.grid_sample(pictures.float() / 255, grid, padding_mode="reflection", align_corners=False)
    targets = functional.one_hot(labels, len(TOY_CLASSES)).float()
    n_mosaics = round(n * mosaic_probability)
    if n_mosaics and n > 1:
        quarters = functional.avg_pool2d(views, 2)
        parts = [torch.randperm(n, generator=generator)[:n_mosaics] for _ in range(4)]
        rows = [torch.cat([quarters[parts[i]], quarters[parts[i + 1]]], 3) for i in (0, 2)]
        mosaics = functional.interpolate(torch.cat(rows, 2), size=(size_px, size_px))
        views = torch.cat([mosaics, views[n_mosaics:]])
        targets = torch.cat([torch.stack([targets[part] for part in parts]).mean(0), targets[n_mosaics:]])
    contrast = uniform(0.7, 1.3, 1, 1, 1) * uniform(0.9, 1.1, 3, 1, 1)
    views = ((views - 0.5) * contrast + 0.5 + uniform(-0.15, 0.15, 1, 1, 1)).clamp(0, 1)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (views - mean) / std, targets


def _read_reference(toybox: Path, size_px: int) -> tuple[Tensor, Tensor]:
    """Return the pictures, uint8 (n, 3, size_px, size_px), and their class indices, int64 (n,)."""
    folder = open_toybox(toybox).reference
    files = [
        (index, file) for index, toy in enumerate(TOY_CLASSES) for file in sorted((folder / toy.key).glob("*.jpg"))
    ]
    if not files:
        raise DatasetError(f"{folder}: no reference pictures to train on; draw the toybox with some")
    pictures = np.empty((len(files), size_px, size_px, 3), np.uint8)
    for row, (_, file) in enumerate(files):
        with Image.open(file) as picture:
            pictures[row] = np.asarray(picture.convert("RGB").resize((size_px, size_px), Image.Resampling.BILINEAR))
    labels = torch.tensor([index for index, _ in files])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous(), labels


def _save(model: nn.Module, checkpoint: Path, description: dict[str, Any]) -> None:
    state = {
        name: value.half() if value.is_floating_point() and "running_" not in name else value
        for name, value in model.state_dict().items()
    }
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(checkpoint) as unfinished:
        torch.save(state, unfinished)
    text = json.dumps(description, indent=1) + "\n"
    checkpoint.with_suffix(".json").write_text(text, encoding="utf-8")


def _command(checkpoint: Path, architecture: str, seed: int, seconds: float, n_epochs: int | None) -> str:
    length = f"--seconds {seconds:g}" if n_epochs is None else f"--epochs {n_epochs}"
    return f"mlf toybox TOYBOX --train {checkpoint.name} --architecture {architecture} --train-seed {seed} {length}"
