"""What a file's first bytes say about it: the format to read it in, or why it is not read and what to do."""

from __future__ import annotations

import posixpath
import re
from importlib.util import find_spec

from PIL import Image, TiffImagePlugin, features

#: How many of a file's first bytes are looked at.
N_FIRST_BYTES = 512

#: Formats that are read, by Pillow's names. Others are not for photographs, and decoding some (EPS) runs programs.
_READ = (
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"RIFF....WEBP", "WEBP"),
    (rb"BM", "BMP"),
    (rb"II[*+]\0|MM\0[*+]", "TIFF"),
    (rb"P[1-6]\s", "PPM"),
    (rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
)
_RAW_THAT_ARE_TIFF = rb"II\*\0....CR"
#: How packed files begin, and what they are packed with.
PACKED = {
    b"\x1f\x8b": "gzip", b"PK\x03\x04": "ZIP", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7z", b"Rar!": "rar",
}  # fmt: skip
#: Formats that are recognized but not read.
_NOT_READ = (
    (_RAW_THAT_ARE_TIFF, "a camera's raw format"),
    (rb"II\x1a\0\0\0HEAPCCDR|IIR[OS]|MMOR|IIU\0|FUJIFILMCCD-RAW|\0MRM|FOVb", "a camera's raw format"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL"),
    (rb"II\xbc", "JPEG XR"),
    (rb"8BPS", "Photoshop"),
    (rb"gimp xcf", "GIMP"),
    (rb"%PDF", "PDF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript"),
    (rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.*?)?<svg|(?:\xef\xbb\xbf)?\s*<\?xml.*?<!DOCTYPE svg", "SVG"),
    (rb".{128}DICM", "DICOM"),
    (rb"\0\0[\1\2]\0[^\0]", "an icon"),
    (rb"v/1\x01", "OpenEXR"),
    (rb"#\?R(?:ADIANCE|GBE)|P[FfG7]\s", "floating-point or special PNM and HDR"),
    (rb"SIMPLE  =", "FITS"),
    (rb"qoif", "QOI"),
    (rb"BPG\xfb", "BPG"),
    (rb"AT&TFORM", "DjVu"),
    (rb"\x1a\x45\xdf\xa3|RIFF....AVI |\0\0\x01[\xb0-\xbf]", "a video"),
    (rb"\x89HDF\r\n", "HDF5"),
    (rb"\x93NUMPY", "a NumPy array"),
    (b"|".join(map(re.escape, PACKED)), "an archive"),
)
#: Files that are not pictures at all, and what to do about them.
_NO_PICTURES = (
    (
        rb"version https://git-lfs\.github\.com",
        "not an image but the Git LFS pointer to one; fetch it with `git lfs pull`",
    ),
    (
        rb"(?:\.\./)*(?:\.git)?/?annex/objects/",
        "not an image but the git-annex pointer to one; fetch it with `git annex get`",
    ),
    (
        rb"(?:\xef\xbb\xbf)?\s*(?i:<!doctype html|<html|<head)",
        "not an image but a web page, as a failed download leaves it; download it again",
    ),
    (rb"\0+\Z", "not an image but empty bytes, as an interrupted copy leaves them; copy it again"),
)
_BRANDS_OF_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})
_BRANDS_OF_AVIF = frozenset({b"avif", b"avis"})
_DNG_VERSION_TAG = 50706
_SUBFILE_TAG, _IS_REDUCED = 254, 1
_SUB_IFDS_TAG = 330
_SAVE_AS = "save it as JPEG or PNG"
_SUFFIXES_NOT_READ = {
    "a camera's raw format": {".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw", ".raw"},
    "a video": {".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".m4v"},
    "JPEG XL": {".jxl"},
    "SVG": {".svg", ".svgz"},
    "Photoshop": {".psd", ".psb"},
    "PDF": {".pdf"},
    "PostScript": {".eps", ".ps", ".ai"},
    "DICOM": {".dcm", ".dicom"},
    "OpenEXR": {".exr"},
    "Radiance HDR": {".hdr"},
    "an icon": {".ico", ".icns"},
    "TGA": {".tga"},
    "a NumPy array": {".npy", ".npz"},
}


def format_of(start: bytes) -> str | None:
    """Return the format in which a file can be read here, by Pillow's name; None if it cannot be read.

    Parameters
    ----------
    start
        Its first :data:`N_FIRST_BYTES` bytes.
    """
    if start.startswith(b"\xff\xd8\xff"):  # most files are, and each check below costs as much as opening one
        return "JPEG"
    boxed = _boxed(start)
    if boxed is not None:
        can_read = {"AVIF": lambda: features.check("avif"), "HEIF": _can_read_heic}.get(boxed)
        return boxed if can_read is not None and can_read() else None
    if re.match(_RAW_THAT_ARE_TIFF, start, re.DOTALL):
        return None
    return next((name for pattern, name in _READ if re.match(pattern, start, re.DOTALL)), None)


def why_not_read(start: bytes) -> str:
    """Return why a file that :func:`format_of` does not know is not read, and what to do."""
    if not start:
        return "not an image but an empty file; copy or download it again"
    for pattern, reason in _NO_PICTURES:
        if re.match(pattern, start, re.DOTALL):
            return reason
    boxed = _boxed(start)
    if boxed == "HEIF":
        return f"HEIC is not supported here; `pip install pillow-heif`, or {_SAVE_AS}"
    if boxed == "AVIF":
        return f"AVIF is not supported here; `pip install 'pillow>=11.3'`, or {_SAVE_AS}"
    found = boxed or next((name for pattern, name in _NOT_READ if re.match(pattern, start, re.DOTALL)), None)
    return f"not supported: {found}; {_SAVE_AS}" if found else "not an image in a known format"


def why_no_image(path: str) -> str:
    """Return why a file is not an image, judged by its ending alone, in words for the list of skipped rows."""
    suffix = posixpath.splitext(path)[1].lower()
    found = next((name for name, suffixes in _SUFFIXES_NOT_READ.items() if suffix in suffixes), None)
    return f"not supported: {found}; {_SAVE_AS}" if found else "not an image: its name does not end like one"


def refuse_preview(image: Image.Image) -> None:
    """Refuse a camera's raw file that looks like a TIFF by its first bytes: only its thumbnail could be shown.

    Raise `SyntaxError` if it is one. Pillow's readers raise the same for files that they refuse.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return
    tags = image.tag_v2
    if _DNG_VERSION_TAG in tags or (_SUB_IFDS_TAG in tags and tags.get(_SUBFILE_TAG, 0) & _IS_REDUCED):
        raise SyntaxError(f"a camera's raw format is not supported; {_SAVE_AS}")


def _boxed(start: bytes) -> str | None:
    """Return what a file in an ISO container (one made of boxes) holds; None for other files."""
    if start[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(start[:4], "big"), len(start))
    brands = {start[8:12], *(start[at : at + 4] for at in range(16, end, 4))}
    # `mif1` stands for any encoding, so the other brands decide.
    if brands & _BRANDS_OF_AVIF:
        return "AVIF"
    if brands & _BRANDS_OF_HEIC:
        return "HEIF"
    return "a camera's raw format" if b"crx " in brands else "a video"


def _can_read_heic() -> bool:
    if find_spec("pillow_heif") is None:
        return False
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    return True
