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

from pipeline.errors import DatasetError
from pipeline.images.locations import open_location
from pipeline.images.turns import turns

#: Most pixels that are decoded at once (268 MB of RGB). A larger JPEG is decoded at a half, a quarter or an eighth.
MAX_PIXELS = 89_478_485
#: Most pixels a JPEG may have, however much it is reduced: a progressive one keeps all of its coefficients in memory.
MAX_JPEG_PIXELS = 1_000_000_000
#: Quality of the JPEGs that are made for display.
DISPLAY_QUALITY = 90
#: Formats that are opened, by Pillow's names. Others are not photographs, and decoding some (EPS) runs programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")

_LEAST_REDUCED_PX = 32
_JPEG_REDUCTIONS = (1, 2, 4, 8)
#: As Pillow holds a pixel of RGB; then as the decoder has it, in RGB, and twice while it is turned upright or scaled.
_BYTES_DECODED = 4
_BYTES_A_PIXEL = 4 * _BYTES_DECODED
#: Laid over white, in between.
_BYTES_A_TRANSPARENT_PIXEL = 5 * _BYTES_DECODED
#: 16-bit grey, scaled as whole numbers.
_BYTES_A_DEEP_PIXEL = 20
_BYTES_A_COEFFICIENT = 2
#: What decoders that work on whole pictures hold beside them.
_BYTES_OF_DECODER = {"WEBP": 8, "JPEG2000": 4, "TIFF": 4}
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
        return _decode(_open(file, location), location, reduce_to_px)


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

    A JPEG that is small enough, upright and not CMYK is passed through byte for byte. Others are decoded, large ones in
    turns (:mod:`pipeline.images.turns`); while one waits, no more than its header is in memory.

    Parameters
    ----------
    location
        Local path or fsspec URL.
    max_side_px
        Longest side of the result; None keeps the full resolution.

    Raises
    ------
    DatasetError
        As :func:`read_image`; and if decoding it takes more than half of the machine's memory.
    NoTurnError
        Inside :func:`pipeline.images.turns.without_waiting` alone.
    """
    with open_location(location) as file:
        opened = _open(file, location)
        longest_px = max(opened.size)
        if _is_plain_jpeg(opened) and longest_px <= (max_side_px or longest_px) and _n_pixels(opened) <= MAX_PIXELS:
            return DisplayJpeg(_read(file, location), *opened.size, *opened.size)
        shrink = 1.0 if max_side_px is None else min(1.0, max_side_px / longest_px)
        # Rounded up, and never a few pixels alone: reducing a thin image early would change its shape.
        shortest_px = max(_LEAST_REDUCED_PX, ceil(min(opened.size) * shrink))
        reduce_to_px = None if shrink == 1.0 else shortest_px
        n_bytes = _n_bytes(opened, reduce_to_px)
        if n_bytes > turns().most_bytes:
            raise DatasetError(
                f"{location}: too large: decoding it takes {n_bytes >> 20:,} MiB, more than half of the memory here; "
                "store it smaller, or as a JPEG that is not progressive"
            )
        with turns().take(n_bytes):
            return _made_display(opened, location, shrink, reduce_to_px)


def _made_display(opened: Image.Image, location: str, shrink: float, reduce_to_px: int | None) -> DisplayJpeg:
    original = opened.size
    image = _decode(opened, location, reduce_to_px)
    # A picture that was turned by a quarter lies across its file's own width and height.
    is_turned = (image.width - image.height) * (original[0] - original[1]) < 0
    original = original[::-1] if is_turned else original
    if shrink < 1.0:
        # By the original's shape: the decoder's own reduction rounds each side up.
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


def _decode(image: Image.Image, location: str, reduce_to_px: int | None) -> Image.Image:
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
    divisor = _divisor(image.size, reduce_to_px)
    if divisor > 1:
        image.draft(None, (image.size[0] // divisor, image.size[1] // divisor))


def _divisor(size: tuple[int, int], reduce_to_px: int | None) -> int:
    """Return by what a JPEG's sides may be divided; the decoder takes the next lower of 1, 2, 4 and 8."""
    width_px, height_px = size
    divisor = 1 if reduce_to_px is None else max(1, min(width_px, height_px) // max(1, reduce_to_px))
    while width_px * height_px > MAX_PIXELS * divisor * divisor:
        divisor *= 2
    return divisor


def _n_bytes(image: Image.Image, reduce_to_px: int | None) -> int:
    """Return how much memory making a picture for display takes, at its height."""
    n_pixels = _n_pixels(image)
    while_decoding = 0
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        divisor = _divisor(image.size, reduce_to_px)
        n_pixels //= max(power for power in _JPEG_REDUCTIONS if power <= divisor) ** 2
        if "progressive" in image.info:
            while_decoding = _n_coefficients(image) * _BYTES_A_COEFFICIENT + n_pixels * _BYTES_DECODED
    return max(while_decoding, n_pixels * _bytes_a_pixel(image))


def _n_coefficients(image: JpegImagePlugin.JpegImageFile) -> int:
    """Return what a progressive JPEG keeps of the whole picture until its last scan, however much it is reduced."""
    samples = [across * down for _, across, down, _ in image.layer]
    widest = max(across for _, across, _, _ in image.layer) * max(down for _, _, down, _ in image.layer)
    return _n_pixels(image) * sum(samples) // max(1, widest)


def _bytes_a_pixel(image: Image.Image) -> int:
    of_decoder = _BYTES_OF_DECODER.get(image.format or "", 0)
    if image.mode.startswith("I"):
        return of_decoder + _BYTES_A_DEEP_PIXEL
    if image.mode in _TRANSPARENT_MODES or "transparency" in image.info:
        return of_decoder + _BYTES_A_TRANSPARENT_PIXEL
    return of_decoder + _BYTES_A_PIXEL


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
