"""What a file holds, whatever its name says: read upright, called not supported, or no image."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from drawn import gradient, mean_difference
from PIL import Image

from pipeline.errors import DatasetError
from pipeline.images import check_header, kinds, read_as_timm, read_image

#: EXIF orientation to the Pillow transpose that stores an upright picture that way.
UNDO = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}


def save_turned(path: Path, orientation: int) -> None:
    stored = gradient() if orientation == 1 else gradient().transpose(Image.Transpose(UNDO[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    if path.suffix == ".tif":
        stored.save(path, tiffinfo={0x0112: orientation}, compression="tiff_lzw")
    elif path.suffix == ".webp":
        stored.save(path, exif=exif, lossless=True)
    else:
        stored.save(path, exif=exif, quality=95)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif", "mpo"])
def test_a_picture_of_any_format_is_turned_upright_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"turned.{suffix}"
    save_turned(path, orientation)
    assert mean_difference(read_image(str(path)), gradient()) < 5


def test_a_heic_is_read_where_its_package_is_there_and_called_not_supported_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / "phone.heic"
    gradient().save(path, quality=95)
    assert mean_difference(read_image(str(path)), gradient()) < 5
    monkeypatch.setattr(kinds, "find_spec", lambda _: None)
    with pytest.raises(DatasetError, match=r"phone\.heic: HEIC is not supported here; `pip install pillow-heif`"):
        check_header(str(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an image but an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", r"Git LFS pointer.*git lfs pull"),
        (b"/annex/objects/SHA256E-s9--ab.jpg\n", r"git-annex pointer.*git annex get"),
        (b"\n<!DOCTYPE html>\n<html><body>404", "not an image but a web page"),
        (b"\0" * 5000, "not an image but empty bytes"),
        (b"hello, world", "not an image in a known format"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "not supported: SVG"),
        (b"8BPS\0\1" + b"\0" * 99, "not supported: Photoshop"),
        (b"%PDF-1.7\n", "not supported: PDF"),
        (b"\xff\x0a\xfa\x7f", "not supported: JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "not supported: JPEG XL"),
        (b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 99, "not supported: a camera's raw format"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "not supported: a camera's raw format"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "not supported: a video"),
        (b"\0" * 128 + b"DICM" + b"\0" * 99, "not supported: DICOM"),
        (b"v/1\x01\2\0\0\0", "not supported: OpenEXR"),
        (b"PK\x03\x04" + b"\0" * 30, "not supported: an archive"),
    ],
)
def test_what_is_not_read_is_told_with_what_to_do(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    for look in (check_header, read_image):
        with pytest.raises(DatasetError, match=rf"photo\.jpg: .*{reason}"):
            look(str(path))


def test_a_raw_file_that_is_a_tiff_is_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    dng = tmp_path / "photo.dng"
    gradient().save(dng, "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    with pytest.raises(DatasetError, match=r"photo\.dng: .*camera's raw format is not supported"):
        check_header(str(dng))


def test_a_tiff_of_a_kind_that_is_not_read_is_called_so(tmp_path: Path) -> None:
    entries = [(256, 4), (257, 4), (258, 64), (259, 1), (262, 1), (273, 8), (277, 1), (278, 4), (279, 8)]
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    path = tmp_path / "deep.tif"
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + b"\0" * 40)
    with pytest.raises(DatasetError, match=r"deep\.tif: cannot be decoded: .*kind of TIFF that is not supported"):
        read_image(str(path))


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_as_timm_reads_the_very_pixels_of_timms_own_loader(tmp_path: Path, suffix: str) -> None:
    from timm.data import ImageDataset

    folder = tmp_path / "images" / "cat"
    folder.mkdir(parents=True)
    save_turned(folder / f"a.{suffix}", 6)
    with Image.open(folder / f"a.{suffix}") as first:
        first.convert("RGBA").save(folder / "b.png")
    dataset = ImageDataset(str(tmp_path / "images"))
    for number, name in enumerate(dataset.filenames(absolute=True)):
        assert np.array_equal(np.asarray(read_as_timm(name)), np.asarray(dataset[number][0]))
