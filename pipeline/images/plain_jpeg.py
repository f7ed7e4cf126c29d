"""Tell from its header whether a JPEG is so plain that other decoders than Pillow show the same picture."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from PIL import Image, JpegImagePlugin

from pipeline.errors import DatasetError
from pipeline.images.colour import is_srgb
from pipeline.images.decoding import n_pixels, open_image, orientation
from pipeline.images.locations import open_location

#: A larger picture is faster decoded at reduced size, which Pillow does; and as many bytes wait in memory for each.
_MOST_PIXELS, _MOST_BYTES = 2**24, 2**22
_START, _END = b"\xff\xd8\xff", b"\xff\xd9"
#: How luminance is sampled where colour is sampled once: 4:4:4, 4:2:2, 4:4:0 and 4:2:0.
_SAMPLINGS = {(1, 1), (2, 1), (1, 2), (2, 2)}
#: Components by these names are red, green and blue, without a conversion.
_RGB = [ord(letter) for letter in "RGB"]


@dataclass(frozen=True, slots=True)
class PlainJpeg:
    """The bytes of a JPEG, how many pixels it has, and EXIF's number for how they are to be turned; 1: not at all."""

    data: bytes
    n_pixels: int
    orientation: int


def read_plain_jpeg(location: str, *, as_timm: bool) -> PlainJpeg | None:
    """Return a JPEG whose pixels need nothing but decoding and turning; None if it is not one, or cannot be read.

    It is whole, of a usual size, 8-bit grey or YCbCr, baseline or progressive, in sRGB.

    Parameters
    ----------
    location
        Local path or fsspec URL.
    as_timm
        Leave colours and turns as `timm` does: then any profile will do, and nothing is turned.
    """
    try:
        with open_location(location) as file:
            data = file.read(_MOST_BYTES + 1)
        # Pillow refuses a file that is cut short, and says so; other decoders may fill it up with grey.
        if len(data) > _MOST_BYTES or not (data.startswith(_START) and data.endswith(_END)):
            return None
        image = open_image(BytesIO(data), location)
    except (DatasetError, OSError):
        return None
    if not (_is_plain(image) and (as_timm or is_srgb(image))):
        return None
    return PlainJpeg(data, n_pixels(image), 1 if as_timm else orientation(image))


def _is_plain(image: Image.Image) -> bool:
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or n_pixels(image) > _MOST_PIXELS or image.bits != 8:
        return False
    names, samplings = [part[0] for part in image.layer], [part[1:3] for part in image.layer]
    if image.layers == 1:
        return samplings == [(1, 1)]
    is_ycbcr = image.layers == 3 and names != _RGB and image.info.get("adobe_transform") != 0
    return is_ycbcr and samplings[0] in _SAMPLINGS and samplings[1:] == [(1, 1), (1, 1)]
