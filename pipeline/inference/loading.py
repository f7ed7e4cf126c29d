"""Images of a project as batches of tensors, decoded by worker processes."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from PIL import Image
from timm.data import create_transform
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import DatasetError
from pipeline.images import read_as_timm, read_image
from pipeline.images.locations import join_location
from pipeline.project.tables import IMAGES_ROW_GROUP

_GROUPS_KEPT = 2
#: A JPEG is decoded reduced only as far as this many times the side it is resized to, so that the result stays the same
#: but for rounding.
_DRAFT_FACTOR = 2
#: A picture that is longer for its width than this is cut to its middle before it is scaled: the model's crop lies
#: within, and scaling the whole of a strip of 1 × 3,000 pixels takes 790 MiB.
_MOST_ELONGATED = 16


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Some images in order of `image_index`.

    Parameters
    ----------
    image_index
        Every image of the batch.
    decoded
        Positions in `image_index` of the images that could be decoded.
    pixels
        float32 (len(decoded), channels, height, width), preprocessed for the model.
    failures
        `image_index` of the others, with the reason.
    """

    image_index: list[int]
    decoded: list[int]
    pixels: torch.Tensor
    failures: dict[int, str]


class ProjectImages(Dataset[tuple[int, torch.Tensor | str]]):
    """A project's images, preprocessed for one model; an unreadable one is its reason instead.

    Parameters
    ----------
    images_path
        The table of images, read by row group in the process that asks.
    images_root
        What its paths are relative to.
    data_config
        `timm`'s data configuration of the model.
    as_timm
        Decode as `timm` itself does, neither turned upright nor converted to sRGB, to reproduce published figures.
    """

    def __init__(
        self, images_path: Path, images_root: str, data_config: Mapping[str, Any], *, as_timm: bool = False
    ) -> None:
        self._as_timm = as_timm
        self._images_path = images_path
        self._images_root = images_root
        self._transform = create_transform(**data_config, is_training=False)
        side_px = math.ceil(max(data_config["input_size"][1:]) / (data_config.get("crop_pct") or 1.0))
        self._reduce_to_px = _DRAFT_FACTOR * side_px
        self._n_channels = int(data_config["input_size"][0])
        self._shows_middle = data_config.get("crop_mode", "center") == "center"
        self._file: pq.ParquetFile | None = None
        self._groups: OrderedDict[int, list[str | None]] = OrderedDict()

    def __getitem__(self, image_index: int) -> tuple[int, torch.Tensor | str]:
        """Return an image's tensor, or why there is none."""
        path = self._path(image_index)
        if path is None:
            return image_index, "has no file in this project"
        try:
            image = self._read(join_location(self._images_root, path))
            tensor = self._transform(image if self._n_channels != 1 else image.convert("L"))
        except DatasetError as error:
            return image_index, str(error)
        return image_index, tensor

    def _read(self, location: str) -> Image.Image:
        image = read_as_timm(location) if self._as_timm else read_image(location, self._reduce_to_px)
        return _middle(image) if self._shows_middle else image

    def _path(self, image_index: int) -> str | None:
        group, offset = divmod(image_index, IMAGES_ROW_GROUP)
        if group not in self._groups:
            if self._file is None:
                self._file = pq.ParquetFile(self._images_path)
            column = self._file.read_row_group(group, columns=["path"], use_threads=False).column(0)
            self._groups[group] = column.to_pylist()
            if len(self._groups) > _GROUPS_KEPT:
                self._groups.popitem(last=False)
        return self._groups[group][offset]


def _middle(image: Image.Image) -> Image.Image:
    """Return the middle of a strip, as long as a model's crop of it may need; other pictures as they are."""
    box = [0, 0, *image.size]
    longer = 0 if image.width > image.height else 1
    surplus_px = image.size[longer] - _MOST_ELONGATED * image.size[1 - longer]
    if surplus_px < 2:
        return image
    box[longer], box[longer + 2] = surplus_px // 2, image.size[longer] - surplus_px // 2
    return image.crop((box[0], box[1], box[2], box[3]))


def image_batches(
    images: ProjectImages, indices: range, *, batch_size: int, n_workers: int, pin_memory: bool
) -> DataLoader[tuple[int, torch.Tensor | str]]:
    """Return a loader that yields :class:`ImageBatch` in order of `indices`."""
    return DataLoader(
        images,
        batch_size=batch_size,
        sampler=indices,
        num_workers=n_workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        prefetch_factor=4 if n_workers else None,
    )


def _collate(samples: Sequence[tuple[int, torch.Tensor | str]]) -> ImageBatch:
    tensors = [(position, value) for position, (_, value) in enumerate(samples) if isinstance(value, torch.Tensor)]
    return ImageBatch(
        image_index=[image_index for image_index, _ in samples],
        decoded=[position for position, _ in tensors],
        pixels=torch.stack([value for _, value in tensors]) if tensors else torch.empty(0),
        failures={image_index: value for image_index, value in samples if isinstance(value, str)},
    )
