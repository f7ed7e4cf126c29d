"""Things that people wear and carry."""

from __future__ import annotations

from random import Random

from pipeline.toybox.colours import BLACK, GOLD, WHITE, Colour, darker, jittered, lighter, mixed, paint
from pipeline.toybox.objects.registry import toy
from pipeline.toybox.shapes import box, circle, ellipse, moved, rounded, smooth
from pipeline.toybox.sketch import Sketch


def _glasses(sketch: Sketch, rng: Random, lens: Colour, opacity: float, frame: Colour, width: float) -> None:
    form = rng.choice(["round", "square", "drop"])
    for side in (-1, 1):
        sketch.stroke(smooth([(side * 0.9, -0.22), (side * 1.05, -0.3), (side * 0.98, -0.5),
                              (side * 0.62, -0.56)], closed=False),
                      width, darker(frame, 0.2))  # fmt: skip
        if form == "round":
            rim = ellipse(side * 0.5, 0, 0.41, 0.4)
        elif form == "square":
            rim = box(side * 0.5 - 0.43, -0.3, side * 0.5 + 0.43, 0.3, 0.16)
        else:
            rim = smooth(
                [
                    (side * x, y)
                    for x, y in ((0.1, -0.24), (0.5, -0.32), (0.93, -0.26), (0.88, 0.16), (0.55, 0.38), (0.2, 0.18))
                ]
            )
        sketch.fill(rim, lens, "above", contrast=0.6, opacity=opacity, outline=False)
        sketch.shine(
            [
                (side * 0.5 - 0.25, 0.1),
                (side * 0.5 + 0.02, -0.24),
                (side * 0.5 + 0.12, -0.24),
                (side * 0.5 - 0.15, 0.14),
            ],
            0.4,
        )
        sketch.stroke([*rim, rim[0]], width + 0.03, darker(frame, 0.5))
        sketch.stroke([*rim, rim[0]], width, frame)
    sketch.stroke(ellipse(0, -0.1, 0.13, 0.1, 190, 350), width, frame)


@toy("sunglasses", "shades; dark glasses", "spectacles with dark lenses that protect from the sun", max_tilt=30)
def _draw_sunglasses(sketch: Sketch, rng: Random) -> None:
    lens = jittered(rng.choice([(34, 34, 40), (70, 44, 28), (30, 56, 84), (66, 34, 70)]), rng)
    _glasses(sketch, rng, lens, 0.97, rng.choice([BLACK, BLACK, paint(rng), GOLD]), rng.uniform(0.06, 0.12))


@toy("spectacles", "glasses; eyeglasses", "a frame with clear lenses that corrects eyesight", max_tilt=30)
def _draw_spectacles(sketch: Sketch, rng: Random) -> None:
    _glasses(
        sketch, rng, (206, 226, 236), 0.4, rng.choice([BLACK, (120, 60, 34), paint(rng), GOLD]), rng.uniform(0.05, 0.1)
    )


@toy("hat", "fedora; brimmed hat", "a covering for the head with a crown and a brim all round", max_tilt=25)
def _draw_hat(sketch: Sketch, rng: Random) -> None:
    colour = jittered(rng.choice([(120, 84, 56), (60, 62, 70), (226, 200, 140), (150, 150, 146), (110, 40, 46)]), rng)
    sketch.fill(
        smooth([(-1, 0.22), (-0.5, 0.1), (0.5, 0.1), (1, 0.22), (0.55, 0.5), (0, 0.56), (-0.55, 0.5)]), colour, "above"
    )
    crown = smooth(
        [(-0.6, 0.26), (-0.54, -0.3), (-0.34, -0.62), (0, -0.5), (0.34, -0.62), (0.54, -0.3), (0.6, 0.26), (0, 0.38)]
    )
    sketch.fill(crown, lighter(colour, 0.05), "pillar")
    with sketch.within(crown):
        arc = ellipse(0, 0.02, 0.66, 0.12, 180, 0)
        sketch.fill([*arc, (0.7, 0.5), (-0.7, 0.5)], paint(rng), "pillar", outline=False)
    sketch.stroke(smooth([(-0.06, -0.5), (0, -0.3), (0.03, -0.16)], closed=False), 0.04, darker(colour, 0.35))


@toy("cap", "baseball cap", "a soft close-fitting head covering with a peak at the front", max_tilt=25)
def _draw_cap(sketch: Sketch, rng: Random) -> None:
    colour, peak = paint(rng), paint(rng)
    peak = colour if rng.random() < 0.5 else peak
    sketch.fill(
        smooth([(0.1, 0.24), (0.6, 0.16), (1.0, 0.34), (1.14, 0.5), (0.7, 0.48), (0.1, 0.46)]),
        darker(peak, 0.1),
        "above",
    )
    dome = [
        *ellipse(-0.12, 0.34, 0.68, 0.86, 180, 360),
        *smooth([(0.56, 0.34), (0.2, 0.44), (-0.3, 0.46), (-0.8, 0.34)], closed=False),
    ]
    sketch.fill(dome, colour, "ball")
    with sketch.within(dome):
        for x in (-0.42, 0.2):
            sketch.stroke(
                smooth([(-0.12, -0.52), (x * 0.8 - 0.1, -0.1), (x - 0.12, 0.5)], closed=False),
                0.025,
                darker(colour, 0.4),
            )
    sketch.fill(circle(-0.12, -0.52, 0.075), peak, "ball")
    badge = lighter(peak, 0.4) if peak != colour else WHITE
    sketch.fill(circle(0.18, 0.02, 0.15), mixed(badge, paint(rng), 0.2))


@toy("boot", "wellington boot", "a sturdy shoe that covers the ankle and part of the leg", max_tilt=25)
def _draw_boot(sketch: Sketch, rng: Random) -> None:
    colour = jittered(
        rng.choice([(122, 78, 44), (50, 46, 46), (176, 120, 66), (210, 60, 50), (50, 120, 90), (234, 190, 60)]), rng
    )
    sole = darker(colour, 0.6)
    sketch.fill(
        rounded(
            [
                (-0.56, 0.78),
                (0.92, 0.78),
                (0.92, 0.97),
                (0.1, 0.97),
                (0.04, 0.9),
                (-0.1, 0.9),
                (-0.14, 1.0),
                (-0.56, 1.0),
            ],
            0.06,
        ),
        sole,
    )
    shaft = smooth([(-0.52, -0.92), (0.2, -0.92), (0.2, -0.2), (0.3, 0.2), (0.68, 0.36), (0.92, 0.6), (0.92, 0.8),
                    (0.2, 0.82),
                    (-0.55, 0.8), (-0.56, 0.2), (-0.5, -0.4)], steps=4)  # fmt: skip
    sketch.fill(shaft, colour, "left", contrast=0.4)
    sketch.fill(box(-0.57, -1.0, 0.27, -0.76, 0.06), lighter(colour, 0.2), "left")
    if rng.random() < 0.6:
        for i in range(5):
            y = -0.52 + 0.17 * i
            sketch.stroke([(-0.02 + 0.03 * i, y), (0.2 + 0.03 * i, y + 0.05)], 0.05, lighter(colour, 0.65))
    else:
        sketch.stroke([(-0.52, 0.1), (0.24, 0.06)], 0.09, darker(colour, 0.4))
        sketch.fill(box(-0.22, 0.0, -0.04, 0.18), GOLD)
    sketch.shine(moved(ellipse(0, 0, 0.05, 0.3), -0.36, -0.3), 0.25)


@toy("sneaker", "trainer; running shoe", "a light shoe with a rubber sole and laces, for sport", max_tilt=25)
def _draw_sneaker(sketch: Sketch, rng: Random) -> None:
    colour, trim = paint(rng), paint(rng)
    upper = smooth([(-0.92, -0.4), (-0.72, -0.42), (-0.3, -0.3), (0.0, -0.36), (0.34, -0.06), (0.8, 0.08),
                    (1.0, 0.28), (0.9, 0.42),
                    (-0.9, 0.42), (-0.98, 0.0)], steps=4)  # fmt: skip
    sketch.fill(upper, colour, "above", contrast=0.4)
    with sketch.within(upper):
        sketch.fill(circle(1.02, 0.4, 0.36), lighter(colour, 0.4))
        sketch.fill([(-0.3, 0.4), (0.1, -0.02), (0.28, 0.02), (-0.02, 0.4)], trim, outline=False)
        sketch.fill([(-0.62, 0.4), (-0.2, -0.02), (-0.04, 0.0), (-0.36, 0.4)], trim, outline=False)
        sketch.fill(box(-1.1, -0.3, -0.78, 0.1, 0.06), trim, outline=False)
    sketch.fill(ellipse(-0.54, -0.4, 0.38, 0.09), darker(colour, 0.6))
    for i in range(4):
        x, y = 0.0 + 0.12 * i, -0.3 + 0.095 * i
        sketch.stroke([(x - 0.08, y + 0.1), (x + 0.07, y - 0.02)], 0.05, WHITE)
    sketch.fill(rounded([(-0.98, 0.34), (1.02, 0.34), (1.0, 0.58), (-0.94, 0.58)], 0.1), WHITE, "above", contrast=0.25)
    sketch.stroke([(-0.9, 0.5), (0.95, 0.5)], 0.035, trim)


@toy("umbrella", "parasol; brolly", "a canopy on ribs and a stick, carried against the rain", max_tilt=40)
def _draw_umbrella(sketch: Sketch, rng: Random) -> None:
    colour, other = paint(rng), paint(rng)
    other = other if rng.random() < 0.5 else lighter(colour, 0.25)
    sketch.stroke([(0, -0.95), (0, 0.75)], 0.055, (90, 66, 50))
    sketch.tube(ellipse(0.15, 0.76, 0.15, 0.17, 180, 10), 0.07, (150, 96, 54))
    canopy = [*ellipse(0, 0.05, 1, 0.86, 180, 360)]
    for i in range(4):
        canopy += ellipse(0.75 - 0.5 * i, 0.05, 0.25, 0.11, 360, 180)[1:]
    sketch.fill(canopy, colour, "above", contrast=0.5)
    with sketch.within(canopy):
        for i in (0, 2):
            left, right = -1 + 0.5 * i, -0.5 + 0.5 * i
            panel = [*smooth([(0, -0.81), (left * 0.72, -0.5), (left, 0.1)], closed=False),
                     *reversed(smooth([(0, -0.81), (right * 0.72, -0.5), (right, 0.1)], closed=False))]  # fmt: skip
            sketch.fill(panel, other, "above", contrast=0.5)
        for x in (-0.5, 0, 0.5):
            sketch.stroke(smooth([(0, -0.81), (x * 0.76, -0.5), (x, 0.08)], closed=False), 0.02, darker(colour, 0.5))


@toy("handbag", "purse; pocketbook", "a small bag with a handle, for money and small things", max_tilt=20)
def _draw_handbag(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng)
    half = rng.uniform(0.72, 0.85)
    sketch.tube(ellipse(0, -0.3, 0.44, rng.uniform(0.5, 0.66), 180, 360), 0.1, darker(colour, 0.15))
    sketch.fill(
        rounded([(-half, -0.34), (half, -0.34), (0.98, 0.74), (-0.98, 0.74)], 0.16), colour, "above", contrast=0.4
    )
    flap = rounded(
        [
            (-half - 0.02, -0.38),
            (half + 0.02, -0.38),
            (half + 0.02, 0.06),
            (0.2, 0.24),
            (-0.2, 0.24),
            (-half - 0.02, 0.06),
        ],
        0.12,
    )
    sketch.fill(flap, lighter(colour, 0.12), "above", contrast=0.3)
    sketch.fill(box(-0.12, 0.12, 0.12, 0.34, 0.04), GOLD, "ball")
    for x in (-0.44, 0.44):
        sketch.fill(circle(x, -0.28, 0.08), GOLD, "ball")
    sketch.stroke([(-0.86, 0.64), (0.86, 0.64)], 0.025, darker(colour, 0.35))
