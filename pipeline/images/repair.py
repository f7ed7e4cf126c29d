"""Read files whose pixels are whole although something else is damaged: the end mark, a text, a checksum."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from PIL import JpegImagePlugin

_JPEG_END = b"\xff\xd9"
_JPEG_SCAN = b"\xff\xda"
_PROGRESSIVE_FRAME = 0xC2
#: Appended where a JPEG may have been cut off. If it was, the two decode to different pixels.
_CONTINUATIONS = (b"\0" * 4096, b"\xaa" * 4096)

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
#: The longest text that Pillow's reader accepts, and the most for all texts of a file.
_MOST_TEXT_BYTES, _MOST_TEXTS_BYTES = 2**20, 2**26
_MOST_PROFILE_BYTES = 2**25


@dataclass(frozen=True, slots=True)
class PngOfPixels:
    """A PNG reduced to what its pixels need, and its colour profile apart, since Pillow refuses long ones."""

    data: bytes
    icc_profile: bytes | None


def has_jpeg_end(data: bytes) -> bool:
    """Tell whether the last scan of a JPEG is closed, whatever follows it."""
    return data.endswith(_JPEG_END) or data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN)


def jpeg_with_end(data: bytes, size: tuple[int, int]) -> bytes | None:
    """Add the end mark to a JPEG that lacks only that, and return it; None if pixels are missing.

    To find out, the file is decoded with two different continuations: pixels are missing if the results differ.

    Parameters
    ----------
    data
        The file's bytes.
    size
        Width and height in pixels to decode at, as `PIL.Image.Image.draft` takes them.
    """
    if has_jpeg_end(data) or not _has_all_scans(data):
        return None
    data = data.removesuffix(_JPEG_END[:1])
    one, other = (_pixels(data + continuation + _JPEG_END, size) for continuation in _CONTINUATIONS)
    return data + _JPEG_END if one is not None and one == other else None


def _has_all_scans(data: bytes) -> bool:
    """Tell whether a progressive JPEG has the scans that bring each coefficient to its last bit; others always do.

    A file that ends between two scans decodes to the same pixels however it goes on, and yet its last bits are missing.
    See ITU-T T.81, B.2.3: `Ss` and `Se` name the coefficients of a scan, `Al` the bits that are still to come.
    """
    bits_left: dict[int, list[int]] = {}
    at = 2
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in {0x00, 0x01, 0xFF} or 0xD0 <= marker <= 0xD9:  # no segment: stuffed bytes, restarts, the ends
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : end]
        if marker == _PROGRESSIVE_FRAME and len(segment) > 5:
            bits_left = {component: [255] * 64 for component in segment[6::3]}
        elif marker == _JPEG_SCAN[1] and bits_left and end <= len(data):
            components, (first, last, bits) = segment[1:-3:2], segment[-3:]
            for component in components:
                for coefficient in range(first, min(last, 63) + 1):
                    bits_left[component][coefficient] = bits & 15
        at = end
    return not any(any(bits) for bits in bits_left.values())


def png_of_pixels(data: bytes) -> PngOfPixels | None:
    """Return a PNG with only its pixels and what is needed to show them; None if the data are not a PNG.

    What is needed is transparency, orientation and the colour profile. Texts are kept as far as Pillow accepts them.
    Chunks other than the pixels are left out if their checksum is wrong, as in libpng.
    """
    if not data.startswith(_PNG_START):
        return None
    kept, profile, n_text_bytes = [_PNG_START], None, 0
    for kind, content, chunk in _png_chunks(data):
        is_critical = kind[:1].isupper()
        is_sound = zlib.crc32(kind + content).to_bytes(4, "big") == chunk[-4:]
        if is_sound and kind == b"iCCP":
            profile = _inflated(content.partition(b"\0")[2][1:], _MOST_PROFILE_BYTES)
        elif is_sound and kind in _PNG_TEXTS:
            n_text_bytes += len(content)
            if n_text_bytes <= _MOST_TEXTS_BYTES and _is_short(kind, content):
                kept.append(chunk)
        elif is_critical or (is_sound and (kind == b"eXIf" or (kind == b"tRNS" and _fits(content, data)))):
            kept.append(chunk)
    return PngOfPixels(b"".join(kept), profile)


def _pixels(data: bytes, size: tuple[int, int]) -> bytes | None:
    try:
        image = JpegImagePlugin.JpegImageFile(BytesIO(data))
        image.draft(None, size)
        return image.tobytes()
    except (OSError, SyntaxError, ValueError):
        return None


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield the kind, the content and all bytes of each chunk; the last one may be cut short, like the file."""
    at = len(_PNG_START)
    while at + 8 <= len(data):
        n_bytes = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + n_bytes
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + n_bytes], data[at:end]
        at = end


def _fits(transparency: bytes, data: bytes) -> bool:
    """Tell whether a PNG's transparency has the length that its colour type requires."""
    colour_type = data[25:26]
    return len(transparency) == {b"\0": 2, b"\2": 6}.get(colour_type, len(transparency) or 1)


def _is_short(kind: bytes, content: bytes) -> bool:
    """Tell whether Pillow accepts a text. It refuses texts that unpack to too much, or that cannot be unpacked."""
    rest = content.partition(b"\0")[2]
    if kind == b"zTXt":
        return rest[:1] == b"\0" and _inflated(rest[1:], _MOST_TEXT_BYTES) is not None
    if kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]  # after the language and the translated keyword
        return rest[1:2] == b"\0" and _inflated(packed, _MOST_TEXT_BYTES) is not None
    return True


def _inflated(data: bytes, most_bytes: int) -> bytes | None:
    """Return the unpacked bytes; None if they are damaged or more than `most_bytes`."""
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(data, most_bytes)
    except zlib.error:
        return None
    return None if inflater.unconsumed_tail else inflated
