"""The published study of ImageNetV2, from the public files: read, paired and scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import DatasetError
from pipeline.evaluation.data_sets import DataSetComparison, compare_data_sets
from pipeline.evaluation.label_pairs import label_pairs
from pipeline.evaluation.models import Evaluation, evaluate_models
from pipeline.evaluation.shares import Share
from pipeline.formats.outside_data import OutsideData, read_outside_data
from pipeline.project.label_space import LabelSpace, load_label_space

_REPLICA, _VALIDATION = "imagenetv2_matched_frequency", "imagenet_val"


@dataclass(frozen=True, eq=False)
class Study:
    """The replica (ImageNetV2) under the published refined labels, the validation set under ReaL, and both compared.

    Parameters
    ----------
    space
        ImageNet's 1,000 classes.
    data
        The replica's images, labels and predictions.
    replica, validation
        Both evaluations, over the same models.
    original_kept
        Images of the replica whose original label is among the refined ones.
    pairs
        Classes that stand together (:func:`pipeline.evaluation.label_pairs.label_pairs`).
    comparison
        How far the models drop from the validation set to the replica.
    """

    space: LabelSpace
    data: OutsideData
    replica: Evaluation
    validation: Evaluation
    original_kept: Share
    pairs: pd.DataFrame
    comparison: DataSetComparison


def read_study(data: str | Path, n_draws: int = 1000, seed: int = 0) -> Study:
    """Read the published files and score the models on both data sets.

    Parameters
    ----------
    data
        The folder that holds `imagenetv2_matched_frequency/` (images.csv, refined_labels.json, top5_predictions.npz)
        and `imagenet_val/` (images.csv, real.json, top5_predictions.npz).
    n_draws, seed
        How often the replica's images are drawn anew, to compare its models; the seed of the draws.

    Raises
    ------
    DatasetError
        If a file is missing or cannot be read.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such folder of published data; set `data` to where it lies")
    space = load_label_space("imagenet-1k")
    replica = _read(folder / _REPLICA, "refined_labels.json", space)
    validation = _read(folder / _VALIDATION, "real.json", space)
    scored = evaluate_models(
        replica.predictions, replica.original_label, replica.labels, len(space), n_draws=n_draws, seed=seed
    )
    home = evaluate_models(validation.predictions, validation.original_label, validation.labels, len(space))
    labels = replica.labels
    is_kept = np.bincount(
        labels.image_index[labels.class_index == replica.original_label[labels.image_index]], minlength=len(labels)
    )
    return Study(
        space=space,
        data=replica,
        replica=scored,
        validation=home,
        original_kept=Share(int(is_kept.sum()), len(labels)),
        pairs=label_pairs(labels),
        comparison=compare_data_sets(home.table(), scored.table()),
    )


def _read(folder: Path, labels: str, space: LabelSpace) -> OutsideData:
    return read_outside_data(folder / "images.csv", folder / labels, folder / "top5_predictions.npz", space)
