"""Frozen features: what a backbone makes of an image just before it names classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch

from pipeline.errors import DatasetError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.classifier import load_module, plain_config, weights_sha256
from pipeline.inference.ranking import Network
from pipeline.project.label_space import LabelSpace

#: The features of an image are raised to this power and then scaled to length 1: otherwise a few strong channels would
#: drown out the rest.
_POWER = 0.25


@dataclass(frozen=True)
class Backbone:
    """A `timm` model as a source of features.

    Parameters
    ----------
    name
        What tables call the model.
    network
        Gives the pooled features of images, (n, width).
    settings
        What determines the features, as plain JSON.
    head_weight, head_bias
        Weights for the classes that the model was trained on, float32 (n_own, width) and (n_own,); None if it has no
        classes of its own.
    """

    name: str
    network: Network
    settings: dict[str, Any]
    head_weight: npt.NDArray[np.float32] | None
    head_bias: npt.NDArray[np.float32] | None

    def prepared(self, features: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return features in the form that a light head wants: float32 (n, width + n_own).

        Beside the features, evened out, stands what the backbone says of its own classes, as square roots of
        probabilities: their distances are Hellinger's. On 20 superclasses of photographs, with 10 references each,
        nearest prototypes are right on 72.5% of the images with bare features, 78.3% with evened ones, 83.3% with both
        (four draws, kept apart from those that figures are reported on).
        """
        found = features.astype(np.float32)
        even: npt.NDArray[np.float32] = (np.sign(found) * np.abs(found) ** _POWER).astype(np.float32)
        even /= np.maximum(np.linalg.norm(even, axis=1, keepdims=True), 1e-12)
        if self.head_weight is None or self.head_bias is None:
            return even
        logits = found @ self.head_weight.T + self.head_bias
        logits -= logits.max(axis=1, keepdims=True)
        probabilities = np.exp(logits)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return np.hstack([even, np.sqrt(probabilities)]).astype(np.float32)


def load_backbone(source: ModelSource, space: LabelSpace) -> Backbone:
    """Load a model for its features.

    Raises
    ------
    DatasetError
        If the model cannot be loaded, or has no pooled features.
    """
    loaded = load_module(source, space)
    module: Any = loaded.module
    if not hasattr(module, "forward_features") or not hasattr(module, "forward_head"):
        raise DatasetError(f"model {source.label}: gives no features; take another backbone")

    def forward(pixels: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = module.forward_head(module.forward_features(pixels), pre_logits=True)
        return found.float()

    head = module.get_classifier()
    is_linear = isinstance(head, torch.nn.Linear) and head.in_features == module.num_features
    return Backbone(
        name=source.label,
        network=Network(source.label, module, loaded.data_config, forward),
        settings={
            "backbone": source.label,
            "weights_sha256": weights_sha256(module),
            "preprocessing": plain_config(loaded.data_config),
        },
        head_weight=head.weight.detach().float().numpy().copy() if is_linear else None,
        head_bias=head.bias.detach().float().numpy().copy() if is_linear and head.bias is not None else None,
    )


def read_features(path: Path, n_views: int = 1) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float16]]]:
    """Yield a table's features by row group: the rows that have features, and float16 (n, n_views, width)."""
    with pq.ParquetFile(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            column = file.read_row_group(group, columns=["feature"]).column(0).combine_chunks()
            rows = np.flatnonzero(column.value_lengths().to_numpy(zero_copy_only=False) > 0)
            values = column.flatten().to_numpy(zero_copy_only=False)
            if len(rows):
                yield rows + first, values.reshape(len(rows), n_views, -1)
            first += len(column)
