"""Tables of frozen features: where they lie, what they depend on, and how they are read; nothing here loads torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipeline.inference.filling import Filling
from pipeline.inference.precision import Precision, recorded
from pipeline.inference.predictions import settings_of_images
from pipeline.inference.views import described
from pipeline.project.folder import Project
from pipeline.project.tables import FEATURES, FEATURES_ROW_GROUP

if TYPE_CHECKING:
    from pipeline.inference.features import Backbone

#: The features of an image are raised to this power and then scaled to length 1: otherwise a few strong channels would
#: drown out the rest.
_POWER = 0.25


def features_path(project: Project, backbone: Backbone, name: str) -> Path:
    """Return the path of a backbone's table of features."""
    return project.features_dir / f"{backbone.name}.{name}.parquet"


def features_filling(
    project: Project, backbone: Backbone, name: str, settings: dict[str, Any], precision: Precision
) -> Filling:
    """Return a table of a backbone's features of some images.

    Parameters
    ----------
    project
        Where it is kept.
    name
        What is looked at, as the table's name has it after the backbone's.
    settings
        What the features depend on besides the backbone, as plain JSON.
    precision
        In which they are computed.
    """
    return Filling(
        path=features_path(project, backbone, name),
        schema=FEATURES,
        row_group_size=FEATURES_ROW_GROUP,
        settings={**backbone.settings, **settings, **recorded(precision)},
        name=backbone.name,
        network=replace(backbone.network, precision=precision),
        rows=lambda found: [found.reshape(len(found), -1).astype(np.float16)],
    )


def features_of_images(project: Project, backbone: Backbone, n_views: int, precision: Precision) -> Filling:
    """Return the table of a backbone's features of a project's images."""
    settings = {"views": described(n_views), **settings_of_images(project)}
    return features_filling(project, backbone, f"{n_views}views", settings, precision)


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


def evened(features: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return features evened out and scaled to length 1: float32, same shape (n, width)."""
    found = features.astype(np.float32)
    even: npt.NDArray[np.float32] = (np.sign(found) * np.abs(found) ** _POWER).astype(np.float32)
    even /= np.maximum(np.linalg.norm(even, axis=1, keepdims=True), 1e-12)
    return even
