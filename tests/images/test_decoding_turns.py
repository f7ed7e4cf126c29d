"""How many large pictures are decoded at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from pipeline.errors import DatasetError
from pipeline.images import decoding_turns as turn_taking
from pipeline.images import display, read_display
from pipeline.images.decoding_turns import NoTurnError, Turns, without_waiting

GIB = 2**30
MIB = 2**20
TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"


def n_at_once(turns: Turns, n_bytes: int) -> int:
    """Return how many of a hundred pictures of this size get their turn at once."""
    places = [turns.join(n_bytes, lambda: None) for _ in range(100)]
    n_come = sum(place.has_come for place in places)
    for place in places:
        turns.leave(place)
    return n_come


@pytest.mark.parametrize(
    ("n_cores", "memory_bytes", "n_bytes", "expected"),
    [
        (2, 2 * GIB, 100 * MIB, 2),
        (8, 2 * GIB, 100 * MIB, 5),
        (8, 8 * GIB, 100 * MIB, 8),
        (8, 8 * GIB, GIB, 2),
        (8, 2 * GIB, GIB, 1),  # more than a quarter, so it runs alone
        (1, 64 * GIB, 100 * MIB, 1),
    ],
)
def test_as_many_as_there_are_cores_as_far_as_a_quarter_of_the_memory_goes(
    n_cores: int, memory_bytes: int, n_bytes: int, expected: int
) -> None:
    assert n_at_once(Turns(n_cores, memory_bytes), n_bytes) == expected


def test_a_container_has_the_memory_and_the_cores_that_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.setattr(turn_taking, "_CGROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "none"))
    monkeypatch.setattr(turn_taking, "_CPU_QUOTA", tmp_path / "cpu.max")
    made = turn_taking.turns.__wrapped__()
    assert (made.n_at_once, made.budget_bytes) == (1, GIB // 4)
    for name in ("memory.max", "cpu.max"):
        (tmp_path / name).write_text("max\n" if name == "memory.max" else "max 100000\n")
    assert turn_taking.turns.__wrapped__().n_at_once >= 1


def test_a_small_picture_passes_while_all_turns_are_taken_and_a_large_one_does_not() -> None:
    taken = Turns(1, 64 * GIB)

    def take(n_bytes: int) -> str:
        with taken.take(n_bytes):
            return "taken"

    with taken.take(65 * MIB):
        assert take(64 * MIB) == "taken"
        with pytest.raises(NoTurnError):
            without_waiting(lambda: take(65 * MIB))
        assert without_waiting(lambda: take(65 * MIB), held_bytes=66 * MIB) == "taken"
    assert without_waiting(lambda: take(65 * MIB)) == "taken"


def test_a_picture_that_fails_gives_its_turn_back() -> None:
    taken = Turns(1, GIB)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), taken.take(10**9):
            raise ValueError("damaged")


def test_a_large_picture_is_not_overtaken_for_ever() -> None:
    turns = Turns(8, 4 * GIB)
    came: list[str] = []
    first = [turns.join(400 * MIB, lambda: came.append("first")) for _ in range(2)]
    large = turns.join(2 * GIB, lambda: came.append("large"))
    later = turns.join(100 * MIB, lambda: came.append("later"))  # there would be room for it
    with pytest.raises(NoTurnError):
        without_waiting(lambda: turns.take(100 * MIB).__enter__())
    assert came == ["first", "first"]
    for place in first:
        turns.leave(place)
    assert came == ["first", "first", "large"]
    turns.leave(large)
    assert came == ["first", "first", "large", "later"]
    turns.leave(later)


def test_whoever_goes_away_from_the_head_lets_the_next_in() -> None:
    turns = Turns(8, 4 * GIB)
    first = turns.join(400 * MIB, lambda: None)
    large = turns.join(2 * GIB, lambda: None)
    later = turns.join(100 * MIB, lambda: None)
    turns.leave(large)
    assert (large.has_come, later.has_come) == (False, True)
    turns.leave(first)
    turns.leave(later)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"exif": TURNED}], ids=["plain", "progressive", "turned"]
)
def test_a_photograph_at_display_size_waits_for_nobody_on_a_small_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    path = tmp_path / "photograph.jpg"
    Image.new("RGB", (4_000, 3_000), "teal").save(path, **options)
    pod = Turns(2, 2 * GIB)
    monkeypatch.setattr(display, "turns", lambda: pod)
    with pod.take(GIB):
        shown = without_waiting(lambda: read_display(str(path), 1_024))
        assert max(shown.width_px, shown.height_px) == 1_024
        with pytest.raises(NoTurnError):
            without_waiting(lambda: read_display(str(path), 3_999))


def test_a_picture_that_would_take_most_of_the_memory_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "turns", lambda: Turns(2, 100 * MIB))
    Image.new("RGB", (4_000, 3_000), "teal").save(tmp_path / "plain.jpg")
    Image.new("RGB", (4_000, 3_000), "teal").save(tmp_path / "scans.jpg", progressive=True, subsampling=0)
    assert read_display(str(tmp_path / "plain.jpg"), 1_024).width_px == 1_024
    with pytest.raises(DatasetError, match=r"scans\.jpg: too large: .* MiB, more than half of the memory here"):
        read_display(str(tmp_path / "scans.jpg"), 1_024)


MEASURE = """
import sys
from pipeline.images import read_display
def highest():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) << 10
read_display(sys.argv[1], 40)
before = highest()
read_display(sys.argv[2], int(sys.argv[3]))
print(highest() - before)
"""


class Counted(Turns):
    """Records how many bytes were asked for."""

    n_bytes = 0

    @contextmanager
    def take(self, n_bytes: int) -> Iterator[None]:
        self.n_bytes = n_bytes
        with super().take(n_bytes):
            yield


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory as Linux tells it")
@pytest.mark.parametrize(
    ("name", "mode", "options", "max_side_px"),
    [
        ("whole.jpg", "RGB", {}, 2_900),
        ("progressive.jpg", "RGB", {"progressive": True}, 1_024),
        ("finest.jpg", "RGB", {"progressive": True, "subsampling": 0}, 1_024),
        ("clear.png", "RGBA", {"compress_level": 1}, 2_900),
        ("deep.png", "I;16", {"compress_level": 1}, 2_900),
        ("one.webp", "RGB", {"quality": 50, "method": 0}, 2_900),
        ("one.avif", "RGB", {"quality": 50, "speed": 10}, 2_900),
        ("one.heic", "RGB", {"quality": 50}, 2_900),
    ],
)
def test_a_picture_counts_for_what_its_decoding_takes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    mode: str,
    options: dict[str, object],
    max_side_px: int,
) -> None:
    side = np.arange(3_000, dtype=np.uint16) % 199
    grey = np.add.outer(side[:2_000], side)
    picture = Image.fromarray(grey) if mode == "I;16" else Image.fromarray(grey.astype(np.uint8)).convert(mode)
    if name.endswith("heic"):
        pytest.importorskip("pillow_heif").register_heif_opener()
    picture.save(tmp_path / name, **options)
    picture.resize((80, 60), Image.Resampling.NEAREST).save(tmp_path / f"small-{name}", **options)
    counted = Counted(1, 64 * GIB)
    monkeypatch.setattr(display, "turns", lambda: counted)
    read_display(str(tmp_path / name), max_side_px)
    paths = [str(tmp_path / f"small-{name}"), str(tmp_path / name)]
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths, str(max_side_px)], check=True, capture_output=True, text=True
    )
    taken = int(measured.stdout)
    assert 0.7 * counted.n_bytes < taken < 1.1 * counted.n_bytes


def test_threads_that_ask_for_large_pictures_at_once_decode_them_in_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    Image.new("RGB", (2_000, 1_400), "teal").save(path)
    two = Turns(2, GIB // 2)
    monkeypatch.setattr(display, "turns", lambda: two)
    under_way, most, lock, were_two = [0], [0], threading.Lock(), threading.Event()
    load = ImageFile.ImageFile.load

    def counted(image: ImageFile.ImageFile) -> object:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
            if most[0] > 1:
                were_two.set()
        were_two.wait(120)  # the first one is done only once there was a second beside it
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
