"""Decode any photograph that a data set may hold, or say why the named file cannot be decoded.

Nothing here imports torch: sessions show images from kernels that must stay small.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import IO

from PIL import Image, JpegImagePlugin, PngImagePlugin

from pipeline.errors import DatasetError
from pipeline.images.colour import to_srgb
from pipeline.images.kinds import N_FIRST_BYTES, format_of, refuse_preview, why_not_read
from pipeline.images.locations import open_location
from pipeline.images.repair import jpeg_with_end, png_of_pixels

#: Most pixels of a decoded picture (268 MB of RGB). A larger JPEG is decoded at a half, a quarter or an eighth.
MAX_PIXELS = 89_478_485
#: Most pixels a JPEG may have, however far it is reduced: a progressive one keeps all its coefficients in memory.
MAX_JPEG_PIXELS = 1_000_000_000

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
#: What Pillow's decoders raise on damaged files: far more than `OSError`.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    RuntimeError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def read_image(location: str, reduce_to_px: int | None = None) -> Image.Image:
    """Decode an image as people see it: upright, in sRGB, 8 bits per channel, over white where it is transparent.

    Only the first frame of an animation is read. A JPEG that lacks only its end mark is read, and so is a PNG that is
    damaged only outside its pixels.

    Parameters
    ----------
    location
        Local path or fsspec URL.
    reduce_to_px
        A JPEG may be decoded at a half, a quarter or an eighth, as long as both sides keep this many pixels. This is
        several times as fast. Other formats ignore it.

    Returns
    -------
    PIL.Image.Image
        In mode RGB.

    Raises
    ------
    DatasetError
        If it is missing, damaged, of a format that is not supported, or larger than :data:`MAX_PIXELS`
        (:data:`MAX_JPEG_PIXELS` for a JPEG). The message names the file and the reason.
    """
    with open_location(location) as file:
        return decode(file, open_image(file, location), location, reduce_to_px)


def read_as_timm(location: str) -> Image.Image:
    """Decode an image as `timm`'s own loader does: not turned by EXIF, not converted to sRGB, and without alpha.

    Raise `DatasetError` as :func:`read_image` does.
    """
    with open_location(location) as file:
        image = open_image(file, location)
        try:
            return image.convert("RGB")
        except _DECODER_ERRORS as error:
            raise _undecodable(location, error) from error


def check_header(location: str) -> None:
    """Check that a file starts like an image of acceptable size, without decoding it.

    Raise `DatasetError` if it does not.
    """
    with open_location(location) as file:
        open_image(file, location)


def open_image(file: IO[bytes], location: str) -> Image.Image:
    """Read the header, and refuse a picture that is too large before any pixel is decoded.

    Raise `DatasetError` as :func:`read_image` does.
    """
    kind = _kind(file, location)
    try:
        image = _opened(file, kind)
        if kind == "TIFF":
            refuse_preview(image)
    except _DECODER_ERRORS as error:
        cause = f"the file is damaged, or a kind of {kind} that is not supported"
        raise _undecodable(location, error, cause) from error
    limit = MAX_JPEG_PIXELS if kind == "JPEG" else MAX_PIXELS
    if n_pixels(image) > limit:
        width_px, height_px = image.size
        raise DatasetError(f"{location}: too large: {width_px} × {height_px} px, more than {limit:,} pixels")
    if not n_pixels(image):
        raise DatasetError(f"{location}: has no pixels")
    return image


def decode(file: IO[bytes], image: Image.Image, location: str, reduce_to_px: int | None) -> Image.Image:
    """Decode what :func:`open_image` opened, as :func:`read_image` returns it.

    Raise `DatasetError` if it is damaged.
    """
    try:
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            _draft(image, reduce_to_px)
        return _upright(image)
    except _DECODER_ERRORS as error:
        with suppress(*_DECODER_ERRORS):
            repaired = _repaired(file, image)
            if repaired is not None:
                return _upright(repaired)
        raise _undecodable(location, error) from error


def jpeg_divisor(size: tuple[int, int], reduce_to_px: int | None) -> int:
    """Return the number by which a JPEG's sides may be divided; the decoder rounds it down to 1, 2, 4 or 8.

    Parameters
    ----------
    size
        Width and height in pixels.
    reduce_to_px
        Pixels that both sides must keep. With None, only a picture that would be too large is reduced.
    """
    width_px, height_px = size
    divisor = 1 if reduce_to_px is None else max(1, min(width_px, height_px) // max(1, reduce_to_px))
    while width_px * height_px > MAX_PIXELS * divisor * divisor:
        divisor *= 2
    return divisor


def is_upright(image: Image.Image) -> bool:
    """Tell whether a picture that is not loaded yet is stored upright."""
    return orientation(image) not in _ORIENTATIONS


def orientation(image: Image.Image) -> int:
    """Return EXIF's number for how a picture is stored, 1 where nothing readable says."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except _DECODER_ERRORS:
        return 1  # damaged metadata is no reason to lose the picture


def n_pixels(image: Image.Image) -> int:
    """Return how many pixels a picture has."""
    return image.size[0] * image.size[1]


def _kind(file: IO[bytes], location: str) -> str:
    try:
        start = file.read(N_FIRST_BYTES)
        file.seek(0)
    except OSError as error:
        raise DatasetError(f"{location}: cannot be read: {error.strerror or error}") from error
    kind = format_of(start)
    if kind is None:
        raise DatasetError(f"{location}: {why_not_read(start)}")
    return kind


def _opened(file: IO[bytes], kind: str) -> Image.Image:
    """Open a file with only the reader for its kind. Image.open would refuse a large JPEG that is decoded reduced."""
    if kind == "JPEG":  # not Pillow's registered opener, which looks for more pictures in the file
        return JpegImagePlugin.JpegImageFile(file)
    if kind not in Image.OPEN:
        Image.init()
    try:
        return Image.OPEN[kind][0](file, "")
    except _DECODER_ERRORS:
        repaired = _without_odd_chunks(file) if kind == "PNG" else None
        if repaired is None:
            raise
        return repaired


def _repaired(file: IO[bytes], image: Image.Image) -> Image.Image | None:
    """Open a file again if its pixels may be whole although decoding failed."""
    if isinstance(image, PngImagePlugin.PngImageFile):
        return _without_odd_chunks(file)
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    file.seek(0)
    whole = jpeg_with_end(file.read(), image.size)
    if whole is None:
        return None
    again = JpegImagePlugin.JpegImageFile(BytesIO(whole))
    again.draft(None, image.size)
    return again


def _without_odd_chunks(file: IO[bytes]) -> Image.Image | None:
    file.seek(0)
    png = png_of_pixels(file.read())
    if png is None:
        return None
    image = PngImagePlugin.PngImageFile(BytesIO(png.data))
    if png.icc_profile:
        image.info["icc_profile"] = png.icc_profile
    return image


def _draft(image: JpegImagePlugin.JpegImageFile, reduce_to_px: int | None) -> None:
    divisor = jpeg_divisor(image.size, reduce_to_px)
    if divisor > 1:
        image.draft(None, (image.size[0] // divisor, image.size[1] // divisor))


def _upright(image: Image.Image) -> Image.Image:
    decoded = to_srgb(image)
    # Ask only after loading: Pillow turns a TIFF upright as it loads it, and then removes its orientation.
    transpose = _ORIENTATIONS.get(orientation(image))
    return decoded if transpose is None else decoded.transpose(transpose)


def _undecodable(location: str, error: BaseException, cause: str = "") -> DatasetError:
    reason = str(error) or type(error).__name__
    if "truncated" in reason.lower():
        cause = "the file is cut short: copy or download it again"
    return DatasetError(f"{location}: cannot be decoded: {reason}{'; ' if cause else ''}{cause}")
