"""How many large pictures are decoded at once."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from pipeline import images, large_pictures
from pipeline.images import read_display
from pipeline.large_pictures import SMALL_PIXELS, NoTurnError, Turns, n_at_once, without_waiting

GIB = 2**30


@pytest.mark.parametrize(
    ("n_cores", "memory_bytes", "expected"),
    [(1, 512 * 2**20, 1), (2, 2 * GIB, 1), (2, 24 * GIB, 2), (16, 64 * GIB, 8), (16, 256 * GIB, 16), (64, GIB, 1)],
)
def test_as_many_as_there_are_cores_as_far_as_a_quarter_of_the_memory_goes(
    n_cores: int, memory_bytes: int, expected: int
) -> None:
    assert n_at_once(n_cores, memory_bytes) == expected


def test_this_machine_has_at_least_one_turn_and_no_more_than_cores() -> None:
    assert 1 <= large_pictures.turns().n_at_once <= (os.cpu_count() or 1)


def test_a_small_picture_passes_while_all_turns_are_taken_and_a_large_one_does_not() -> None:
    taken = Turns(1)

    def take(n_pixels: int) -> str:
        with taken.take(n_pixels):
            return "taken"

    with taken.take(SMALL_PIXELS + 1):
        assert take(SMALL_PIXELS) == "taken"
        with pytest.raises(NoTurnError):
            without_waiting(lambda: take(SMALL_PIXELS + 1))
    assert without_waiting(lambda: take(SMALL_PIXELS + 1)) == "taken"


def test_a_picture_that_fails_gives_its_turn_back() -> None:
    taken = Turns(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), taken.take(10**9):
            raise ValueError("damaged")


@pytest.mark.parametrize(
    ("name", "options", "max_side_px", "is_large"),
    [
        ("plain.jpg", {}, None, False),  # passed through
        ("plain.jpg", {}, 400, False),  # decoded at a quarter
        ("plain.jpg", {}, 1_900, True),
        ("progressive.jpg", {"progressive": True}, 400, True),
        (
            "turned.jpg",
            {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"},
            None,
            True,
        ),
        ("flat.png", {}, 64, True),
    ],
)
def test_only_what_is_decoded_large_takes_a_turn(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, object],
    max_side_px: int | None,
    is_large: bool,
) -> None:
    path = tmp_path / name
    Image.new("RGB", (2_000, 1_400), "teal").save(path, **options)
    only = Turns(1)
    monkeypatch.setattr(images, "turns", lambda: only)
    shown = read_display(str(path), max_side_px)
    with only.take(SMALL_PIXELS + 1):
        if is_large:
            with pytest.raises(NoTurnError):
                without_waiting(lambda: read_display(str(path), max_side_px))
        else:
            assert without_waiting(lambda: read_display(str(path), max_side_px)) == shown


def test_threads_that_ask_for_large_pictures_at_once_decode_them_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (2_000, 1_400), "teal").save(path)
    two = Turns(2)
    monkeypatch.setattr(images, "turns", lambda: two)
    under_way, most, lock = [0], [0], threading.Lock()
    load = ImageFile.ImageFile.load

    def counted(image: ImageFile.ImageFile) -> object:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        try:
            return load(image)
        finally:
            with lock:
                under_way[0] -= 1

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: read_display(str(path), 200), range(12)))
    assert {(picture.width_px, picture.height_px) for picture in made} == {(200, 140)}
    assert most[0] == 2
