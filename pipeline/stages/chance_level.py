"""A notice about models whose rankings are no better than guessing, before people spend time on their proposals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.evaluation.chance import chance_level_told, is_chance_level
from pipeline.evaluation.shares import Share
from pipeline.inference.predictions import predictions_path
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.list_columns import pad_lists
from pipeline.project.notices import tell


def tell_of_chance_level(project: Project, models: Sequence[str]) -> None:
    """Tell which models' first classes match the original labels no better than guesses; without labels, tell nothing.

    Parameters
    ----------
    models
        Names of models that have rankings in it.
    """
    original = original_labels(project)
    for model in models:
        n_right = n_images = first_row = 0
        for batch in pq.ParquetFile(predictions_path(project, model), pre_buffer=False).iter_batches(
            columns=["class_index"]
        ):
            first = pad_lists(pa.chunked_array([batch.column(0)]), -1, np.dtype(np.int32))
            here = original[first_row : first_row + len(first)]
            first_row += len(first)
            if first.shape[1]:
                guess = project.current_classes.labels(first[:, 0])
                counts = (here >= 0) & (guess >= 0)
                n_images += int(counts.sum())
                n_right += int((guess[counts] == here[counts]).sum())
        top1 = Share(n_right, n_images)
        if is_chance_level(top1, len(project.label_space)):
            tell(chance_level_told(model, top1, len(project.label_space)))
