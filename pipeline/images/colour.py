"""Convert a picture as its file stores it to 8-bit sRGB: colour profiles, deep grey, transparency."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, TiffImagePlugin

if TYPE_CHECKING:
    from PIL import ImageCms

#: Pillow modes whose pixels may be transparent.
TRANSPARENT_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})

#: Modes that a colour profile can describe, with the profiles' names for their colour spaces.
_COLOURS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
_DEEPEST = 65535
_PHOTOMETRIC_TAG, _WHITE_IS_ZERO = 262, 0
_BITS_TAG = 258
#: Two profiles count as the same if colours differ by no more than this, in levels of 255: rounding can do as much.
_SAME_LEVELS = 2
_LATTICE_STEPS = 9
_CONVERSIONS_KEPT = 32


def to_srgb(image: Image.Image) -> Image.Image:
    """Return a picture in mode RGB: sRGB, 8 bits per channel, over white where it is transparent.

    Colours are converted by the ICC profile in the file. A profile that is damaged, or is for another colour space than
    the file's, is ignored, as browsers do. Grey of 9 to 16 bits is scaled to 8.

    Parameters
    ----------
    image
        A picture as Pillow opened it.

    Raises
    ------
    ValueError
        If its pixels have 32 bits or a sign, because then nothing says what is white. Pillow's decoders raise other
        errors, too.
    """
    # Both depend on how the file stores its pixels, which Pillow forgets when it loads them.
    white, transparent_grey = _white_of_deep_grey(image), _transparent_grey(image)
    image.load()
    profile, transparent = image.info.get("icc_profile"), None
    if white is not None:
        image, transparent = _from_deep_grey(image, white, transparent_grey)
    elif image.mode in {"I", "F"}:
        raise ValueError(
            f"pixels of 32 bits or with a sign (Pillow's mode {image.mode}) have no defined white; "
            "convert the file to 8 or 16 bits"
        )
    elif transparent_grey is not None:
        image = image.convert("L")
        transparent = image.point([255 * (level == transparent_grey) for level in range(256)])
    if transparent is not None:
        image = Image.merge("LA", (image, ImageChops.invert(transparent)))
    if image.mode in TRANSPARENT_MODES or "transparency" in image.info:
        return _over_white(image, profile)
    return _converted(image if image.mode in _COLOURS else image.convert("RGB"), profile)


def is_srgb(image: Image.Image) -> bool:
    """Tell whether a picture's colours need no conversion: it has no profile, the sRGB profile, or a useless one."""
    profile = image.info.get("icc_profile")
    return not profile or _conversion(profile, image.mode) is None


def _converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    conversion = _conversion(profile or b"", image.mode)
    if conversion is not None:
        converted = conversion.apply(image)
        converted.info.clear()
        return converted
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _over_white(image: Image.Image, profile: bytes | None) -> Image.Image:
    with_alpha = image.convert("RGBA")
    mode = "L" if image.mode in {"LA", "La"} else "RGB"
    conversion = _conversion(profile or b"", mode)
    if conversion is not None:
        opaque = conversion.apply(with_alpha.convert(mode))
        opaque.putalpha(with_alpha.getchannel("A"))
        with_alpha = opaque
    return Image.alpha_composite(Image.new("RGBA", with_alpha.size, "white"), with_alpha).convert("RGB")


@lru_cache(maxsize=_CONVERSIONS_KEPT)
def _conversion(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion of a mode's colours to sRGB; None if they are left as Pillow reads them."""
    if mode not in _COLOURS or not (profile or mode == "LAB"):
        return None
    from PIL import ImageCms

    try:
        source = ImageCms.createProfile("LAB") if mode == "LAB" else ImageCms.ImageCmsProfile(BytesIO(profile)).profile
        if source.xcolor_space.strip() != _COLOURS[mode]:
            return None
        conversion = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(source), ImageCms.createProfile("sRGB"), mode, "RGB"
        )
        return None if mode in {"L", "RGB"} and _changes_nothing(conversion, mode) else conversion
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _changes_nothing(conversion: ImageCms.ImageCmsTransform, mode: str) -> bool:
    if mode == "L":
        colours = np.arange(256, dtype=np.uint8)[np.newaxis]
    else:
        levels = np.linspace(0, 255, _LATTICE_STEPS).astype(np.uint8)
        colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    lattice = Image.fromarray(colours)
    before, after = np.asarray(lattice.convert("RGB"), int), np.asarray(conversion.apply(lattice), int)
    return bool(np.abs(after - before).max() <= _SAME_LEVELS)


def _white_of_deep_grey(image: Image.Image) -> int | None:
    """Return the value of white in grey of more than 8 bits; None for other pictures."""
    if not (image.mode.startswith("I;16") or (image.mode == "I" and image.format in {"PNG", "PPM"})):
        return None
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int((1 << image.tag_v2.get(_BITS_TAG, (16,))[0]) - 1)
    return _DEEPEST


def _from_deep_grey(image: Image.Image, white: int, transparent: int | None) -> tuple[Image.Image, Image.Image | None]:
    values = np.asarray(image).clip(0, white).astype(np.uint32)
    where = None if transparent is None else Image.fromarray((255 * (values == transparent)).astype(np.uint8))
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        values = white - values
    return Image.fromarray(((values * 255 + white // 2) // white).astype(np.uint8)), where


def _transparent_grey(image: Image.Image) -> int | None:
    """Return the grey level that a PNG calls transparent, as its pixels will have it once they are loaded."""
    level = image.info.get("transparency")
    if not isinstance(level, int) or image.format != "PNG" or image.mode == "P":
        return None
    stored = image.tile[0][3] if image.tile else ""  # type: ignore[attr-defined]
    # Pillow widens grey of 2 and 4 bits to 8, but leaves the transparent level as it was.
    return level * {"L;2": 85, "L;4": 17}.get(str(stored), 1)
