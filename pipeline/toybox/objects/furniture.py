"""Furniture and furnishings."""

from __future__ import annotations

from random import Random

from pipeline.toybox.colours import WHITE, WOOD, darker, jittered, lighter, mixed, paint
from pipeline.toybox.objects.registry import toy
from pipeline.toybox.shapes import box, circle, ellipse, moved, rounded, smooth
from pipeline.toybox.sketch import Sketch


@toy("chair", "dining chair", "a seat for one person, with a back and four legs", max_tilt=8)
def _draw_chair(sketch: Sketch, rng: Random) -> None:
    wood = jittered(WOOD, rng, 0.03) if rng.random() < 0.6 else paint(rng)
    seat = paint(rng) if rng.random() < 0.5 else lighter(wood, 0.12)
    for x, top, foot in ((-0.4, 0.1, 0.78), (0.44, 0.1, 0.78)):
        sketch.fill(box(x - 0.05, top, x + 0.05, foot), darker(wood, 0.35), "left")
    for x in (-0.42, 0.42):
        sketch.fill(box(x - 0.055, -1.0, x + 0.055, 0.16, 0.03), wood, "left")
    back = rng.choice(["rails", "bars", "panel"])
    if back == "rails":
        for y in (-0.9, -0.6, -0.3):
            sketch.fill(box(-0.38, y, 0.38, y + 0.14), wood, "above")
    elif back == "bars":
        sketch.fill(box(-0.46, -1.0, 0.46, -0.82, 0.05), wood, "above")
        for x in (-0.22, 0, 0.22):
            sketch.fill(box(x - 0.04, -0.82, x + 0.04, 0.1), wood, "left")
    else:
        sketch.fill(box(-0.46, -1.0, 0.46, -0.28, 0.12), seat, "above")
    sketch.fill(rounded([(-0.48, 0.02), (0.48, 0.02), (0.64, 0.3), (-0.64, 0.3)], 0.05), seat, "above", contrast=0.35)
    sketch.fill(box(-0.63, 0.28, 0.63, 0.37), darker(wood, 0.1))
    for x in (-0.56, 0.56):
        sketch.fill(box(x - 0.06, 0.36, x + 0.06, 1.02), wood, "left")


@toy("stool", "footstool", "a seat without a back, on three or four legs", max_tilt=8)
def _draw_stool(sketch: Sketch, rng: Random) -> None:
    wood = jittered(WOOD, rng, 0.03) if rng.random() < 0.6 else paint(rng)
    seat = paint(rng) if rng.random() < 0.5 else lighter(wood, 0.1)
    splay = rng.uniform(0.06, 0.24)
    for x in (-0.26, 0.26):
        sketch.stroke([(x, -0.3), (x * (1 + splay), 0.72)], 0.1, darker(wood, 0.5))
    sketch.stroke([(-0.5, 0.36), (0.5, 0.36)], 0.08, darker(wood, 0.3))
    for side in (-1, 1):
        foot = side * (0.5 + splay)
        leg = [(side * 0.42, -0.35), (side * 0.54, -0.35), (foot + 0.06, 0.98), (foot - 0.06, 0.98)]
        sketch.fill(leg, wood, "left")
    sketch.fill(ellipse(0, -0.34, 0.72, 0.22), darker(seat, 0.3))
    sketch.fill(ellipse(0, -0.44, 0.74, 0.22), seat, "above", contrast=0.4)


@toy("book", "volume; hardback", "printed pages bound between covers", max_tilt=60)
def _draw_book(sketch: Sketch, rng: Random) -> None:
    cover, accent = paint(rng), paint(rng)
    if rng.random() < 0.65:
        sketch.fill(
            [(-0.62, -0.9), (0.7, -0.9), (0.82, -0.8), (0.82, 1.0), (-0.5, 1.0), (-0.62, 0.9)], darker(cover, 0.3)
        )
        sketch.fill([(0.64, -0.86), (0.78, -0.77), (0.78, 0.95), (0.64, 0.88)], WHITE, outline=False)
        sketch.fill([(-0.58, 0.88), (0.64, 0.88), (0.78, 0.95), (-0.46, 0.95)], (226, 220, 206), outline=False)
        sketch.fill(box(-0.68, -0.95, 0.68, 0.9, 0.03), cover, "above", contrast=0.35)
        sketch.fill(box(-0.68, -0.95, -0.5, 0.9), darker(cover, 0.25), outline=False)
        sketch.fill(box(-0.34, -0.72, 0.54, -0.3), mixed(WHITE, accent, 0.1))
        for y, end in ((-0.6, 0.42), (-0.44, 0.28)):
            sketch.stroke([(-0.24, y), (end, y)], 0.06, (70, 70, 78))
        sketch.fill(circle(0.1, 0.24, 0.28), accent, "ball")
    else:  # open
        sketch.fill([(-1.05, -0.5), (0, -0.42), (1.05, -0.5), (1.05, 0.66), (0, 0.74), (-1.05, 0.66)], cover)
        for side in (-1, 1):
            page = smooth([(0, -0.42), (side * 0.5, -0.62), (side * 0.98, -0.56)], closed=False)
            page += [(x, y + 1.1) for x, y in reversed(page)]
            sketch.fill(page, WHITE, "left", contrast=0.15)
            for i in range(6):
                y = -0.3 + 0.13 * i
                sketch.stroke(
                    [(side * 0.16, y + 0.02), (side * 0.5, y - 0.07), (side * 0.84, y - 0.06)], 0.03, (150, 150, 156)
                )
        sketch.stroke([(0, -0.4), (0, 0.68)], 0.03, (130, 124, 112))


@toy("potted_cactus", "cactus", "a prickly plant with thick green stems, grown in a pot", max_tilt=10)
def _draw_potted_cactus(sketch: Sketch, rng: Random) -> None:
    green = jittered((88, 150, 84), rng, 0.04)
    pot = jittered((196, 104, 66), rng, 0.03) if rng.random() < 0.6 else paint(rng)
    ridge = darker(green, 0.3)
    for side, y in ((-1, rng.uniform(-0.25, 0.0)), (1, rng.uniform(-0.4, -0.05))):
        if rng.random() < 0.85:
            sketch.tube(
                smooth(
                    [(0, y + 0.16), (side * 0.42, y + 0.12), (side * 0.5, y - 0.1), (side * 0.5, y - 0.36)],
                    closed=False,
                ),
                0.2,
                green,
            )
    stem = box(-0.27, -1.0, 0.27, 0.5, 0.26)
    sketch.fill(stem, green, "pillar")
    for x in (-0.13, 0.0, 0.13):
        sketch.stroke([(x, -0.9 + abs(x)), (x, 0.4)], 0.022, ridge)
    for i in range(8):
        for x in (-0.2, -0.065, 0.065, 0.2):
            y = -0.78 + 0.14 * i
            sketch.stroke([(x - 0.03, y), (x + 0.03, y - 0.03)], 0.018, WHITE)
    if rng.random() < 0.6:
        for turn in range(0, 360, 72):
            sketch.fill(moved(ellipse(0, -0.12, 0.07, 0.1), 0, -1.0, 1, turn), (234, 110, 160))
        sketch.fill(circle(0, -1.0, 0.06), (250, 220, 90))
    sketch.fill(rounded([(-0.46, 0.4), (0.46, 0.4), (0.34, 1.0), (-0.34, 1.0)], 0.05), pot, "pillar")
    sketch.fill(box(-0.54, 0.3, 0.54, 0.5, 0.05), lighter(pot, 0.08), "pillar")
