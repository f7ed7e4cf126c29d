"""How well a model ranks the classes of the toybox's scenes."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from PIL import Image
from torch import nn

from pipeline.errors import DatasetError
from pipeline.toybox.dataset import open_toybox, read_truth

_BATCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class ToyboxScore:
    """How well a model ranks the classes of the scenes.

    Parameters
    ----------
    n_scenes, n_labels
        Denominators: scenes for `top1` and `real`, labels for the recalls.
    top1
        Share of scenes whose top-ranked class is the original label.
    real
        Share of scenes whose top-ranked class is any class of the truth (ReaL accuracy).
    recall_at_10, recall_at_20
        Share of all true (scene, class) pairs whose class is among the topmost 10 or 20.
    """

    n_scenes: int
    n_labels: int
    top1: float
    real: float
    recall_at_10: float
    recall_at_20: float


def score_toybox_model(toybox: Path, checkpoint: Path) -> ToyboxScore:
    """Return how well a checkpoint ranks the classes of all scenes of a toybox.

    Raise `DatasetError` if the toybox or the checkpoint's JSON is missing, or the toybox has no scenes.
    """
    paths = open_toybox(toybox)
    truth = read_truth(paths.truth)
    with paths.scenes_csv.open(newline="", encoding="utf-8") as file:
        original = {row["image"]: row["label"] for row in csv.DictReader(file)}
    images = list(truth)
    if not images:
        raise DatasetError(f"{toybox}: has no scenes to score a model on; draw it with scenes")
    described = _read_description(checkpoint)
    keys: list[str] = described["class_keys"]
    model: nn.Module = timm.create_model(
        described["architecture"], num_classes=described["num_classes"], checkpoint_path=str(checkpoint)
    ).eval()
    names = ("input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation")
    transform = timm.data.create_transform(**{name: described[name] for name in names})
    hits = {"top1": 0, "real": 0, "10": 0, "20": 0}
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH_SIZE):
            batch = images[start : start + _BATCH_SIZE]
            logits = model(torch.stack([transform(Image.open(toybox / image).convert("RGB")) for image in batch]))
            for image, order in zip(batch, logits.argsort(1, descending=True).tolist(), strict=True):
                ranked = [keys[output] for output in order]
                hits["top1"] += ranked[0] == original[image]
                hits["real"] += ranked[0] in truth[image]
                hits["10"] += len(truth[image].intersection(ranked[:10]))
                hits["20"] += len(truth[image].intersection(ranked[:20]))
    n, n_labels = len(images), sum(len(truth[image]) for image in images)
    return ToyboxScore(n, n_labels, hits["top1"] / n, hits["real"] / n, hits["10"] / n_labels, hits["20"] / n_labels)


def _read_description(checkpoint: Path) -> dict[str, Any]:
    path = checkpoint.with_suffix(".json")
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read as the description of {checkpoint.name}: {error}") from error
    return content
