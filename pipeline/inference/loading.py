"""Images of a project as batches of tensors, decoded by processes beside the network or by threads in turn with it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from timm.data import create_transform
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import DatasetError
from pipeline.images import read_as_timm, read_image
from pipeline.images.locations import join_location
from pipeline.inference.views import views
from pipeline.project.tables import IMAGES_ROW_GROUP

if TYPE_CHECKING:
    from pipeline.project.folder import Project

_GROUPS_KEPT = 2
#: A JPEG is decoded at reduced size, but at no less than this many times the side it is resized to. So the result stays
#: the same except for rounding.
_DRAFT_FACTOR = 2
#: A picture that is more elongated than this is cut to its middle before it is scaled: the model's crop lies within it,
#: and scaling a whole strip of 1 × 3,000 pixels would take 790 MiB.
_MOST_ELONGATED = 16

#: For each preprocessing, uint8 (n_views, channels, height, width); or the reason why there are none.
Looks = tuple[torch.Tensor, ...] | str


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Some images, in order of `image_index`.

    Parameters
    ----------
    image_index
        Index of every image of the batch.
    decoded
        Positions in `image_index` of the images that could be decoded.
    pixels
        For each preprocessing, uint8 (len(decoded), n_views, channels, height, width); :func:`normalized` makes of them
        what a network takes.
    failures
        `image_index` of each of the others, with the reason.
    """

    image_index: list[int]
    decoded: list[int]
    pixels: tuple[torch.Tensor, ...]
    failures: dict[int, str]


class ImageFiles(Dataset[tuple[int, Looks]]):
    """Image files, each decoded once and looked at in several ways; an unreadable one gives its reason instead.

    Parameters
    ----------
    data_configs
        `timm`'s data configuration of each preprocessing.
    n_views
        In how many views each image is looked at.
    as_timm
        Decode like `timm` itself, without turning images upright or converting them to sRGB, to reproduce published
        figures.

    Attributes
    ----------
    looks
        For each preprocessing `timm`'s own transform, but for its last step, which is left to a whole batch; and the
        data configuration.
    views
        Where each image is looked at.
    """

    def __init__(self, data_configs: Sequence[Mapping[str, Any]], n_views: int = 1, *, as_timm: bool = False) -> None:
        self.as_timm = as_timm
        self.looks = [
            (create_transform(**config, is_training=False, use_prefetcher=True), config) for config in data_configs
        ]
        self.views = views(n_views)
        smallest = min(view.side for view in self.views)
        sides_px = [max(config["input_size"][1:]) / (config.get("crop_pct") or 1.0) for config in data_configs]
        self._reduce_to_px = _DRAFT_FACTOR * math.ceil(max(sides_px, default=1.0) / smallest)

    def location(self, index: int) -> str | None:
        """Return where the file of an image lies; None if it has none."""
        raise NotImplementedError

    def __getitem__(self, index: int) -> tuple[int, Looks]:
        """Return an image's tensors, or the reason why there are none."""
        return self.looked_at(index, self.location(index))

    def looked_at(self, index: int, location: str | None) -> tuple[int, Looks]:
        """Return the tensors of an image that lies there, or the reason why there are none; threads may call it."""
        if location is None:
            return index, "has no file in this project"
        try:
            image = read_as_timm(location) if self.as_timm else read_image(location, self._reduce_to_px)
            parts = [image if view.side == 1 else image.crop(view.box(*image.size)) for view in self.views]
            return index, tuple(
                torch.from_numpy(np.stack([transform(_as_wanted(part, config)) for part in parts]))
                for transform, config in self.looks
            )
        except DatasetError as error:
            return index, str(error)


def _as_wanted(image: Image.Image, config: Mapping[str, Any]) -> Image.Image:
    """Return a picture with the channels that a preprocessing wants; a strip is cut if only its middle is used."""
    shown = _middle(image) if config.get("crop_mode", "center") == "center" else image
    return shown if config["input_size"][0] != 1 else shown.convert("L")


def _middle(image: Image.Image) -> Image.Image:
    box = middle_box(*image.size)
    return image if box == (0, 0, *image.size) else image.crop(box)


def middle_box(width_px: int, height_px: int) -> tuple[int, int, int, int]:
    """Return the box of the middle of a strip, as much as a model's crop may need; of other pictures the whole."""
    surplus_px = max(width_px, height_px) - _MOST_ELONGATED * min(width_px, height_px)
    cut = surplus_px // 2 if surplus_px >= 2 else 0
    across, down = (0, cut) if height_px >= width_px else (cut, 0)
    return across, down, width_px - across, height_px - down


class ListedImages(ImageFiles):
    """Images whose locations are given, such as those of a reference set."""

    def __init__(
        self, locations: Sequence[str], data_configs: Sequence[Mapping[str, Any]], *, as_timm: bool = False
    ) -> None:
        super().__init__(data_configs, as_timm=as_timm)
        self._locations = locations

    def location(self, index: int) -> str | None:
        """Return where the file of an image lies."""
        return self._locations[index]


class ProjectImages(ImageFiles):
    """A project's images; each process reads their locations from the project's table itself, by row group."""

    def __init__(
        self,
        images_path: Path,
        images_root: str,
        data_configs: Sequence[Mapping[str, Any]],
        n_views: int = 1,
        *,
        as_timm: bool = False,
        folders: Sequence[str] = (),
    ) -> None:
        super().__init__(data_configs, n_views, as_timm=as_timm)
        self._folders = tuple(folders)
        self._images_path = images_path
        self._images_root = images_root
        self._file: pq.ParquetFile | None = None
        self._groups: OrderedDict[int, list[str | None]] = OrderedDict()

    def location(self, index: int) -> str | None:
        """Return where the file of an image lies; None if it has none."""
        group, offset = divmod(index, IMAGES_ROW_GROUP)
        if group not in self._groups:
            if self._file is None:
                self._file = pq.ParquetFile(self._images_path)
            column = self._file.read_row_group(group, columns=["path"], use_threads=False).column(0)
            self._groups[group] = column.to_pylist()
            if len(self._groups) > _GROUPS_KEPT:
                self._groups.popitem(last=False)
        path = self._groups[group][offset]
        return None if path is None else join_location(self._images_root, path, self._folders)


def images_of(project: Project, configs: Sequence[Mapping[str, Any]], n_views: int = 1) -> ProjectImages:
    """Return a project's images, as networks with these preprocessings look at them."""
    as_timm = project.settings.proposals.exif == "as timm"
    folders = project.image_folders
    return ProjectImages(project.images_path, project.images_root, configs, n_views, as_timm=as_timm, folders=folders)


def normalized(pixels: torch.Tensor, config: Mapping[str, Any]) -> torch.Tensor:
    """Return pixels as a network takes them: to the last bit those of `timm`'s own transform.

    Parameters
    ----------
    pixels
        uint8 (n, channels, height, width).
    config
        `timm`'s data configuration.

    Returns
    -------
    torch.Tensor
        float32, same shape, on the same device, its channels last in memory.
    """
    found = pixels.to(torch.float32, memory_format=torch.channels_last).div_(255)
    mean, std = (_for_channels(tuple(config[name]), found.device) for name in ("mean", "std"))
    return found.sub_(mean).div_(std)


@cache
def _for_channels(values: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """Return a number for each channel, kept where it is: bringing it there for every batch would stop a GPU."""
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]


def batches_in_turn(
    images: ImageFiles, indices: Sequence[int], *, batch_size: int, n_threads: int
) -> Iterator[ImageBatch]:
    """Yield batches in order of `indices`; threads decode one when it is asked for, and rest while it is used.

    On a CPU, decoding beside a network only takes the cores away that the network is waiting for.
    """
    with ThreadPoolExecutor(n_threads, "decoding") as pool:
        for first in range(0, len(indices), batch_size):
            chunk = indices[first : first + batch_size]
            yield collated(list(pool.map(images.looked_at, chunk, [images.location(index) for index in chunk])))


def image_batches(
    images: ImageFiles, indices: Sequence[int], *, batch_size: int, n_workers: int, pin_memory: bool
) -> Iterable[ImageBatch]:
    """Return a loader that yields :class:`ImageBatch` in order of `indices`, decoded by processes (0: by this one)."""
    return DataLoader(
        images,
        batch_size=batch_size,
        sampler=indices,
        num_workers=n_workers,
        collate_fn=collated,
        pin_memory=pin_memory,
        prefetch_factor=4 if n_workers else None,
    )


def collated(samples: Sequence[tuple[int, Looks]]) -> ImageBatch:
    """Return a batch of images, each with its index."""
    looks = [(position, value) for position, (_, value) in enumerate(samples) if not isinstance(value, str)]
    return ImageBatch(
        image_index=[image_index for image_index, _ in samples],
        decoded=[position for position, _ in looks],
        pixels=tuple(torch.stack(tensors) for tensors in zip(*(value for _, value in looks), strict=True)),
        failures={image_index: value for image_index, value in samples if isinstance(value, str)},
    )
