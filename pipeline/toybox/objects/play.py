"""Instruments and toys."""

from __future__ import annotations

import math
from random import Random

from pipeline.toybox.colours import BLACK, GOLD, STEEL, WHITE, Colour, darker, jittered, lighter, paint
from pipeline.toybox.objects.registry import toy
from pipeline.toybox.shapes import Points, box, circle, ellipse, moved, rounded, smooth
from pipeline.toybox.sketch import Sketch


def _mirrored(right: Points) -> Points:
    """Return the closed outline of a symmetric shape, given its right half from top to bottom."""
    return smooth([*right, *((-x, y) for x, y in reversed(right))])


def _strings(sketch: Sketch, n: int, top: float, bottom: float, half: float) -> None:
    for i in range(n):
        x = -half + 2 * half * i / (n - 1)
        sketch.stroke([(x, top), (x * 1.3, bottom)], 0.012, (232, 228, 214))


@toy(
    "guitar",
    "acoustic guitar; electric guitar",
    "a plucked instrument with a fretted neck and six strings",
    max_tilt=100,
)
def _draw_guitar(sketch: Sketch, rng: Random) -> None:
    wood = jittered(rng.choice([(212, 150, 76), (190, 104, 48), (232, 190, 120), (60, 110, 160), (190, 50, 44)]), rng)
    neck = jittered((92, 56, 34), rng)
    body = _mirrored(
        [(0.1, 0.0), (0.32, 0.04), (0.38, 0.22), (0.29, 0.42), (0.42, 0.6), (0.5, 0.82), (0.34, 1.04), (0.1, 1.1)]
    )
    sketch.fill(body, wood, "left", contrast=0.3)
    sketch.fill(moved(body, 0, 0.041, 0.93), lighter(wood, 0.12), "ball", contrast=0.3, outline=False)
    sketch.fill(circle(0, 0.36, 0.155), darker(wood, 0.45))
    sketch.fill(circle(0, 0.36, 0.12), (36, 26, 22), outline=False)
    sketch.fill(box(-0.065, -0.95, 0.065, 0.3), neck, "pillar")
    for i in range(8):
        y = -0.88 + 0.14 * i
        sketch.stroke([(-0.06, y), (0.06, y)], 0.018, STEEL)
    sketch.fill(rounded([(-0.08, -0.95), (0.08, -0.95), (0.12, -1.3), (-0.12, -1.3)], 0.03), darker(wood, 0.4), "above")
    for side in (-1, 1):
        for i in range(3):
            sketch.fill(circle(side * 0.15, -1.03 - 0.1 * i, 0.04), WHITE)
    sketch.fill(box(-0.19, 0.76, 0.19, 0.83, 0.02), neck)
    _strings(sketch, 6, -0.95, 0.78, 0.042)


@toy("violin", "fiddle", "a bowed instrument with four strings, f-shaped holes and a chin rest", max_tilt=100)
def _draw_violin(sketch: Sketch, rng: Random) -> None:
    wood = jittered(rng.choice([(168, 78, 32), (140, 60, 28), (196, 112, 46)]), rng, 0.03)
    body = _mirrored([(0.08, 0.0), (0.29, 0.06), (0.33, 0.2), (0.28, 0.3), (0.19, 0.36), (0.17, 0.5), (0.22, 0.6),
                      (0.35, 0.66),
                      (0.4, 0.82), (0.33, 0.98), (0.1, 1.04)])  # fmt: skip
    sketch.fill(body, wood, "ball", contrast=0.45)
    for side in (-1, 1):
        hole = [(0.15, 0.34), (0.19, 0.38), (0.16, 0.5), (0.2, 0.62), (0.24, 0.64)]
        sketch.stroke(smooth([(side * x, y) for x, y in hole], closed=False), 0.028, (40, 22, 16))
        sketch.fill(circle(side * 0.14, 0.36, 0.026), (40, 22, 16), outline=False)
        sketch.fill(circle(side * 0.245, 0.625, 0.026), (40, 22, 16), outline=False)
    sketch.fill([(-0.05, -0.72), (0.05, -0.72), (0.07, 0.36), (-0.07, 0.36)], (44, 34, 32), "pillar")
    sketch.fill(rounded([(-0.05, -0.7), (0.05, -0.7), (0.07, -0.92), (-0.07, -0.92)], 0.03), wood, "left")
    sketch.fill(circle(0, -0.96, 0.085), wood, "ball")
    for i, side in enumerate((-1, 1, -1, 1)):
        sketch.stroke([(0, -0.74 - 0.045 * i), (side * 0.15, -0.76 - 0.045 * i)], 0.035, (44, 34, 32))
    sketch.fill([(-0.05, 0.66), (0.05, 0.66), (0.09, 0.97), (-0.09, 0.97)], (40, 30, 30), "pillar")
    sketch.fill(box(-0.11, 0.53, 0.11, 0.565), (230, 196, 140))
    _strings(sketch, 4, -0.72, 0.68, 0.03)
    sketch.fill(ellipse(-0.2, 0.95, 0.13, 0.08), (36, 28, 28), "ball")
    if rng.random() < 0.6:
        sketch.stroke([(0.52, -0.85), (0.62, 1.05)], 0.035, (112, 62, 34))
        sketch.stroke([(0.48, -0.8), (0.57, 0.98)], 0.022, WHITE)
        sketch.stroke([(0.57, 0.98), (0.62, 1.0)], 0.06, BLACK)


@toy("soccer_ball", "football", "a round ball of pentagons and hexagons, kicked in soccer", max_tilt=180)
def _draw_soccer_ball(sketch: Sketch, rng: Random) -> None:
    ink = rng.choice([BLACK, BLACK, jittered((40, 70, 160), rng), jittered((190, 40, 40), rng)])
    ball = circle(0, 0, 1)
    sketch.fill(ball, (226, 226, 224), "ball", contrast=0.5)
    with sketch.within(ball):
        middle = [(0.34 * math.sin(math.radians(72 * i)), -0.34 * math.cos(math.radians(72 * i))) for i in range(5)]
        for i, (x, y) in enumerate(middle):
            outer = (x * 2.1, y * 2.1)
            sketch.stroke([(x, y), outer], 0.045, (80, 80, 84))
            for side in (-1, 1):
                angle = math.radians(72 * i + side * 22)
                vertex = (0.93 * math.sin(angle), -0.93 * math.cos(angle))
                sketch.stroke([outer, vertex], 0.045, (80, 80, 84))
            patch = [(math.sin(math.radians(72 * i + a)) * r, -math.cos(math.radians(72 * i + a)) * r)
                     for a, r in ((0, 0.7), (21, 0.84), (16, 1.1), (-16, 1.1), (-21, 0.84))]  # fmt: skip
            sketch.fill(patch, ink, outline=False)
        sketch.fill(middle, ink, outline=False)
    sketch.shine(moved(ellipse(0, 0, 0.24, 0.13), -0.42, -0.5, degrees=-40), 0.5)
    sketch.stroke([*ball, ball[0]], 0.03, (90, 90, 94))


@toy("basketball", "", "a large orange ball with black seams, thrown through a hoop", max_tilt=180)
def _draw_basketball(sketch: Sketch, rng: Random) -> None:
    colour = jittered((222, 112, 44), rng, 0.02)
    ball = circle(0, 0, 1)
    sketch.fill(ball, colour, "ball", contrast=0.5)
    seam = darker(colour, 0.75)
    bend = rng.uniform(-0.25, 0.25)
    with sketch.within(ball):
        sketch.stroke(smooth([(-1, 0), (0, bend), (1, 0)], closed=False), 0.05, seam)
        sketch.stroke(smooth([(0, -1), (-bend, 0), (0, 1)], closed=False), 0.05, seam)
        for side in (-1, 1):
            sketch.stroke(ellipse(side * 1.15, 0, 0.72, 0.95), 0.05, seam)
    sketch.shine(moved(ellipse(0, 0, 0.22, 0.12), -0.42, -0.52, degrees=-40), 0.35)
    sketch.stroke([*ball, ball[0]], 0.035, seam)


@toy("teddy_bear", "teddy", "a stuffed toy bear", max_tilt=16)
def _draw_teddy_bear(sketch: Sketch, rng: Random) -> None:
    fur = jittered(
        rng.choice([(170, 112, 62), (214, 170, 112), (110, 74, 50), (228, 216, 200), (214, 150, 170)]), rng, 0.03
    )
    light = lighter(fur, 0.4)
    for side in (-1, 1):
        sketch.fill(moved(ellipse(0, 0, 0.2, 0.36), side * 0.56, 0.12, degrees=-side * 35), fur, "ball")
        sketch.fill(circle(side * 0.36, -0.84, 0.2), fur, "ball")
        sketch.fill(circle(side * 0.36, -0.82, 0.11), light, outline=False)
    sketch.fill(ellipse(0, 0.3, 0.52, 0.56), fur, "ball")
    sketch.fill(ellipse(0, 0.36, 0.32, 0.36), light, "ball", contrast=0.2, outline=False)
    for side in (-1, 1):
        sketch.fill(moved(ellipse(0, 0, 0.27, 0.3), side * 0.48, 0.76, degrees=side * 20), fur, "ball")
        sketch.fill(circle(side * 0.5, 0.8, 0.14), light, outline=False)
    sketch.fill(ellipse(0, -0.5, 0.52, 0.45), fur, "ball")
    sketch.fill(ellipse(0, -0.36, 0.24, 0.19), light, "ball", contrast=0.2)
    for side in (-1, 1):
        sketch.fill(circle(side * 0.2, -0.6, 0.06), BLACK, outline=False)
        sketch.fill(circle(side * 0.2 - 0.02, -0.62, 0.02), WHITE, outline=False)
    sketch.fill(ellipse(0, -0.43, 0.085, 0.06), BLACK, outline=False)
    sketch.stroke(ellipse(0, -0.35, 0.09, 0.06, 10, 170), 0.025, BLACK)
    if rng.random() < 0.6:
        bow: Colour = paint(rng)
        for side in (-1, 1):
            sketch.fill([(0, -0.06), (side * 0.24, -0.18), (side * 0.24, 0.08)], bow, "left")
        sketch.fill(circle(0, -0.06, 0.07), lighter(bow, 0.15))


@toy("toy_car", "car; model car", "a small model of a motor car", max_tilt=12)
def _draw_toy_car(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng)
    roof = rng.uniform(-0.52, -0.42)
    cabin = smooth([(-0.62, -0.08), (-0.42, roof), (0.2, roof), (0.56, -0.08)], closed=False)
    sketch.fill(cabin, colour, "above")
    for window in ([(-0.46, -0.1), (-0.34, roof + 0.1), (-0.1, roof + 0.08), (-0.1, -0.1)],
                   [(-0.02, -0.1), (-0.02, roof + 0.08), (0.16, roof + 0.1), (0.38, -0.1)]):  # fmt: skip
        sketch.fill(window, (176, 212, 230), "left")
    body = smooth([(-0.98, 0.05), (-0.6, -0.1), (0.5, -0.1), (0.94, 0.06), (0.98, 0.34), (0, 0.38), (-0.98, 0.34)])
    sketch.fill(body, colour, "above", contrast=0.5)
    sketch.stroke([(-0.06, -0.06), (-0.06, 0.3)], 0.02, darker(colour, 0.4))
    sketch.stroke([(0.06, 0.04), (0.16, 0.04)], 0.035, GOLD)
    sketch.fill(ellipse(0.92, 0.12, 0.06, 0.08), (252, 230, 130))
    sketch.fill(ellipse(-0.94, 0.12, 0.05, 0.07), (220, 60, 50))
    for x in (-0.56, 0.56):
        sketch.fill(circle(x, 0.36, 0.24), BLACK, "ball")
        sketch.fill(circle(x, 0.36, 0.12), STEEL, "ball")
