"""The drawings of single objects."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.toybox.objects import TOY_CLASSES, ToyClass
from pipeline.toybox.scenes import CONFUSABLE_PAIRS, draw_object
from pipeline.toybox.shapes import box, circle, ellipse, lathe, moved, smooth
from pipeline.toybox.sketch import Pose, Sketch


def test_there_are_at_least_forty_classes_with_distinct_keys_and_names() -> None:
    assert len(TOY_CLASSES) >= 40
    assert len({toy.key for toy in TOY_CLASSES}) == len(TOY_CLASSES)
    assert len({toy.name for toy in TOY_CLASSES}) == len(TOY_CLASSES)
    assert all(toy.definition for toy in TOY_CLASSES)


def test_confusable_pairs_name_known_distinct_classes() -> None:
    keys = {toy.key for toy in TOY_CLASSES}
    assert all({a, b} <= keys and a != b for a, b in CONFUSABLE_PAIRS)


@pytest.mark.parametrize("toy", TOY_CLASSES, ids=lambda toy: toy.key)
def test_each_object_lies_whole_within_its_picture_and_fills_its_longer_side(toy: ToyClass) -> None:
    for i in range(3):
        drawn = draw_object(toy, 96, Random(f"{toy.key}/{i}"))
        alpha = np.asarray(drawn.getchannel("A"))
        assert 90 <= max(drawn.size) <= 98
        # Whatever reached beyond the picture would be cut off in a straight, opaque line along an edge.
        for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
            assert (edge > 250).mean() < 0.5
        rows, columns = np.flatnonzero(alpha.max(1) > 64), np.flatnonzero(alpha.max(0) > 64)
        assert max(np.ptp(rows), np.ptp(columns)) >= 82
        assert 0.03 < (alpha > 127).mean() < 0.95


@pytest.mark.parametrize("toy", TOY_CLASSES, ids=lambda toy: toy.key)
def test_one_class_is_drawn_in_several_ways(toy: ToyClass) -> None:
    looks = {draw_object(toy, 48, Random(i)).tobytes() for i in range(4)}
    assert len(looks) == 4


def test_a_filled_square_covers_its_area_and_a_hole_uncovers_it() -> None:
    sketch = Sketch()
    sketch.fill(box(-1, -1, 1, 1), (200, 10, 10), outline=False)
    sketch.hole(box(-0.5, -0.5, 0.5, 0.5))
    alpha = np.asarray(sketch.paint(100).getchannel("A")) / 255
    assert alpha.sum() == pytest.approx(0.75 * 100**2, rel=0.08)
    assert alpha[45:55, 45:55].max() == 0


@pytest.mark.parametrize("shade", ["flat", "above", "left", "pillar", "ball"])
def test_shading_lightens_one_side_and_keeps_the_hue(shade: str) -> None:
    sketch = Sketch()
    sketch.fill(box(-1, -1, 1, 1), (40, 90, 160), shade, outline=False)  # type: ignore[arg-type]
    pixels = np.asarray(sketch.paint(64).convert("RGB"))[6:58, 6:58].astype(int)
    assert (pixels[..., 2] > pixels[..., 0]).all()
    top_left, bottom_right = pixels[:20, :20].sum(), pixels[-20:, -20:].sum()
    assert top_left == bottom_right if shade == "flat" else top_left > bottom_right


def test_what_is_drawn_within_an_outline_stays_there() -> None:
    sketch = Sketch()
    sketch.fill(circle(0, 0, 1), (250, 250, 250), outline=False)
    with sketch.within(circle(0, 0, 0.5)):
        sketch.fill(box(-3, -3, 3, 3), (10, 200, 10), outline=False)
    pixels = np.asarray(sketch.paint(200).convert("RGB"))
    assert max(pixels.shape[:2]) <= 202  # the clipped square does not widen the picture
    is_green = pixels[..., 0] < 60
    is_green &= pixels[..., 1] > 150
    assert is_green.sum() == pytest.approx(np.pi * 50**2, rel=0.06)


def test_mirroring_flips_left_and_right() -> None:
    sketch = Sketch()
    sketch.fill([(-1, -1), (1, -1), (-1, 1)], (0, 0, 0), outline=False)
    plain = np.asarray(sketch.paint(80).getchannel("A")).astype(int)
    mirrored = np.asarray(sketch.paint(80, Pose(is_mirrored=True)).getchannel("A")).astype(int)
    assert plain[4:30, 4:30].mean() > 240
    assert mirrored[4:30, -30:-4].mean() > 240
    assert mirrored[-30:, :30].mean() < 10


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(0.1, 4), st.floats(0.1, 4))
@settings(max_examples=50)
def test_every_point_of_an_ellipse_satisfies_its_equation(x: float, y: float, rx: float, ry: float) -> None:
    points = np.array(ellipse(x, y, rx, ry))
    assert np.allclose(((points[:, 0] - x) / rx) ** 2 + ((points[:, 1] - y) / ry) ** 2, 1)


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=9), st.booleans())
@settings(max_examples=50)
def test_a_smooth_curve_passes_through_every_point_it_was_given(
    points: list[tuple[float, float]], is_closed: bool
) -> None:
    curve = smooth(points, closed=is_closed)
    assert all(any(np.allclose(point, other, atol=1e-9) for other in curve) for point in points)


def test_a_turned_outline_is_symmetric_and_moving_turns_clockwise_on_screen() -> None:
    outline = lathe([(0.2, -1), (0.6, 0), (0.3, 1)])
    assert {(round(-x, 9), round(y, 9)) for x, y in outline} == {(round(x, 9), round(y, 9)) for x, y in outline}
    assert np.allclose(moved([(1, 0)], 2, 3, scale=2, degrees=90), [(2, 5)])
