"""Cut or odd files: model and annotator get the same answer, and whole pixels are kept whatever lies beside them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import PROPHOTO, gradient, mean_difference, muted, rgb_profile, stored_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import DatasetError
from pipeline.formats.exchange.image_files import size_of
from pipeline.images import read_display, read_image


def saved(form: str, picture: Image.Image | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    (picture or gradient(120, 80)).save(buffer, form, **options)
    return buffer.getvalue()


def answers(path: Path) -> list[str | tuple[int, int]]:
    """Return what model and annotator get: the size of a picture, or the reason why there is no picture."""
    found: list[str | tuple[int, int]] = []
    for look in (
        lambda: read_image(str(path)).size,
        lambda: Image.open(io.BytesIO(read_display(str(path), None).data)).size,
    ):
        try:
            found.append(look())
        except DatasetError as error:
            found.append(str(error))
    return found


def test_nobody_waits_for_the_other_end_of_a_pipe_in_place_of_an_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "pipe.jpg")
    for name in ("pipe.jpg", "link.jpg"):
        assert all(f"{name}: cannot be read" in str(told) for told in answers(tmp_path / name))
        assert size_of(str(tmp_path / name)) is None


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("tail", [b"", b"\xff", b"\0" * 700])
def test_a_jpeg_that_lacks_its_end_mark_alone_is_whole(tmp_path: Path, options: dict[str, Any], tail: bytes) -> None:
    data = saved("JPEG", **options)
    assert data.endswith(b"\xff\xd9")
    path = tmp_path / "no_end.jpg"
    path.write_bytes(data[:-2] + tail)
    whole = Image.open(io.BytesIO(data)).convert("RGB")
    assert np.array_equal(np.asarray(read_image(str(path))), np.asarray(whole))
    assert mean_difference(Image.open(io.BytesIO(read_display(str(path), None).data)), whole) < 3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    form=st.sampled_from(["JPEG", "progressive", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF"]),
    share=st.floats(0.05, 1.0),
)
@pytest.mark.filterwarnings("ignore")
def test_a_cut_file_gets_one_answer_and_a_picture_only_where_it_is_whole(
    tmp_path: Path, form: str, share: float
) -> None:
    data = saved("JPEG", progressive=True) if form == "progressive" else saved(form)
    path = tmp_path / "cut"
    path.write_bytes(data[: int(share * len(data))])
    for_model, for_annotator = answers(path)
    assert for_model == for_annotator
    if isinstance(for_model, str):
        assert str(path) in for_model
    else:
        whole = Image.open(io.BytesIO(data)).convert("RGB")
        assert np.array_equal(np.asarray(read_image(str(path))), np.asarray(whole))


def test_a_jpeg_whose_preview_is_closed_and_whose_picture_is_cut_is_refused_to_both(tmp_path: Path) -> None:
    preview = saved("JPEG", gradient(16, 16))
    data = saved("JPEG")
    with_preview = data[:2] + b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview + data[2:]
    path = tmp_path / "cut.jpg"
    path.write_bytes(with_preview)
    assert answers(path) == [(120, 80), (120, 80)]
    path.write_bytes(with_preview[: -len(data) // 3])
    for answer in answers(path):
        assert "cut short: copy or download it again" in str(answer)


def chunk(kind: bytes, content: bytes, *, is_sound: bool = True) -> bytes:
    checksum = zlib.crc32(kind + content) ^ (not is_sound)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


ODD_CHUNKS = {
    "a long packed text": chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 3_000_000)),
    "a long packed international text": chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"x" * 3_000_000)),
    "a text that is not packed rightly": chunk(b"zTXt", b"a\0\0no zlib"),
    "a text of an unknown packing": chunk(b"zTXt", b"a\0\x09" + zlib.compress(b"x")),
    "a text with a wrong checksum": chunk(b"tEXt", b"a\0b", is_sound=False),
    "a date with a wrong checksum": chunk(b"tIME", b"\x07\xe8\1\1\1\1\1", is_sound=False),
    "an unknown chunk with a wrong checksum": chunk(b"abCd", b"zz", is_sound=False),
    "a resolution cut short": chunk(b"pHYs", b"\0\0"),
    "a gamma cut short": chunk(b"gAMA", b"\0"),
    "chromaticities cut short": chunk(b"cHRM", b"\0" * 5),
    "an animation cut short": chunk(b"acTL", b"\0" * 3),
    "a profile of an unknown packing": chunk(b"iCCP", b"x\0\7zz"),
    "transparency cut short": chunk(b"tRNS", b"\0"),
    "a private text in no encoding": chunk(b"iTXt", b"a\0\0\0\0\0\xff\xfe"),
}


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("odd", ODD_CHUNKS)
def test_a_png_whose_pixels_are_whole_is_shown_whatever_lies_beside_them(
    tmp_path: Path, odd: str, before: bytes
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved("PNG", gradient(120, 80).transpose(Image.Transpose.ROTATE_90), exif=exif)
    at = data.index(before) - 4
    path = tmp_path / "odd.png"
    path.write_bytes(data[:at] + ODD_CHUNKS[odd] + data[at:])
    assert np.array_equal(np.asarray(read_image(str(path))), np.asarray(gradient(120, 80)))
    assert answers(path) == [(120, 80), (120, 80)]


def test_a_png_of_damaged_pixels_is_refused_to_both(tmp_path: Path) -> None:
    data = bytearray(saved("PNG"))
    data[data.index(b"IDAT") + 4] ^= 0xFF  # the head of the packed pixels
    path = tmp_path / "damaged.png"
    path.write_bytes(data)
    for answer in answers(path):
        assert "damaged.png: cannot be decoded" in str(answer)


def test_a_colour_profile_longer_than_pillow_takes_is_heeded(tmp_path: Path) -> None:
    icc_profile = rgb_profile(*PROPHOTO)
    padded = bytearray(icc_profile + b"\0" * 1_500_000)
    padded[:4] = struct.pack(">I", len(padded))
    data = saved("PNG", stored_in(icc_profile, "RGB", muted()))
    at = data.index(b"IDAT") - 4
    (tmp_path / "long.png").write_bytes(data[:at] + chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(padded))) + data[at:])
    assert mean_difference(read_image(str(tmp_path / "long.png")), muted()) < 3


def test_a_progressive_jpeg_is_taken_at_no_length_but_its_own_and_that_without_its_end_mark(tmp_path: Path) -> None:
    data = saved("JPEG", progressive=True)
    path = tmp_path / "cut.jpg"
    taken = []
    for n_bytes in range(len(data) // 2, len(data) + 1):
        path.write_bytes(data[:n_bytes])
        if isinstance(answers(path)[0], tuple):
            taken.append(len(data) - n_bytes)
    assert taken == [2, 1, 0]
