"""Decoding any photograph that a data set may hold, or saying by name why it cannot be decoded.

Nothing here imports torch: sessions show images from kernels that stay small.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from math import ceil
from typing import IO

import numpy as np
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from pipeline.datasets.locations import open_location, read_bytes
from pipeline.errors import DatasetError

#: Most pixels that are decoded at once (268 MB of RGB). A larger JPEG is decoded at a half, a quarter or an eighth.
MAX_PIXELS = 89_478_485
#: Most pixels a JPEG may have, however much it is reduced: a progressive one keeps all of its coefficients in memory.
MAX_JPEG_PIXELS = 1_000_000_000
#: Quality of the JPEGs that are made for display.
DISPLAY_QUALITY = 90
#: Formats that are opened, by Pillow's names. Others are not photographs, and decoding some (EPS) runs programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")

_LEAST_REDUCED_PX = 32
_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TRANSPARENT_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
#: What Pillow's decoders raise on damaged files, beside the obvious.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def read_image(location: str, reduce_to_px: int | None = None) -> Image.Image:
    """Decode an image as people see it: upright, in RGB, 8 bits a channel, over white where it is transparent.

    Of an animation the first frame is taken; 16-bit grey is scaled to 8 bits.

    Parameters
    ----------
    location
        Local path or fsspec URL.
    reduce_to_px
        A JPEG may be decoded at a half, a quarter or an eighth as long as both sides keep this many pixels, which is
        several times as fast. Other formats ignore it.

    Returns
    -------
    PIL.Image.Image
        In mode RGB.

    Raises
    ------
    DatasetError
        If it is missing, damaged or larger than :data:`MAX_PIXELS` (:data:`MAX_JPEG_PIXELS` for a JPEG); the message
        names the file and the reason.
    """
    with open_location(location) as file:
        return _decode(file, location, reduce_to_px)


def check_header(location: str) -> None:
    """Check that a file starts like an image of acceptable size, without decoding it.

    Raises
    ------
    DatasetError
        If it does not.
    """
    with open_location(location) as file:
        _open(file, location)


@dataclass(frozen=True, slots=True)
class DisplayJpeg:
    """A JPEG for the browser: its bytes, its own size, and the size of the original once it stands upright."""

    data: bytes
    width_px: int
    height_px: int
    original_width_px: int
    original_height_px: int


def display_jpeg(location: str, max_side_px: int | None) -> tuple[bytes, int, int]:
    """Return an image as a JPEG for the browser, with its width and its height in pixels; see :func:`read_display`."""
    shown = read_display(location, max_side_px)
    return shown.data, shown.width_px, shown.height_px


def read_display(location: str, max_side_px: int | None) -> DisplayJpeg:
    """Return an image as a JPEG for the browser.

    A JPEG that is small enough, upright and not CMYK is passed through byte for byte.

    Parameters
    ----------
    location
        Local path or fsspec URL.
    max_side_px
        Longest side of the result; None keeps the full resolution.

    Raises
    ------
    DatasetError
        As :func:`read_image`.
    """
    data = read_bytes(location)
    opened = _open(BytesIO(data), location)
    longest_px = max(opened.size)
    if _is_plain_jpeg(opened) and longest_px <= (max_side_px or longest_px) and _n_pixels(opened) <= MAX_PIXELS:
        return DisplayJpeg(data, *opened.size, *opened.size)
    shrink = 1.0 if max_side_px is None else min(1.0, max_side_px / longest_px)
    # Rounded up, and never a few pixels alone: reducing a thin image early would change its shape.
    shortest_px = max(_LEAST_REDUCED_PX, ceil(min(opened.size) * shrink))
    image = _decode(BytesIO(data), location, None if shrink == 1.0 else shortest_px)
    # A picture that was turned by a quarter lies across its file's own width and height.
    is_turned = (image.width - image.height) * (opened.width - opened.height) < 0
    original = opened.size[::-1] if is_turned else opened.size
    if shrink < 1.0:
        # By the original's shape: the decoder's own reduction rounds each side up.
        size = (max(1, round(original[0] * shrink)), max(1, round(original[1] * shrink)))
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return DisplayJpeg(_encode(image, location), *image.size, *original)


def _encode(image: Image.Image, location: str) -> bytes:
    buffer = BytesIO()
    try:
        image.save(buffer, "JPEG", quality=DISPLAY_QUALITY)
    except (OSError, ValueError) as error:
        width_px, height_px = image.size
        raise DatasetError(f"{location}: {width_px} × {height_px} px cannot be shown as a JPEG: {error}") from error
    return buffer.getvalue()


def _decode(file: IO[bytes], location: str, reduce_to_px: int | None) -> Image.Image:
    image = _open(file, location)
    try:
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            _draft(image, reduce_to_px)
        orientation = _orientation(image)
        decoded = _to_rgb(image)
    except _DECODER_ERRORS as error:
        raise DatasetError(f"{location}: cannot be decoded: {_reason(error)}") from error
    transpose = _ORIENTATIONS.get(orientation)
    return decoded if transpose is None else decoded.transpose(transpose)


def _open(file: IO[bytes], location: str) -> Image.Image:
    """Read the header and refuse what is too large, before any pixel is decoded."""
    try:
        start = file.read(3)
        file.seek(0)
        is_jpeg = start == b"\xff\xd8\xff"
        # Image.open refuses large files of any format; a large JPEG can be decoded reduced, so it is opened directly.
        image: Image.Image = JpegImagePlugin.JpegImageFile(file) if is_jpeg else Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise DatasetError(f"{location}: not an image in a known format") from error
    except Image.DecompressionBombError as error:
        raise DatasetError(f"{location}: too large: more than {MAX_PIXELS:,} pixels") from error
    except _DECODER_ERRORS as error:
        raise DatasetError(f"{location}: cannot be decoded: {_reason(error)}") from error
    limit = MAX_JPEG_PIXELS if is_jpeg else MAX_PIXELS
    if _n_pixels(image) > limit:
        width_px, height_px = image.size
        raise DatasetError(f"{location}: too large: {width_px} × {height_px} px, more than {limit:,} pixels")
    if not _n_pixels(image):
        raise DatasetError(f"{location}: has no pixels")
    return image


def _draft(image: JpegImagePlugin.JpegImageFile, reduce_to_px: int | None) -> None:
    width_px, height_px = image.size
    divisor = 1 if reduce_to_px is None else max(1, min(width_px, height_px) // max(1, reduce_to_px))
    while width_px * height_px > MAX_PIXELS * divisor * divisor:
        divisor *= 2
    if divisor > 1:
        image.draft(None, (width_px // divisor, height_px // divisor))


def _to_rgb(image: Image.Image) -> Image.Image:
    image.load()
    if image.mode == "RGB":
        return image.copy() if image.info.get("transparency") is None else _over_white(image)
    if image.mode in _TRANSPARENT_MODES or "transparency" in image.info:
        return _over_white(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PNG", "PPM"}):
        values = np.asarray(image).astype(np.int64).clip(0, 65535)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        raise ValueError(f"32-bit pixels (mode {image.mode}) have no defined white; convert the file to 8 or 16 bits")
    return image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    with_alpha = image.convert("RGBA")
    white = Image.new("RGBA", with_alpha.size, "white")
    return Image.alpha_composite(white, with_alpha).convert("RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except _DECODER_ERRORS:
        return 1  # damaged metadata is no reason to lose the picture


def _is_plain_jpeg(image: Image.Image) -> bool:
    return image.format == "JPEG" and image.mode in {"RGB", "L"} and _orientation(image) not in _ORIENTATIONS


def _n_pixels(image: Image.Image) -> int:
    return image.size[0] * image.size[1]


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
