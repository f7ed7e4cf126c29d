"""Decoding what data sets hold, compared with Pillow's own plain decoding or with a known drawing."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from drawn import gradient, mean_difference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import DatasetError
from pipeline.images import check_header, decoding, display_jpeg, read_display, read_image


def png_header(width_px: int, height_px: int) -> bytes:
    """Return a PNG that claims to be large but holds almost nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_plain_photograph_is_decoded_as_pillow_does(tmp_path: Path) -> None:
    path = tmp_path / "plain.jpg"
    gradient().save(path, quality=95)
    assert np.array_equal(np.asarray(read_image(str(path))), np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_shown_upright(tmp_path: Path, orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # EXIF orientation to the Pillow transpose that makes it wrong
    upright = gradient()
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "rotated.png"
    stored.save(path, exif=exif)
    assert mean_difference(read_image(str(path)), upright) == 0


def test_cmyk_comes_out_in_the_colours_it_went_in(tmp_path: Path) -> None:
    path = tmp_path / "cmyk.jpg"
    gradient().convert("CMYK").save(path, quality=95)
    image = read_image(str(path))
    assert image.mode == "RGB"
    assert mean_difference(image, gradient()) < 6


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    path = tmp_path / "grey16.png"
    Image.fromarray(values).save(path)
    expected = np.round(values / 257)
    assert np.array_equal(np.asarray(read_image(str(path)))[..., 0], expected)


@pytest.mark.parametrize("suffix", ["png", "gif", "webp"])
def test_transparency_is_shown_over_white(tmp_path: Path, suffix: str) -> None:
    image = Image.new("RGBA", (20, 20), (200, 0, 0, 0))
    image.paste((0, 0, 200, 255), (0, 0, 10, 20))
    path = tmp_path / f"transparent.{suffix}"
    image.save(path, **({"lossless": True} if suffix == "webp" else {}))
    decoded = read_image(str(path))
    assert decoded.getpixel((15, 10)) == (255, 255, 255)
    assert decoded.getpixel((5, 10)) == (0, 0, 200)


def test_a_palette_with_a_transparent_entry_is_shown_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (10, 10), 0)
    image.putpalette([9, 9, 9, 0, 200, 0])
    image.paste(1, (0, 0, 5, 10))
    image.save(tmp_path / "palette.png", transparency=0)
    decoded = read_image(str(tmp_path / "palette.png"))
    assert decoded.getpixel((8, 5)) == (255, 255, 255)
    assert decoded.getpixel((2, 5)) == (0, 200, 0)


def test_the_first_frame_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (12, 12), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert read_image(str(tmp_path / "moving.gif")).getpixel((6, 6)) == (255, 0, 0)


def test_a_truncated_photograph_is_refused_by_name(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    gradient(400, 300).save(buffer, "JPEG")
    path = tmp_path / "cut.jpg"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    check_header(str(path))
    with pytest.raises(DatasetError, match=r"cut\.jpg: cannot be decoded: .*truncated"):
        read_image(str(path))


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "not an image"), (b"hello", "not an image"), (b"\xff\xd8\xff", "cannot be decoded")]
)
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "odd.jpg"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"odd\.jpg: {reason}"):
        read_image(str(path))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"gone\.jpg: no such file"):
        display_jpeg(str(tmp_path / "gone.jpg"), 100)


@pytest.mark.parametrize("side_px", [12_000, 60_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side_px: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side_px, side_px))
    for look in (check_header, read_image):
        with pytest.raises(DatasetError, match=r"bomb\.png: too large"):
            look(str(path))


def test_a_huge_jpeg_is_decoded_reduced_and_refused_past_the_stated_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "huge.jpg"
    gradient(1600, 1200).save(path, quality=95)
    monkeypatch.setattr(decoding, "MAX_PIXELS", 200_000)
    assert read_image(str(path)).size == (400, 300)
    data, width_px, height_px = display_jpeg(str(path), None)
    assert Image.open(io.BytesIO(data)).size == (width_px, height_px) == (400, 300)
    monkeypatch.setattr(decoding, "MAX_JPEG_PIXELS", 1_000_000)
    with pytest.raises(DatasetError, match=r"huge\.jpg: too large: 1600 × 1200 px"):
        read_image(str(path))


def test_floating_point_pixels_are_refused_because_their_white_is_unknown(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(DatasetError, match="convert the file to 8 or 16 bits"):
        read_image(str(tmp_path / "float.tif"))


def test_formats_whose_decoders_run_programs_are_not_opened(tmp_path: Path) -> None:
    gradient().save(tmp_path / "drawing.eps")
    with pytest.raises(DatasetError, match=r"drawing\.eps: not supported: PostScript"):
        read_image(str(tmp_path / "drawing.eps"))


def test_a_small_plain_jpeg_is_shown_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "plain.jpg"
    gradient().save(path)
    assert display_jpeg(str(path), 64) == (path.read_bytes(), 64, 48)
    assert display_jpeg(str(path), None)[0] == path.read_bytes()


def test_a_rotated_jpeg_is_never_passed_through(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "rotated.jpg"
    gradient().save(path, exif=exif)
    data, width_px, height_px = display_jpeg(str(path), 1024)
    shown = Image.open(io.BytesIO(data))
    assert shown.size == (width_px, height_px) == (48, 64)
    assert shown.getexif().get(0x0112) is None


def test_damaged_exif_does_not_lose_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "damaged_exif.jpg"
    gradient().save(path, exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff garbage")
    assert read_image(str(path)).size == (64, 48)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(width_px=st.integers(1, 700), height_px=st.integers(1, 700), max_side_px=st.integers(16, 400))
def test_a_displayed_image_fits_and_keeps_its_shape(
    tmp_path: Path, width_px: int, height_px: int, max_side_px: int
) -> None:
    path = tmp_path / "any.jpg"
    gradient(width_px, height_px).save(path)
    data, shown_width_px, shown_height_px = display_jpeg(str(path), max_side_px)
    assert Image.open(io.BytesIO(data)).size == (shown_width_px, shown_height_px)
    shrink = min(1.0, max_side_px / max(width_px, height_px))
    assert max(shown_width_px, shown_height_px) <= max_side_px
    assert abs(shown_width_px - width_px * shrink) <= 1
    assert abs(shown_height_px - height_px * shrink) <= 1


@pytest.mark.parametrize(
    ("orientation", "upright"), [(1, (300, 200)), (3, (300, 200)), (6, (200, 300)), (8, (200, 300))]
)
def test_a_displayed_image_tells_the_upright_size_of_the_original(
    tmp_path: Path, orientation: int, upright: tuple[int, int]
) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    gradient(300, 200).save(path, exif=exif)
    for max_side_px in (64, 4096, None):
        shown = read_display(str(path), max_side_px)
        assert (shown.original_width_px, shown.original_height_px) == upright
        assert max(shown.width_px, shown.height_px) == min(max_side_px or 300, 300)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_gives_a_picture_or_a_named_refusal(tmp_path: Path, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    gradient().save(buffer, data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP"])))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        image = read_image(str(path))
    except DatasetError as error:
        assert str(path) in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert image.mode == "RGB"


@pytest.mark.shared_data
def test_reducing_while_decoding_changes_real_photographs_by_less_than_a_shade(shared_data: Path) -> None:
    for path in sorted((shared_data / "imagenet_samples").glob("*.jpg"))[::200]:
        whole = read_image(str(path))
        reduced = read_image(str(path), reduce_to_px=min(whole.size) // 2)
        assert min(reduced.size) >= min(whole.size) // 2
        sizes = (32, 32)
        assert mean_difference(whole.resize(sizes, 3), reduced.resize(sizes, 3)) < 2.0
