"""Drawn pictures and hand-written colour profiles, to compare with what is read back."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageCms

#: Red, green and blue of colour spaces adapted to D50, in XYZ, and their gamma.
PROPHOTO = ([(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)], 1.8)
ADOBE_RGB = ([(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)], 2.2)
D50 = (0.9642, 1.0, 0.8249)


def gradient(width_px: int = 64, height_px: int = 48) -> Image.Image:
    """Return a picture whose corners all differ: red grows to the right, green downwards."""
    across, down = np.meshgrid(np.linspace(0, 255, width_px), np.linspace(0, 255, height_px))
    return Image.fromarray(np.stack([across, down, np.full_like(across, 90)], axis=-1).astype(np.uint8))


def soft_spots(width_px: int, height_px: int, seed: int = 0) -> Image.Image:
    """Return soft spots of colour, as photographs have them: in noise, a rounding here is a large difference there."""
    shape = (height_px // 8 + 2, width_px // 8 + 2, 3)
    spots = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(spots).resize((width_px, height_px), Image.Resampling.BICUBIC)


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one, dtype=float) - np.asarray(other, dtype=float)).mean())


def s15fixed16(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def profile(space: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    """Return an ICC profile of version 2 for displays (ICC.1:2001-04, clauses 6 and 7)."""
    texts = [
        (b"desc", b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + b"\0" * 78),
        (b"cprt", b"text\0\0\0\0none\0"),
    ]
    xyz = b"XYZ \0\0\0\0" + b"".join(map(s15fixed16, D50))
    all_tags = [*texts, (b"wtpt", xyz), *tags]
    table, data = b"", b""
    for name, content in all_tags:
        padded = content + b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", 132 + 12 * len(all_tags) + len(data), len(padded))
        data += padded
    body = struct.pack(">I", len(all_tags)) + table + data
    head = struct.pack(">I", 128 + len(body)) + b"\0\0\0\0\x02\x10\0\0mntr" + space + b"XYZ \x07\xe8\0\x01\0\x01"
    head = head + b"\0" * 6 + b"acsp" + b"\0" * 28 + b"".join(map(s15fixed16, D50))
    return head.ljust(128, b"\0") + body


def curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"


def rgb_profile(primaries: list[tuple[float, float, float]], gamma: float) -> bytes:
    xyz = [b"XYZ \0\0\0\0" + b"".join(map(s15fixed16, primary)) for primary in primaries]
    curves = [(name, curve(gamma)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return profile(b"RGB ", [*zip((b"rXYZ", b"gXYZ", b"bXYZ"), xyz, strict=True), *curves])


def grey_profile(gamma: float) -> bytes:
    return profile(b"GRAY", [(b"kTRC", curve(gamma))])


def stored_in(icc_profile: bytes, mode: str, picture: Image.Image) -> Image.Image:
    """Return an sRGB picture converted to the colours of a profile."""
    target = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile))
    return ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), target, outputMode=mode)


def muted() -> Image.Image:
    """Return colours that lie inside every colour space of these tests."""
    return gradient().point(lambda level: 50 + level * 150 // 255)
