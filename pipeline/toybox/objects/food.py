"""Fruit, vegetables and cakes."""

from __future__ import annotations

import math
from random import Random

from pipeline.toybox.colours import WHITE, darker, jittered, lighter, mixed, paint
from pipeline.toybox.objects.registry import toy
from pipeline.toybox.shapes import Points, circle, ellipse, moved, rounded, smooth
from pipeline.toybox.sketch import Sketch

_LEAF = (84, 140, 58)


def _leaf(sketch: Sketch, x: float, y: float, degrees: float, length: float = 0.4) -> None:
    leaf = moved(smooth([(0, 0), (0.4, -0.22), (1, 0), (0.4, 0.22)]), x, y, length, degrees)
    sketch.fill(leaf, _LEAF, "above")
    sketch.stroke(moved([(0.1, 0), (0.85, 0)], x, y, length, degrees), 0.02, darker(_LEAF, 0.35))


def _blush(sketch: Sketch, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
    for share in (1.0, 0.86, 0.72, 0.58, 0.44):
        sketch.fill(ellipse(x, y, radius * share, 1.3 * radius * share), colour, opacity=0.15, outline=False)


def _pores(sketch: Sketch, rng: Random, outline: Points, n: int, ink: tuple[int, int, int], reach: float) -> None:
    with sketch.within(outline):
        for _ in range(n):
            x, y = rng.uniform(-reach, reach), rng.uniform(-reach, reach)
            sketch.fill(ellipse(x, y, 0.025, 0.025), ink, outline=False)


@toy("apple", "", "a crisp round fruit with red, yellow or green skin and a stalk in a dip", max_tilt=35)
def _draw_apple(sketch: Sketch, rng: Random) -> None:
    colour = jittered(rng.choice([(200, 40, 44), (196, 30, 40), (142, 184, 62), (226, 196, 80)]), rng, 0.02)
    body = smooth([(0, -0.58), (0.4, -0.72), (0.82, -0.48), (0.9, 0.0), (0.66, 0.6), (0.3, 0.84), (0, 0.76),
                   (-0.3, 0.84), (-0.66, 0.6),
                   (-0.9, 0.0), (-0.82, -0.48), (-0.4, -0.72)])  # fmt: skip
    sketch.fill(body, colour, "ball", contrast=0.5)
    with sketch.within(body):
        if rng.random() < 0.5:
            _blush(sketch, 0.4, 0.1, 0.5, mixed(colour, (236, 170, 60), 0.7))
    sketch.fill(ellipse(0, -0.54, 0.22, 0.08), darker(colour, 0.45), outline=False)
    sketch.stroke(smooth([(0, -0.52), (0.02, -0.76), (0.12, -0.98)], closed=False), 0.08, (96, 62, 36))
    if rng.random() < 0.75:
        _leaf(sketch, 0.06, -0.76, rng.uniform(-40, 0), 0.5)
    sketch.shine(moved(ellipse(0, 0, 0.12, 0.22), -0.48, -0.22, degrees=28), 0.45)


@toy("tomato", "", "a round, juicy red fruit with a green star of sepals, eaten as a vegetable", max_tilt=40)
def _draw_tomato(sketch: Sketch, rng: Random) -> None:
    colour = jittered(rng.choice([(218, 52, 36), (206, 40, 32), (228, 92, 40)]), rng, 0.02)
    body = smooth([(0, -0.56), (0.5, -0.62), (0.94, -0.28), (0.98, 0.18), (0.66, 0.66), (0, 0.8), (-0.66, 0.66),
                   (-0.98, 0.18), (-0.94, -0.28),
                   (-0.5, -0.62)])  # fmt: skip
    sketch.fill(body, colour, "ball", contrast=0.5)
    with sketch.within(body):
        for x in (-0.55, 0.5):
            sketch.stroke(smooth([(0, -0.55), (x, -0.3), (x * 1.25, 0.3)], closed=False), 0.03, darker(colour, 0.2))
    star = []
    turn = rng.uniform(-20, 20)
    for i in range(10):
        angle, radius = math.radians(36 * i + turn), (0.42 if i % 2 == 0 else 0.12)
        star.append((radius * math.sin(angle), -0.52 - radius * 0.55 * math.cos(angle)))
    sketch.fill(star, _LEAF, "above")
    sketch.stroke([(0, -0.52), (0.05, -0.78)], 0.09, darker(_LEAF, 0.25))
    sketch.shine(moved(ellipse(0, 0, 0.13, 0.2), -0.54, -0.14, degrees=35), 0.55)


@toy("orange", "", "a round citrus fruit with a thick orange rind", max_tilt=180)
def _draw_orange(sketch: Sketch, rng: Random) -> None:
    colour = jittered((240, 146, 36), rng, 0.02)
    body = ellipse(0, 0, 0.94, rng.uniform(0.86, 0.94))
    sketch.fill(body, colour, "ball", contrast=0.45)
    _pores(sketch, rng, ellipse(0, 0, 0.86, 0.8), 26, darker(colour, 0.16), 0.75)
    x = rng.uniform(-0.2, 0.2)
    sketch.fill(ellipse(x, -0.66, 0.12, 0.07), darker(_LEAF, 0.1))
    if rng.random() < 0.65:
        _leaf(sketch, x, -0.7, rng.uniform(-50, 10), 0.6)
    sketch.shine(moved(ellipse(0, 0, 0.13, 0.2), -0.44, -0.3, degrees=38), 0.35)


@toy("lemon", "", "an oval yellow citrus fruit with pointed ends and sour juice", max_tilt=60)
def _draw_lemon(sketch: Sketch, rng: Random) -> None:
    colour = jittered(rng.choice([(244, 214, 60), (236, 220, 84), (170, 200, 70)]), rng, 0.015)
    body = smooth([(-1, 0.0), (-0.88, -0.12), (-0.5, -0.5), (0, -0.62), (0.5, -0.5), (0.86, -0.14), (1.04, 0.0),
                   (0.86, 0.16), (0.5, 0.52),
                   (0, 0.64), (-0.5, 0.52), (-0.88, 0.13)])  # fmt: skip
    sketch.fill(body, colour, "ball", contrast=0.45)
    _pores(sketch, rng, moved(body, 0, 0, 0.85), 22, darker(colour, 0.14), 0.7)
    if rng.random() < 0.4:
        _leaf(sketch, -0.95, 0, rng.uniform(-80, -20), 0.5)
    sketch.shine(moved(ellipse(0, 0, 0.2, 0.1), -0.36, -0.3, degrees=-28), 0.5)


@toy("banana", "", "a long curved fruit with yellow skin", max_tilt=60)
def _draw_banana(sketch: Sketch, rng: Random) -> None:
    colour = jittered((242, 208, 70), rng, 0.015)
    n = rng.choice([1, 1, 2, 3])
    for i in range(n):
        turn = -14 * (n - 1) + 24 * i
        body = smooth([(-0.92, -0.48), (-0.78, 0.02), (-0.4, 0.42), (0.14, 0.54), (0.66, 0.36), (0.98, -0.02),
                       (1.0, -0.16), (0.88, -0.14),
                       (0.5, 0.06), (0.04, 0.12), (-0.42, -0.06), (-0.7, -0.36), (-0.78, -0.54)])  # fmt: skip
        sketch.fill(moved(body, 0, 0, 1, turn), colour, "above", contrast=0.4)
        ridge = smooth(
            [(-0.82, -0.36), (-0.58, 0.06), (-0.2, 0.32), (0.24, 0.36), (0.66, 0.18), (0.92, -0.08)], closed=False
        )
        sketch.stroke(moved(ridge, 0, 0, 1, turn), 0.03, darker(colour, 0.25))
        sketch.stroke(moved([(-0.85, -0.5), (-0.9, -0.72)], 0, 0, 1, turn), 0.12, darker(colour, 0.35))
        sketch.fill(moved(circle(0.97, -0.1, 0.06), 0, 0, 1, turn), (84, 62, 36), outline=False)


@toy("pear", "", "a sweet fruit, narrow at the stalk and wide below", max_tilt=40)
def _draw_pear(sketch: Sketch, rng: Random) -> None:
    colour = jittered(rng.choice([(184, 200, 74), (214, 196, 84), (150, 176, 64), (206, 150, 80)]), rng, 0.02)
    body = smooth([(0, -0.72), (0.24, -0.62), (0.34, -0.3), (0.6, 0.1), (0.7, 0.5), (0.46, 0.88), (0, 0.94),
                   (-0.46, 0.88), (-0.7, 0.5),
                   (-0.6, 0.1), (-0.34, -0.3), (-0.24, -0.62)])  # fmt: skip
    sketch.fill(body, colour, "ball", contrast=0.45)
    if rng.random() < 0.5:
        with sketch.within(body):
            _blush(sketch, 0.36, 0.45, 0.42, (212, 96, 60))
    _pores(sketch, rng, body, 18, darker(colour, 0.25), 0.6)
    sketch.stroke(smooth([(0, -0.7), (0.02, -0.88), (0.12, -1.04)], closed=False), 0.075, (96, 64, 38))
    if rng.random() < 0.6:
        _leaf(sketch, 0.04, -0.84, rng.uniform(-20, 25), 0.45)
    sketch.shine(moved(ellipse(0, 0, 0.09, 0.22), -0.36, 0.24, degrees=18), 0.4)


@toy("carrot", "", "a long orange root with a green leafy top, eaten as a vegetable", max_tilt=180)
def _draw_carrot(sketch: Sketch, rng: Random) -> None:
    colour = jittered((238, 130, 44), rng, 0.015)
    for degrees in (-34, -12, 10, 32):
        frond = smooth([(0, 0), (0.1, -0.3), (0.07, -0.62), (0, -0.74), (-0.07, -0.62), (-0.1, -0.3)])
        sketch.fill(moved(frond, 0, -0.42, 1, degrees), jittered(_LEAF, rng), "left")
    half = rng.uniform(0.22, 0.3)
    root = smooth([(-half * 0.7, -0.5), (half * 0.7, -0.5), (half, -0.34), (half * 0.72, 0.3), (0.06, 1.06),
                   (-0.06, 1.06), (-half * 0.72, 0.3),
                   (-half, -0.34)], steps=4)  # fmt: skip
    sketch.fill(root, colour, "pillar", contrast=0.4)
    with sketch.within(root):
        for _ in range(7):
            y, x = rng.uniform(-0.35, 0.7), rng.uniform(-0.3, 0.1)
            sketch.stroke([(x, y), (x + 0.16, y + 0.02)], 0.03, darker(colour, 0.22))


@toy("doughnut", "donut", "a ring-shaped fried cake, often iced", max_tilt=180)
def _draw_doughnut(sketch: Sketch, rng: Random) -> None:
    dough = jittered((206, 146, 80), rng, 0.02)
    icing = jittered(
        rng.choice([(238, 130, 170), (92, 54, 36), (250, 240, 226), (140, 200, 220), (246, 200, 90)]), rng, 0.02
    )
    flat = rng.uniform(0.7, 1)
    sketch.fill(ellipse(0, 0.06, 1, flat), dough, "ball")
    wave = [
        (0.86 + 0.05 * math.sin(3 * math.radians(a) + 1) + rng.uniform(-0.02, 0.03), math.radians(a))
        for a in range(0, 360, 24)
    ]
    sketch.fill(smooth([(r * math.cos(a), r * flat * math.sin(a)) for r, a in wave]), icing, "ball", contrast=0.35)
    if rng.random() < 0.8:
        for _ in range(26):
            a, r = rng.uniform(0, 2 * math.pi), rng.uniform(0.46, 0.76)
            x, y, turn = r * math.cos(a), r * flat * math.sin(a), rng.uniform(0, math.pi)
            sketch.stroke([(x, y), (x + 0.08 * math.cos(turn), y + 0.08 * math.sin(turn))], 0.045, paint(rng))
    sketch.fill(ellipse(0, 0, 0.34, 0.34 * flat), darker(dough, 0.1), "above")
    sketch.hole(ellipse(0, 0.03 * flat, 0.27, 0.26 * flat))


@toy("cupcake", "fairy cake; muffin", "a small cake baked in a paper case, topped with icing", max_tilt=15)
def _draw_cupcake(sketch: Sketch, rng: Random) -> None:
    case, icing = (
        paint(rng),
        jittered(
            rng.choice([(244, 160, 190), (250, 240, 224), (110, 68, 46), (150, 210, 200), (190, 160, 220)]), rng, 0.02
        ),
    )
    cup = [(-0.68, 0.1), (0.68, 0.1), (0.48, 0.95), (-0.48, 0.95)]
    sketch.fill(rounded(cup, 0.05), case, "pillar", contrast=0.4)
    for i in range(8):
        x = -0.56 + 0.16 * i
        sketch.stroke([(x, 0.14), (x * 0.72, 0.92)], 0.03, darker(case, 0.25))
    for y, half, height in ((0.06, 0.8, 0.26), (-0.22, 0.62, 0.24), (-0.46, 0.42, 0.22), (-0.66, 0.22, 0.2)):
        swirl = smooth(
            [
                (-half, y),
                (-half * 0.8, y - height),
                (half * 0.8, y - height),
                (half, y - 0.03),
                (half * 0.5, y + 0.13),
                (-half * 0.5, y + 0.14),
            ]
        )
        sketch.fill(swirl, icing, "above", contrast=0.3)
    if rng.random() < 0.6:
        sketch.fill(circle(0, -0.9, 0.15), (204, 30, 50), "ball")
        sketch.stroke(smooth([(0, -1.02), (0.06, -1.14), (0.16, -1.2)], closed=False), 0.03, (70, 100, 50))
    else:
        for _ in range(14):
            x, y = rng.uniform(-0.5, 0.5), rng.uniform(-0.5, 0.05)
            sketch.fill(circle(x, y, 0.04), rng.choice([WHITE, paint(rng), lighter(icing, 0.5)]), outline=False)
