"""A PyTorch `Dataset` of images with labels, votes and exposure as tensors, from an export as multi-hot arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from pipeline.errors import DatasetError
from pipeline.images.decoding import read_image

_FIELDS = ("images", "paths", "classes", "labels", "posterior", "yes", "no", "unsure", "exposed")


class LabelledImages(Dataset[tuple[Any, dict[str, torch.Tensor]]]):
    """Images and, for each, float tensors of shape ``(n_classes,)`` by name.

    - ``labels``: 1 where a label applies, 0 elsewhere; ``known``: 1 where that is known. A loss is multiplied by
      ``known``: a class that nobody was shown is no negative example.
    - ``posterior``: how sure a label is, 0 where nobody estimated it.
    - ``yes``, ``no``, ``unsure``: how many people said so; ``exposed``: 1 where somebody was shown the class.

    Parameters
    ----------
    path
        What `mlf export PROJECT --format numpy` wrote.
    images_root
        The folder of the images; None leaves them out, for features that were computed elsewhere.
    transform
        Makes of each image (upright, in sRGB, as people saw it) what a model takes.
    only_decided
        Leave out images about which nothing is known.

    Raises
    ------
    DatasetError
        If the file cannot be read or lacks an array.

    Examples
    --------
    ``images, targets = next(iter(DataLoader(LabelledImages("labels.npz", "photos", transform), 32)))``, then
    ``(binary_cross_entropy_with_logits(model(images), targets["labels"], reduction="none") * targets["known"]).sum()``.
    """

    def __init__(
        self,
        path: str | Path,
        images_root: str | Path | None = None,
        transform: Callable[[Image.Image], Any] | None = None,
        *,
        only_decided: bool = True,
    ) -> None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                missing = [name for name in _FIELDS if name not in arrays.files]
                if missing:
                    raise DatasetError(
                        f"{path}: lacks the array {missing[0]!r}; make it with `mlf export --format numpy`"
                    )
                self._arrays = {name: arrays[name] for name in _FIELDS}
        except (OSError, ValueError, EOFError) as error:
            if isinstance(error, DatasetError):
                raise
            raise DatasetError(f"{path} cannot be read as NumPy arrays: {error}") from error
        is_decided = (self._arrays["labels"] >= 0).any(axis=1)
        self._rows = np.flatnonzero(is_decided) if only_decided else np.arange(len(is_decided))
        self.classes: list[str] = self._arrays["classes"].tolist()
        self.images: list[str] = self._arrays["images"][self._rows].tolist()
        self._root = None if images_root is None else Path(images_root)
        self._transform = transform

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._rows)

    def __getitem__(self, index: int) -> tuple[Any, dict[str, torch.Tensor]]:
        """Return one image, or its name where there is no folder of images, and its tensors."""
        row = self._rows[index]
        labels = self._arrays["labels"][row]
        targets = {name: _tensor(self._arrays[name][row]) for name in _FIELDS[4:]}
        targets["posterior"] = torch.nan_to_num(targets["posterior"])
        targets |= {"labels": _tensor(labels == 1), "known": _tensor(labels >= 0)}
        path = str(self._arrays["paths"][row])
        image: Any = self.images[index] if self._root is None else read_image(str(self._root / path))
        return (image if self._transform is None else self._transform(image)), targets


def _tensor(values: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
