"""Things that people work, write and lock with."""

from __future__ import annotations

from random import Random

from pipeline.toybox.colours import BLACK, GOLD, STEEL, WHITE, WOOD, darker, jittered, lighter, paint
from pipeline.toybox.objects.registry import toy
from pipeline.toybox.shapes import box, circle, ellipse, lathe, moved, rounded, smooth
from pipeline.toybox.sketch import Sketch


@toy("pencil", "lead pencil", "a thin stick of wood with a core of graphite, for writing and drawing", max_tilt=180)
def _draw_pencil(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng)
    half = rng.uniform(0.09, 0.13)
    sketch.fill([(-half, -0.72), (half, -0.72), (half, 0.62), (-half, 0.62)], colour, "left", contrast=0.2)
    sketch.fill(box(-half * 0.4, -0.72, half * 0.4, 0.62), lighter(colour, 0.25), outline=False)
    sketch.fill([(-half, 0.62), (half, 0.62), (0.022, 0.98), (-0.022, 0.98)], (232, 196, 146), "left")
    sketch.fill([(-0.04, 0.86), (0.04, 0.86), (0.0, 1.02)], BLACK if rng.random() < 0.5 else darker(colour, 0.2))
    sketch.fill(box(-half - 0.01, -0.82, half + 0.01, -0.68), STEEL, "left")
    sketch.fill(box(-half, -1.0, half, -0.8, 0.05), (228, 130, 140), "left")


@toy("paintbrush", "brush; artist's brush", "bristles fixed to a handle, for putting on paint", max_tilt=180)
def _draw_paintbrush(sketch: Sketch, rng: Random) -> None:
    handle, wet = (jittered(WOOD, rng) if rng.random() < 0.5 else paint(rng)), paint(rng)
    half = rng.uniform(0.12, 0.3)
    sketch.fill(
        lathe([(0.03, -1.0), (0.07, -0.8), (0.06, -0.3), (half * 0.8, 0.05), (half * 0.8, 0.2)]), handle, "pillar"
    )
    sketch.fill(box(-half, 0.14, half, 0.44), STEEL, "pillar")
    for y in (0.22, 0.36):
        sketch.stroke([(-half + 0.02, y), (half - 0.02, y)], 0.02, (110, 114, 122))
    bristles = smooth(
        [
            (-half, 0.44),
            (half, 0.44),
            (half * 1.05, 0.7),
            (half * 0.5, 0.94),
            (0, 1.04),
            (-half * 0.5, 0.94),
            (-half * 1.05, 0.7),
        ],
        steps=4,
    )
    sketch.fill(bristles, (204, 166, 110), "left")
    with sketch.within(bristles):
        sketch.fill(
            smooth([(-0.5, 0.72), (-0.1, 0.66), (0.1, 0.76), (0.5, 0.68), (0.5, 1.2), (-0.5, 1.2)]),
            wet,
            "left",
            outline=False,
        )
        for i in range(5):
            sketch.stroke([(-half + half * 0.5 * i, 0.46), (-half + half * 0.5 * i, 0.92)], 0.012, (130, 96, 56))


@toy("scissors", "pair of scissors", "two pivoted blades with finger loops, for cutting", max_tilt=180)
def _draw_scissors(sketch: Sketch, rng: Random) -> None:
    grip = paint(rng)
    spread = rng.uniform(9, 24)
    for side in (-1, 1):
        blade = [(-0.08, 0.06), (0.1, 0.06), (0.09, -0.5), (0.0, -1.0), (-0.07, -0.4)]
        blade = [(side * x, y) for x, y in blade]
        sketch.fill(moved(blade, 0, 0, 1, side * spread), STEEL, "left")
        sketch.tube(moved([(0, 0.02), (0.0, 0.34)], 0, 0, 1, side * spread), 0.13, grip)
        loop = moved(ellipse(-side * 0.12, 0.62, 0.21, 0.32), 0, 0, 1, side * spread)
        sketch.tube([*loop, loop[0]], 0.11, grip)
    sketch.fill(circle(0, 0, 0.07), (110, 114, 120), "ball")


@toy("hammer", "claw hammer", "a handle with a heavy metal head, for driving nails", max_tilt=180)
def _draw_hammer(sketch: Sketch, rng: Random) -> None:
    handle = jittered(WOOD, rng) if rng.random() < 0.6 else paint(rng)
    steel = jittered(rng.choice([STEEL, (90, 94, 102)]), rng, 0.02)
    sketch.fill(lathe([(0.075, -0.7), (0.075, -0.1), (0.1, 0.4), (0.085, 0.8), (0.11, 1.0)]), handle, "pillar")
    if rng.random() < 0.5:
        sketch.fill(box(-0.12, 0.4, 0.12, 1.0, 0.06), darker(handle, 0.5), "pillar")
    claw = smooth([(0.06, -0.9), (-0.26, -0.88), (-0.6, -0.5), (-0.5, -0.54), (-0.24, -0.66), (0.06, -0.62)])
    sketch.fill(claw, steel, "above")
    sketch.fill(box(-0.14, -0.95, 0.2, -0.58, 0.04), steel, "above")
    sketch.fill(box(0.16, -0.87, 0.4, -0.66), darker(steel, 0.1), "above")
    sketch.fill(box(0.38, -0.96, 0.56, -0.56, 0.04), steel, "above")


@toy("screwdriver", "", "a handle with a steel shaft, for turning screws", max_tilt=180)
def _draw_screwdriver(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng)
    grip = lathe([(0.1, -0.98), (0.2, -0.9), (0.21, -0.5), (0.19, -0.25), (0.11, -0.14), (0.14, -0.04)])
    sketch.fill(box(-0.05, -0.1, 0.05, 0.82), STEEL, "pillar", contrast=0.6)
    sketch.fill(
        [(-0.05, 0.8), (0.05, 0.8), (0.09, 0.94), (0.06, 1.04), (-0.06, 1.04), (-0.09, 0.94)], (140, 144, 152), "left"
    )
    sketch.fill(grip, colour, "pillar", contrast=0.5)
    with sketch.within(grip):
        for x in (-0.1, 0.0, 0.1):
            sketch.stroke([(x, -0.84), (x, -0.32)], 0.035, darker(colour, 0.45))
        sketch.fill(box(-0.3, -0.99, 0.3, -0.88), paint(rng), "pillar", outline=False)


@toy("key", "door key", "a notched piece of metal that opens a lock", max_tilt=180)
def _draw_key(sketch: Sketch, rng: Random) -> None:
    metal = jittered(rng.choice([GOLD, STEEL, (160, 110, 70)]), rng, 0.03)
    sketch.fill(box(-0.07, -0.3, 0.07, 0.98, 0.03), metal, "pillar")
    for y in rng.sample([0.52, 0.64, 0.76, 0.88], k=3):
        sketch.fill(box(0.05, y - 0.05, rng.uniform(0.22, 0.34), y + 0.05), metal, "above")
    if rng.random() < 0.6:
        sketch.fill(circle(0, -0.6, 0.4), metal, "ball")
        inner = ellipse(0, -0.64, 0.2, 0.18)
    else:
        for x, y in ((-0.24, -0.5), (0.24, -0.5), (0, -0.8)):
            sketch.fill(circle(x, y, 0.25), metal, "ball")
        inner = circle(0, -0.6, 0.15)
    sketch.fill(box(-0.12, -0.26, 0.12, -0.16, 0.02), metal, "pillar")
    sketch.hole(inner)


@toy("padlock", "lock", "a lock with a hinged shackle that can be carried about", max_tilt=25)
def _draw_padlock(sketch: Sketch, rng: Random) -> None:
    body = jittered(rng.choice([GOLD, STEEL, paint(rng)]), rng)
    top = rng.uniform(-0.8, -0.6)
    shackle = [
        (-0.4, 0.0),
        (-0.4, top + 0.2),
        *ellipse(0, top + 0.2, 0.4, 0.38, 180, 360),
        (0.4, top + 0.2),
        (0.4, 0.0),
    ]
    sketch.tube(shackle, 0.17, (186, 190, 198))
    sketch.fill(box(-0.72, -0.12, 0.72, 0.95, rng.uniform(0.1, 0.3)), body, "pillar", contrast=0.5)
    sketch.stroke([(-0.6, 0.04), (0.6, 0.04)], 0.03, darker(body, 0.3))
    sketch.fill(circle(0, 0.36, 0.13), BLACK)
    sketch.fill(rounded([(-0.06, 0.4), (0.06, 0.4), (0.1, 0.72), (-0.1, 0.72)], 0.02), BLACK)


@toy("bucket", "pail", "an open vessel with a hooped handle, for carrying water", max_tilt=15)
def _draw_bucket(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng) if rng.random() < 0.7 else STEEL
    lift = rng.uniform(0.45, 0.7)
    sketch.stroke(ellipse(0, -0.38, 0.74, lift, 180, 360), 0.05, (96, 100, 108))
    sketch.fill(box(-0.16, -0.43 - lift, 0.16, -0.33 - lift, 0.04), WHITE if rng.random() < 0.5 else WOOD, "above")
    body = [(-0.76, -0.38), *ellipse(0, 0.84, 0.52, 0.14, 180, 0), (0.76, -0.38)]
    sketch.fill(body, colour, "pillar", contrast=0.5)
    with sketch.within(body):
        for y in (0.0, 0.5):
            sketch.stroke(ellipse(0, y, 0.8, 0.16, 0, 180), 0.05, darker(colour, 0.25))
    sketch.fill(ellipse(0, -0.38, 0.77, 0.2), lighter(colour, 0.3))
    sketch.fill(ellipse(0, -0.36, 0.69, 0.15), darker(colour, 0.45), "left")
    for x in (-0.75, 0.75):
        sketch.fill(circle(x, -0.36, 0.06), (96, 100, 108))
