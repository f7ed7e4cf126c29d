"""Batches of images that a GPU decodes, turns, scales and crops: nvjpeg through torchvision, then `timm`'s geometry.

Processes read files and look at their headers. Plain JPEGs (:mod:`pipeline.images.plain_jpeg`) go to the GPU as they
are; all others, and those that its decoder refuses, go the way of :class:`pipeline.inference.loading.ImageFiles`, one
by one, into the same batch. Everything here runs on any device of torch; only on a CPU it is not worth it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from timm.data.transforms import CenterCropOrPad, ResizeKeepRatio
from torch.utils.data import DataLoader, Dataset
from torchvision.io import ImageReadMode, decode_jpeg
from torchvision.transforms import CenterCrop, Resize

from pipeline.errors import ProjectError
from pipeline.images.plain_jpeg import PlainJpeg, read_plain_jpeg
from pipeline.inference.loading import ImageBatch, ImageFiles, Looks, middle_box
from pipeline.inference.views import View

#: Images that a process hands over at once, and pixels that a GPU decodes at once: both bound the memory.
_READ_AT_ONCE, _PIXELS_AT_ONCE = 32, 2**25
#: Batches that are decoded ahead of the one in use.
_AHEAD = 2
#: How many times smaller torch makes a picture on a GPU: for more than about 47, its kernel has too little memory. And
#: how many pixels have to be left: one column alone it fills, on a CPU, with the first pixel.
_MOST_REDUCED, _LEAST_LEFT = 40, 2
#: Interpolations of which torch has the antialiased kind that Pillow computes.
_INTERPOLATIONS = frozenset({"bilinear", "bicubic"})
#: EXIF's number for how a picture is stored: whether rows and columns change places, and what is mirrored then.
_TURNS = {
    2: (False, (-1,)),
    3: (False, (-2, -1)),
    4: (False, (-2,)),
    5: (True, ()),
    6: (True, (-1,)),
    7: (True, (-2, -1)),
    8: (True, (-2,)),
}


@dataclass(frozen=True, slots=True)
class _Read:
    """Images as a process read them: the bytes of plain JPEGs end to end, by position; of the others the tensors."""

    image_index: list[int]
    positions: list[int]
    data: torch.Tensor
    lengths: list[int]
    n_pixels: list[int]
    orientations: list[int]
    others: dict[int, Looks]


class _Reading(Dataset[tuple[int, PlainJpeg | Looks]]):
    """Reads files of images; those that are no plain JPEGs are looked at right away."""

    def __init__(self, images: ImageFiles) -> None:
        self._images = images

    def __getitem__(self, index: int) -> tuple[int, PlainJpeg | Looks]:
        location = self._images.location(index)
        found = None if location is None else read_plain_jpeg(location, as_timm=self._images.as_timm)
        return self._images.looked_at(index, location) if found is None else (index, found)


def decoded_batches(
    images: ImageFiles, indices: Sequence[int], device: torch.device, *, batch_size: int, n_workers: int
) -> Iterator[ImageBatch]:
    """Yield batches in order of `indices`, their pixels on the device; they are decoded ahead, beside a network.

    Parameters
    ----------
    images
        The images and how they are looked at.
    device
        Where JPEGs are decoded.
    batch_size
        Images of a batch, at most.
    n_workers
        Number of processes that read files; with 0, this process reads.

    Raises
    ------
    ProjectError
        If a preprocessing has a step that is not known here.
    """
    decoder = Decoder(images, device)
    n_parts = -(-batch_size // _READ_AT_ONCE)
    parts: Iterable[_Read] = DataLoader(
        _Reading(images),
        batch_size=batch_size // n_parts,
        sampler=indices,
        num_workers=n_workers,
        collate_fn=_together,
    )
    begun: deque[Future[ImageBatch]] = deque()
    with ThreadPoolExecutor(1, "decoding") as pool:
        waiting: list[_Read] = []
        for part in parts:
            waiting.append(part)
            if len(waiting) == n_parts:
                begun.append(pool.submit(decoder.batch, waiting))
                waiting = []
            if len(begun) > _AHEAD:
                yield _taken(begun.popleft().result())
        if waiting:
            begun.append(pool.submit(decoder.batch, waiting))
        while begun:
            yield _taken(begun.popleft().result())


def decode_something(device: torch.device) -> None:
    """Decode a small picture there; raise what torchvision raises where it cannot."""
    encoded = BytesIO()
    Image.new("RGB", (16, 16)).save(encoded, "JPEG")
    decode_jpeg([torch.from_numpy(np.frombuffer(encoded.getvalue(), np.uint8).copy())], ImageReadMode.RGB, device)


def _together(samples: Sequence[tuple[int, PlainJpeg | Looks]]) -> _Read:
    jpegs = {place: value for place, (_, value) in enumerate(samples) if isinstance(value, PlainJpeg)}
    data: list[npt.NDArray[np.uint8]] = [np.frombuffer(jpeg.data, np.uint8) for jpeg in jpegs.values()]
    return _Read(
        image_index=[index for index, _ in samples],
        positions=list(jpegs),
        data=torch.from_numpy(np.concatenate([*data, np.empty(0, np.uint8)])),
        lengths=[len(jpeg.data) for jpeg in jpegs.values()],
        n_pixels=[jpeg.n_pixels for jpeg in jpegs.values()],
        orientations=[jpeg.orientation for jpeg in jpegs.values()],
        others={place: value for place, (_, value) in enumerate(samples) if not isinstance(value, PlainJpeg)},
    )


def _taken(batch: ImageBatch) -> ImageBatch:
    """Return a batch whose memory is not given to the next one before this thread's stream has done with it."""
    for pixels in batch.pixels:
        if pixels.is_cuda:
            pixels.record_stream(torch.cuda.current_stream(pixels.device))
    return batch


class Decoder:
    """Makes pixels of JPEGs on a device; one thread at a time uses it.

    Parameters
    ----------
    images
        The images and how they are looked at.
    device
        The device.

    Raises
    ------
    ProjectError
        If a preprocessing has a step that is not known here.
    """

    def __init__(self, images: ImageFiles, device: torch.device) -> None:
        self._images, self._device = images, device
        self._shapers = [_Shaper(transform.transforms, config) for transform, config in images.looks]
        # Before the network's next kernels: it is the network that waits for pixels.
        self._stream = torch.cuda.Stream(device, priority=-1) if device.type == "cuda" else None  # type: ignore[no-untyped-call]

    def batch(self, parts: Sequence[_Read]) -> ImageBatch:
        """Return the batch of some images that were read, as Pillow's way would give it but for rounding."""
        with self._on_stream():
            found = self._batch(parts)
            if self._stream:
                self._stream.synchronize()
        return found

    def _on_stream(self) -> AbstractContextManager[object]:
        return torch.cuda.stream(self._stream) if self._stream else nullcontext()

    def _batch(self, parts: Sequence[_Read]) -> ImageBatch:
        image_index = [index for part in parts for index in part.image_index]
        shown = [_Shown(len(self._images.views)) for _ in self._shapers]
        others: dict[int, Looks] = {}
        first = 0
        for part in parts:
            others |= {first + place: looks for place, looks in part.others.items()}
            jpegs = list(torch.split(part.data, part.lengths))
            for some in _in_chunks(part.n_pixels):
                pictures: dict[int, torch.Tensor] = {}
                for number, picture in zip(some, self._decoded(jpegs[some.start : some.stop]), strict=True):
                    place = first + part.positions[number]
                    if picture is None or any(shaper.reduces_too_far(picture) for shaper in self._shapers):
                        index = image_index[place]
                        others[place] = self._images.looked_at(index, self._images.location(index))[1]
                    else:
                        pictures[place] = _turned(picture, part.orientations[number])
                for shaper, looks in zip(self._shapers, shown, strict=True):
                    shaper.show(pictures, self._images.views, looks)
            first += len(part.image_index)
        failures = {image_index[place]: why for place, why in others.items() if isinstance(why, str)}
        for number, looks in enumerate(shown):
            for place, tensors in others.items():
                if not isinstance(tensors, str):
                    looks.add_whole(place, tensors[number].to(self._device))
        decoded = [place for place, index in enumerate(image_index) if index not in failures]
        pixels = tuple(looks.in_order() for looks in shown) if decoded else ()
        return ImageBatch(image_index, decoded, pixels, failures)

    def _decoded(self, jpegs: list[torch.Tensor]) -> list[torch.Tensor | None]:
        """Return the pictures (3, height, width); None for those that the decoder refuses, found by halves."""
        if self._stream:  # the decoder has a stream of its own, which does not wait for those that read the memory last
            self._stream.synchronize()
        try:
            if self._device.type == "cpu":  # torchvision 0.18 takes no list
                return [decode_jpeg(jpeg, ImageReadMode.RGB) for jpeg in jpegs]
            return list(decode_jpeg(jpegs, ImageReadMode.RGB, self._device))
        except RuntimeError:
            if len(jpegs) == 1:
                return [None]
            half = len(jpegs) // 2
            return self._decoded(jpegs[:half]) + self._decoded(jpegs[half:])


def _in_chunks(n_pixels: Sequence[int]) -> Iterator[range]:
    """Yield ranges of pictures, each of at most :data:`_PIXELS_AT_ONCE` pixels or of a single picture."""
    first = total = 0
    for number, n in enumerate(n_pixels):
        if number > first and total + n > _PIXELS_AT_ONCE:
            yield range(first, number)
            first, total = number, 0
        total += n
    if len(n_pixels) > first:
        yield range(first, len(n_pixels))


def _turned(picture: torch.Tensor, orientation: int) -> torch.Tensor:
    if orientation not in _TURNS:
        return picture
    is_transposed, mirrored = _TURNS[orientation]
    return (picture.mT if is_transposed else picture).flip(mirrored)


class _Shown:
    """Collects looks at the images of a batch for one preprocessing, in any order."""

    def __init__(self, n_views: int) -> None:
        self._n_views = n_views
        self._rows: list[int] = []
        self._pixels: list[torch.Tensor] = []

    def add(self, places: Sequence[int], view: int, pixels: torch.Tensor) -> None:
        """Add a view of some images: float32 or uint8 (n, channels, height, width), of 0 to 255 but for rounding."""
        self._rows += [place * self._n_views + view for place in places]
        self._pixels.append(pixels)

    def add_whole(self, place: int, pixels: torch.Tensor) -> None:
        """Add all views of an image: uint8 (n_views, channels, height, width)."""
        self._rows += range(place * self._n_views, (place + 1) * self._n_views)
        self._pixels.append(pixels.float())

    def in_order(self) -> torch.Tensor:
        """Return uint8 (n, n_views, channels, height, width)."""
        together = torch.cat(self._pixels).round_().clamp_(0, 255).to(torch.uint8)
        order = torch.tensor(self._rows).argsort().to(together.device)
        return together[order].reshape(-1, self._n_views, *together.shape[1:])


class _Shaper:
    """Scales and crops pictures as the steps of a transform of `timm` do.

    Parameters
    ----------
    steps
        The steps.
    config
        The data configuration that they were made from.

    Raises
    ------
    ProjectError
        If it is not one step that scales, one that crops and one that makes a tensor, for pictures in colour.
    """

    def __init__(self, steps: Sequence[Any], config: Mapping[str, Any]) -> None:
        kinds = [type(step) for step in steps]
        self._interpolation = config.get("interpolation", "bilinear")
        if (
            len(kinds) != 3
            or kinds[0] not in (Resize, ResizeKeepRatio)
            or kinds[1] not in (CenterCrop, CenterCropOrPad)
            or self._interpolation not in _INTERPOLATIONS
            or config["input_size"][0] != 3
        ):
            said = ", ".join(kind.__name__ for kind in kinds)
            raise ProjectError(
                f"--decode gpu: a model scales its images in a way that is not known there ({said}; "
                f"{self._interpolation}, {config['input_size'][0]} channels); give --decode cpu"
            )
        self._scale, self._crop = steps[0], steps[1]
        self._fill = [round(255 * value) for value in config["mean"]] if kinds[1] is CenterCropOrPad else [0, 0, 0]
        self._is_middle_enough = config.get("crop_mode", "center") == "center"

    def reduces_too_far(self, picture: torch.Tensor) -> bool:
        """Return whether so little becomes of a picture, in all or of one side, that torch cannot scale it."""
        sides = picture.shape[1:]
        scaled = zip(sides, self._size(*sides), strict=True)
        return any(left < _LEAST_LEFT or n > _MOST_REDUCED * left for n, left in scaled)

    def show(self, pictures: Mapping[int, torch.Tensor], views: Sequence[View], shown: _Shown) -> None:
        """Add the views of pictures uint8 (3, height, width), by place; those of one size are scaled together."""
        for number, view in enumerate(views):
            by_size: defaultdict[torch.Size, list[tuple[int, torch.Tensor]]] = defaultdict(list)
            for place, picture in pictures.items():
                part = picture if view.side == 1 else _cut(picture, view.box(picture.shape[2], picture.shape[1]))
                if self._is_middle_enough:
                    part = _cut(part, middle_box(part.shape[2], part.shape[1]))
                by_size[part.shape].append((place, part))
            for alike in by_size.values():
                shown.add([place for place, _ in alike], number, self._shaped([part for _, part in alike]))

    def _shaped(self, pictures: Sequence[torch.Tensor]) -> torch.Tensor:
        together = (torch.stack(list(pictures)) if len(pictures) > 1 else pictures[0][None]).float()
        scaled = torch.nn.functional.interpolate(
            together, self._size(*together.shape[2:]), mode=self._interpolation, antialias=True, align_corners=False
        )
        (top, into_top, height), (left, into_left, width) = map(_span, scaled.shape[2:], self._crop.size)
        part = scaled[:, :, top : top + height, left : left + width]
        if (height, width) == tuple(self._crop.size):
            return part
        canvas = part.new_tensor(self._fill)[:, None, None].repeat(len(part), 1, *self._crop.size)
        canvas[:, :, into_top : into_top + height, into_left : into_left + width] = part
        return canvas

    def _size(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Return the height and width that a picture is scaled to."""
        if isinstance(self._scale, ResizeKeepRatio):
            nothing = torch.empty(1, height_px, width_px, device="meta")
            found = self._scale.get_params(nothing, self._scale.size, self._scale.longest)
            return int(found[0]), int(found[1])
        if not isinstance(self._scale.size, int):
            return tuple(self._scale.size)
        longer = int(self._scale.size * max(height_px, width_px) / min(height_px, width_px))
        return (longer, self._scale.size) if height_px > width_px else (self._scale.size, longer)


def _cut(picture: torch.Tensor, box: tuple[int, int, int, int]) -> torch.Tensor:
    return picture[:, box[1] : box[3], box[0] : box[2]]


def _span(n_px: int, wanted_px: int) -> tuple[int, int, int]:
    """Return where a crop of the middle begins, where it comes to lie, and its length; it may want more than is."""
    if n_px < wanted_px:
        return 0, (wanted_px - n_px) // 2, n_px
    return round((n_px - wanted_px) / 2), 0, wanted_px
