"""The toybox as a folder."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from pipeline.errors import DatasetError
from pipeline.project.label_space import load_label_space
from pipeline.toybox import ToyboxPaths, open_toybox, read_truth, write_toybox
from pipeline.toybox.objects import TOY_CLASSES
from pipeline.toybox.scenes import RECOGNISABLE_SHARE, draw_scene


def _bytes(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def _draw(root: Path, seed: int = 0) -> ToyboxPaths:
    return write_toybox(root, seed=seed, n_scenes=4, n_reference=1, reference_px=48)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_same_seed_draws_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (_bytes(_draw(tmp_path / name, seed).root) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again
    assert first.keys() == other.keys()
    pictures = [name for name in first if name.endswith(".jpg")]
    assert len(pictures) == 4 + len(TOY_CLASSES)
    assert all(first[name] != other[name] for name in pictures)


def test_a_scene_does_not_depend_on_how_many_are_drawn(tmp_path: Path, small_toybox: ToyboxPaths) -> None:
    few = write_toybox(tmp_path / "few", seed=3, n_scenes=3, n_reference=1)
    for file in few.root.rglob("*.jpg"):
        assert file.read_bytes() == (small_toybox.root / file.relative_to(few.root)).read_bytes()


def test_the_classes_read_as_a_label_space(small_toybox: ToyboxPaths) -> None:
    space = load_label_space(small_toybox.classes)
    assert space.keys == tuple(toy.key for toy in TOY_CLASSES)
    mug = space[space.index_of("mug")]
    assert mug.synonyms == ("coffee mug",)
    assert mug.definition


def test_every_picture_that_the_tables_name_can_be_opened(small_toybox: ToyboxPaths) -> None:
    images = [row["image"] for row in _rows(small_toybox.scenes_csv)]
    assert len(images) == len(set(images)) == 90
    for image in images:
        with Image.open(small_toybox.root / image) as picture:
            picture.load()
            assert 300 < min(picture.size) <= max(picture.size) <= 512
    for toy in TOY_CLASSES:
        assert len(list((small_toybox.reference / toy.key).glob("*.jpg"))) == 2


def test_the_truth_holds_the_original_label_and_just_what_can_be_recognised(small_toybox: ToyboxPaths) -> None:
    truth = read_truth(small_toybox.truth)
    drawn: dict[str, set[str]] = {image: set() for image in truth}
    for row in _rows(small_toybox.objects):
        assert 0 <= float(row["visible_share"]) <= 1
        if float(row["visible_share"]) >= RECOGNISABLE_SHARE:
            drawn[row["image"]].add(row["key"])
    assert drawn == {image: set(keys) for image, keys in truth.items()}
    for row in _rows(small_toybox.scenes_csv):
        assert row["label"] in truth[row["image"]]


def test_scenes_show_one_to_six_objects_and_nearly_half_show_several() -> None:
    scenes = [draw_scene(Random(f"counts/{i}")) for i in range(150)]
    counts = Counter(len(scene.truth) for scene in scenes)
    assert set(counts) == {1, 2, 3, 4, 5, 6}
    assert 0.3 < 1 - counts[1] / len(scenes) < 0.6
    assert all(len({one.key for one in scene.objects}) == len(scene.objects) for scene in scenes)
    several = [scene for scene in scenes if len(scene.truth) > 1]
    largest = [max(scene.objects, key=lambda one: one.area_share).key == scene.label for scene in several]
    assert 0.65 < sum(largest) / len(largest) < 0.95
    hidden = [one for scene in scenes for one in scene.objects if not one.is_recognisable]
    assert hidden
    assert all(one.visible_share < 0.2 for one in hidden)


def test_visible_shares_agree_with_counting_the_pixels_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the same scene with each object in one flat colour, and count."""
    from pipeline.toybox import scenes

    pasted: list[tuple[Image.Image, tuple[int, int]]] = []
    put = scenes._put

    def recorded(picture: Image.Image, drawn: Image.Image, place: tuple[int, int], rng: Random) -> None:
        pasted.append((drawn, place))
        put(picture, drawn, place, rng)

    monkeypatch.setattr(scenes, "_put", recorded)
    for i in range(12):
        pasted.clear()
        scene = draw_scene(Random(f"pixels/{i}"))
        numbers = Image.new("L", scene.picture.size)
        for number, (drawn, place) in enumerate(pasted, start=1):
            stencil = drawn.getchannel("A").point([0] * 128 + [255] * 128)
            numbers.paste(number, (*place, place[0] + drawn.width, place[1] + drawn.height), stencil)
        histogram = numbers.histogram()
        for number, ((drawn, _), one) in enumerate(zip(pasted, scene.objects, strict=True), start=1):
            whole = sum(drawn.getchannel("A").histogram()[128:])
            assert one.visible_share == pytest.approx(histogram[number] / whole, abs=0.06)


def test_a_folder_that_holds_this_toybox_is_left_as_it_is(tmp_path: Path) -> None:
    paths = _draw(tmp_path / "box")
    before = {file: file.stat().st_mtime_ns for file in paths.root.rglob("*")}
    _draw(tmp_path / "box")
    assert before == {file: file.stat().st_mtime_ns for file in paths.root.rglob("*")}


def test_writing_that_was_cut_off_is_recognised_and_done_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.toybox import dataset

    whole = _bytes(_draw(tmp_path / "whole").root)
    with monkeypatch.context() as patched:
        calls = iter(range(2))

        def dies(rng: Random) -> object:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return draw_scene(rng)

        patched.setattr(dataset, "draw_scene", dies)
        with pytest.raises(KeyboardInterrupt):
            _draw(tmp_path / "cut")
    (tmp_path / "cut" / "scenes" / "9999.jpg").write_bytes(b"left over")
    with pytest.raises(DatasetError, match="cut off"):
        open_toybox(tmp_path / "cut")
    _draw(tmp_path / "cut")
    assert _bytes(tmp_path / "cut") == whole


def test_a_toybox_that_lost_a_picture_is_drawn_again(tmp_path: Path) -> None:
    whole = _bytes(_draw(tmp_path / "box").root)
    (tmp_path / "box" / "scenes" / "0002.jpg").unlink()
    assert _bytes(_draw(tmp_path / "box").root) == whole


def test_a_folder_of_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DatasetError, match="not a toybox"):
        _draw(tmp_path)
    assert _bytes(tmp_path) == {"thesis.txt": b"years of work"}


def test_a_toybox_of_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    before = _bytes(_draw(tmp_path / "box", seed=1).root)
    with pytest.raises(DatasetError, match=r"seed 1 \(not 2\)"):
        _draw(tmp_path / "box", seed=2)
    assert _bytes(tmp_path / "box") == before


def test_numbers_out_of_range_and_folders_without_toybox_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="reference_px is 9"):
        write_toybox(tmp_path / "box", reference_px=9)
    with pytest.raises(DatasetError, match="no toybox"):
        open_toybox(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"a.jpg": "mug"}', '{"a.jpg": [1]}'])
def test_a_malformed_truth_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"truth\.json"):
        read_truth(path)


def test_a_truth_file_reads_as_sets_of_keys(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"scenes/0000.jpg": ["mug", "teacup"]}))
    assert read_truth(path) == {"scenes/0000.jpg": frozenset({"mug", "teacup"})}
