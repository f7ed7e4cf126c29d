"""timm's ReaL evaluation for any data set: the same counting, with labels found by image name.

timm's own reader (`timm.data.real_labels.RealLabelsImagenet`) takes lists of 50,000 images named `ILSVRC2012_val_*`
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import DatasetError
from pipeline.formats.exchange.content import ImageContent, ReadOptions
from pipeline.formats.exchange.real import read


class RealLabels:
    """Counts how often one of a model's first k answers is among an image's labels, as timm does.

    Images without a label are left out (Beyer et al. 2020, section 3).

    Parameters
    ----------
    filenames
        The images in the order in which results come; the labels are found by their last part.
    path
        `real.json`: an object from image name to class numbers, or ReaL's list.
    topk
        The k that are counted.

    Raises
    ------
    DatasetError
        If the file cannot be read, or does not name one of the images.

    Examples
    --------
    ``real = RealLabels(dataset.filenames(basename=True), "real.json")``, then ``real.add_result(logits)`` for each
    batch and ``real.get_accuracy(k=1)``: the drop-in for timm's ``RealLabelsImagenet``.
    """

    def __init__(self, filenames: Sequence[str], path: str | Path, topk: tuple[int, ...] = (1, 5)) -> None:
        self.filenames = [Path(name).name for name in filenames]
        names = tuple(dict.fromkeys(self.filenames))
        found = (each for each in read([Path(path)], ReadOptions(names)) if isinstance(each, ImageContent))
        self.real_labels = {Path(each.image).name: [int(label.name) for label in each.labels or ()] for each in found}
        missing = next((name for name in self.filenames if name not in self.real_labels), None)
        if missing is not None:
            raise DatasetError(f"{path}: says nothing of image {missing!r}; its names are compared without folders")
        self.topk = topk
        self.is_correct: dict[int, list[bool]] = {k: [] for k in topk}
        self.sample_idx = 0

    def add_result(self, output: Any) -> None:
        """Count the next images' logits or probabilities: a torch tensor ``(n, n_classes)``."""
        _, ranked = output.topk(max(self.topk), 1, True, True)
        for answers in ranked.cpu().numpy():
            labels = self.real_labels[self.filenames[self.sample_idx]]
            if labels:
                for k in self.topk:
                    self.is_correct[k].append(any(answer in labels for answer in answers[:k]))
            self.sample_idx += 1

    def get_accuracy(self, k: int | None = None) -> float | dict[int, float]:
        """Return the accuracy in percent: of one k, or of each."""
        if k is None:
            return {each: float(np.mean(self.is_correct[each])) * 100 for each in self.topk}
        return float(np.mean(self.is_correct[k])) * 100
