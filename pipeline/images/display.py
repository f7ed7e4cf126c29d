"""Make pictures for the browser: JPEGs of limited size. Large pictures take turns."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from math import ceil
from typing import IO

from PIL import Image, JpegImagePlugin

from pipeline.errors import DatasetError
from pipeline.images import decoding
from pipeline.images.colour import TRANSPARENT_MODES, is_srgb
from pipeline.images.decoding_turns import turns
from pipeline.images.locations import open_location
from pipeline.images.repair import has_jpeg_end

#: Quality of the JPEGs that are made for display.
DISPLAY_QUALITY = 90

_LEAST_REDUCED_PX = 32
_JPEG_REDUCTIONS = (1, 2, 4, 8)
#: Bytes per RGB pixel in Pillow; below, four copies: the decoder's, the RGB, and two while it is turned or scaled.
_BYTES_DECODED = 4
_BYTES_A_PIXEL = 4 * _BYTES_DECODED
#: One copy more, laid over white.
_BYTES_A_TRANSPARENT_PIXEL = 5 * _BYTES_DECODED
#: 16-bit grey is scaled as whole numbers.
_BYTES_A_DEEP_PIXEL = 14
_BYTES_A_COEFFICIENT = 2
#: Bytes per pixel that some decoders hold besides the picture, because they work on whole pictures.
_BYTES_OF_DECODER = {"WEBP": 8, "JPEG2000": 4, "TIFF": 4, "AVIF": 4, "HEIF": 2}


@dataclass(frozen=True, slots=True)
class DisplayJpeg:
    """A JPEG for the browser: its bytes, its own size, and the size of the original when upright."""

    data: bytes
    width_px: int
    height_px: int
    original_width_px: int
    original_height_px: int


def display_jpeg(location: str, max_side_px: int | None) -> tuple[bytes, int, int]:
    """Return an image as a JPEG for the browser, with its width and height in pixels; see :func:`read_display`."""
    shown = read_display(location, max_side_px)
    return shown.data, shown.width_px, shown.height_px


def read_display(location: str, max_side_px: int | None) -> DisplayJpeg:
    """Return an image as a JPEG for the browser, in sRGB.

    A JPEG that is small enough, upright, whole, in sRGB and not CMYK is passed through byte for byte. Others are
    decoded. Large pictures take turns (:mod:`pipeline.images.decoding_turns`); while one waits, only its header is in
    memory.

    Parameters
    ----------
    location
        Local path or fsspec URL.
    max_side_px
        Longest side of the result; None keeps the full resolution.

    Raises
    ------
    DatasetError
        As for :func:`pipeline.images.read_image`, and if decoding would take more than half of the machine's memory.
    NoTurnError
        Only inside :func:`pipeline.images.decoding_turns.without_waiting`.
    """
    with open_location(location) as file:
        opened = decoding.open_image(file, location)
        longest_px = max(opened.size)
        is_small = longest_px <= (max_side_px or longest_px) and decoding.n_pixels(opened) <= decoding.MAX_PIXELS
        if is_small and _is_plain_jpeg(opened):
            data = _read(file, location)
            if has_jpeg_end(data):
                return DisplayJpeg(data, *opened.size, *opened.size)
        shrink = 1.0 if max_side_px is None else min(1.0, max_side_px / longest_px)
        # Rounded up, and never just a few pixels: reducing a thin image early would change its shape.
        shortest_px = max(_LEAST_REDUCED_PX, ceil(min(opened.size) * shrink))
        reduce_to_px = None if shrink == 1.0 else shortest_px
        n_bytes = _n_bytes(opened, reduce_to_px)
        if n_bytes > turns().most_bytes:
            raise DatasetError(
                f"{location}: too large: decoding it takes {n_bytes >> 20:,} MiB, more than half of the memory here; "
                "store it smaller, or as a JPEG that is not progressive"
            )
        with turns().take(n_bytes):
            return _made_display(file, opened, location, shrink, reduce_to_px)


def _made_display(
    file: IO[bytes], opened: Image.Image, location: str, shrink: float, reduce_to_px: int | None
) -> DisplayJpeg:
    original = opened.size
    image = decoding.decode(file, opened, location, reduce_to_px)
    # After a quarter turn, the file's width and height are swapped.
    is_turned = (image.width - image.height) * (original[0] - original[1]) < 0
    original = original[::-1] if is_turned else original
    if shrink < 1.0:
        # Computed from the original's shape, because the decoder's own reduction rounds each side up.
        size = (max(1, round(original[0] * shrink)), max(1, round(original[1] * shrink)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return DisplayJpeg(_encode(image, location), *image.size, *original)


def _read(file: IO[bytes], location: str) -> bytes:
    try:
        file.seek(0)
        return file.read()
    except OSError as error:
        raise DatasetError(f"{location}: cannot be read: {error}") from error


def _encode(image: Image.Image, location: str) -> bytes:
    buffer = BytesIO()
    try:
        image.save(buffer, "JPEG", quality=DISPLAY_QUALITY)
    except (OSError, ValueError) as error:
        width_px, height_px = image.size
        raise DatasetError(f"{location}: {width_px} × {height_px} px cannot be shown as a JPEG: {error}") from error
    return buffer.getvalue()


def _n_bytes(image: Image.Image, reduce_to_px: int | None) -> int:
    """Return the peak memory, in bytes, that making a picture for display takes."""
    n_pixels = decoding.n_pixels(image)
    while_decoding = 0
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        divisor = decoding.jpeg_divisor(image.size, reduce_to_px)
        n_pixels //= max(power for power in _JPEG_REDUCTIONS if power <= divisor) ** 2
        if "progressive" in image.info:
            while_decoding = _n_coefficients(image) * _BYTES_A_COEFFICIENT + n_pixels * _BYTES_DECODED
    return max(while_decoding, n_pixels * _bytes_a_pixel(image))


def _n_coefficients(image: JpegImagePlugin.JpegImageFile) -> int:
    """Return how many coefficients a progressive JPEG keeps until its last scan, however far it is reduced."""
    samples = [across * down for _, across, down, _ in image.layer]
    widest = max(across for _, across, _, _ in image.layer) * max(down for _, _, down, _ in image.layer)
    return decoding.n_pixels(image) * sum(samples) // max(1, widest)


def _bytes_a_pixel(image: Image.Image) -> int:
    of_decoder = _BYTES_OF_DECODER.get(image.format or "", 0)
    if image.mode.startswith("I"):
        return of_decoder + _BYTES_A_DEEP_PIXEL
    if image.mode in TRANSPARENT_MODES or "transparency" in image.info:
        return of_decoder + _BYTES_A_TRANSPARENT_PIXEL
    return of_decoder + _BYTES_A_PIXEL


def _is_plain_jpeg(image: Image.Image) -> bool:
    """Tell whether a browser shows a JPEG just as the model sees it."""
    return image.format == "JPEG" and image.mode in {"RGB", "L"} and decoding.is_upright(image) and is_srgb(image)
