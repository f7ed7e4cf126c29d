"""Colours as a colour-managed viewer shows them; the references are little CMS on the whole picture, and drawings."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from drawn import ADOBE_RGB, PROPHOTO, gradient, grey_profile, mean_difference, muted, rgb_profile, stored_in
from PIL import Image, ImageCms

from pipeline.images import read_display, read_image


def seen(path: Path, max_side_px: int | None = None) -> list[Image.Image]:
    """Return a picture as the model and as the annotator see it."""
    shown = Image.open(io.BytesIO(read_display(str(path), max_side_px).data))
    assert not shown.info.get("icc_profile") or read_display(str(path), max_side_px).data == path.read_bytes()
    return [read_image(str(path)), shown.convert("RGB")]


@pytest.mark.parametrize("space", [PROPHOTO, ADOBE_RGB], ids=["prophoto", "adobe"])
@pytest.mark.parametrize("name", ["wide.jpg", "wide.png", "wide.tif", "wide.webp", "wide.avif", "wide.heic"])
def test_a_colour_profile_is_converted_to_srgb_for_model_and_annotator(
    tmp_path: Path, name: str, space: tuple[list[tuple[float, float, float]], float]
) -> None:
    if name.endswith("heic"):
        pytest.importorskip("pillow_heif").register_heif_opener()
    path, icc_profile = tmp_path / name, rgb_profile(*space)
    stored_in(icc_profile, "RGB", muted()).save(path, icc_profile=icc_profile, quality=95)
    untouched = Image.open(path).convert("RGB")
    assert mean_difference(untouched, muted()) > 5
    for picture in seen(path):
        assert mean_difference(picture, muted()) < 4


def test_a_profile_and_an_orientation_are_both_heeded_and_the_size_told(tmp_path: Path) -> None:
    path, icc_profile = tmp_path / "turned.jpg", rgb_profile(*PROPHOTO)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = stored_in(icc_profile, "RGB", muted()).transpose(Image.Transpose.ROTATE_90)
    stored.save(path, icc_profile=icc_profile, exif=exif, quality=95)
    for picture in seen(path):
        assert mean_difference(picture, muted()) < 4
    shown = read_display(str(path), 32)
    assert (shown.original_width_px, shown.original_height_px) == (64, 48)
    assert mean_difference(Image.open(io.BytesIO(shown.data)), muted().resize((32, 24), Image.Resampling.LANCZOS)) < 4


@pytest.mark.parametrize("name", ["linear.png", "linear.jpg", "linear.tif"])
@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_with_a_profile_of_its_own_is_converted(tmp_path: Path, name: str, mode: str) -> None:
    if name.endswith("jpg") and mode != "L":
        pytest.skip("JPEG holds grey of 8 bits")
    grey = muted().convert("L")
    # IEC 61966-2-1: from sRGB to linear light, which a gamma of 1 stores.
    share = np.asarray(grey) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    deep = Image.fromarray(np.round(linear * 65535).astype(np.uint16))
    shallow = Image.fromarray(np.round(linear * 255).astype(np.uint8))
    stored = {"L": shallow, "LA": Image.merge("LA", (shallow, Image.new("L", grey.size, 255))), "I;16": deep}[mode]
    stored.save(tmp_path / name, icc_profile=grey_profile(1.0), quality=95)
    for picture in seen(tmp_path / name):
        assert mean_difference(picture, grey.convert("RGB")) < 2.5


def test_transparent_pixels_keep_their_place_when_colours_are_converted(tmp_path: Path) -> None:
    icc_profile = rgb_profile(*PROPHOTO)
    stored = stored_in(icc_profile, "RGB", muted())
    stored.putalpha(Image.linear_gradient("L").resize(stored.size))
    stored.save(tmp_path / "clear.png", icc_profile=icc_profile)
    expected = muted()
    expected.putalpha(stored.getchannel("A"))
    over_white = Image.alpha_composite(Image.new("RGBA", expected.size, "white"), expected).convert("RGB")
    assert mean_difference(read_image(str(tmp_path / "clear.png")), over_white) < 2


@pytest.mark.parametrize(
    "icc_profile", [b"no profile at all" * 20, grey_profile(1.0), b""], ids=["damaged", "grey", "empty"]
)
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_profile_of_no_use_is_passed_over(tmp_path: Path, icc_profile: bytes, suffix: str) -> None:
    path = tmp_path / f"odd.{suffix}"
    gradient().save(path, icc_profile=icc_profile, quality=95)
    assert np.array_equal(np.asarray(read_image(str(path))), np.asarray(Image.open(path).convert("RGB")))
    if suffix == "jpg":
        assert read_display(str(path), None).data == path.read_bytes()


def test_a_jpeg_in_srgb_is_shown_byte_for_byte_and_seen_as_pillow_decodes_it(tmp_path: Path) -> None:
    path = tmp_path / "srgb.jpg"
    gradient().save(path, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert read_display(str(path), None).data == path.read_bytes()
    assert np.array_equal(np.asarray(read_image(str(path))), np.asarray(Image.open(path)))


def test_lab_is_shown_in_the_colours_it_means(tmp_path: Path) -> None:
    lab = ImageCms.profileToProfile(
        muted(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    lab.save(tmp_path / "lab.tif")
    assert mean_difference(read_image(str(tmp_path / "lab.tif")), muted()) < 3


def tiff_of(bits: int, photometric: int, rows: list[bytes], width_px: int) -> bytes:
    """Return an uncompressed grey TIFF with the packed rows given (TIFF 6.0, sections 2 to 4)."""
    data = b"".join(rows)
    entries = [(256, width_px), (257, len(rows)), (258, bits), (259, 1), (262, photometric), (273, 8 + 2 + 9 * 12 + 4)]
    entries += [(277, 1), (278, len(rows)), (279, len(data))]
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + b"\0\0\0\0" + data


@pytest.mark.parametrize("photometric", [0, 1], ids=["white is zero", "black is zero"])
@pytest.mark.parametrize("bits", [1, 4, 8, 12, 16])
def test_grey_of_any_depth_is_scaled_by_its_own_white(tmp_path: Path, bits: int, photometric: int) -> None:
    white = (1 << bits) - 1
    values = np.linspace(0, white, 16).round().astype(int)
    packed = int("".join(f"{value:0{bits}b}" for value in values), 2).to_bytes(2 * bits, "big")
    if bits == 16:
        packed = values.astype("<u2").tobytes()
    if bits == 12 and photometric == 0:
        pytest.skip("Pillow reads no grey of 12 bits whose white is zero; it is refused by name")
    (tmp_path / "grey.tif").write_bytes(tiff_of(bits, photometric, [packed, packed], 16))
    shades = values if photometric else white - values
    expected = np.round(shades / white * 255)
    assert np.abs(np.asarray(read_image(str(tmp_path / "grey.tif")))[0, :, 0] - expected).max() <= 1


def png_of(depth: int, colour_type: int, row: bytes, n_pixels: int, transparent: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", n_pixels, 1, depth, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_the_one_grey_that_a_png_calls_transparent_is_shown_white_and_no_other(tmp_path: Path, depth: int) -> None:
    white = (1 << depth) - 1
    values = [0, white // 3, white, 0] if depth > 1 else [0, 1, 1, 0]
    row = int("".join(f"{value:0{depth}b}" for value in values).ljust(8, "0"), 2).to_bytes(max(1, depth // 2), "big")
    for transparent in {0, values[1]}:
        path = tmp_path / f"{transparent}.png"
        path.write_bytes(png_of(depth, 0, row, 4, struct.pack(">H", transparent)))
        expected = [255 if value == transparent else round(value / white * 255) for value in values]
        assert np.asarray(read_image(str(path)))[0, :, 0].tolist() == expected
