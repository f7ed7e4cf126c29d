"""Things on a kitchen table."""

from __future__ import annotations

from random import Random

from pipeline.toybox.colours import BLACK, PAINTS, STEEL, WHITE, WOOD, Colour, darker, jittered, lighter, mixed, paint
from pipeline.toybox.objects.registry import toy
from pipeline.toybox.shapes import Points, box, circle, ellipse, lathe, moved, rounded, smooth
from pipeline.toybox.sketch import Sketch

_DRINKS: tuple[Colour, ...] = ((70, 42, 24), (150, 84, 36), (196, 150, 100))


def _bands(sketch: Sketch, rng: Random, body: Points, colour: Colour, top: float, bottom: float) -> None:
    """Decorate a body with bands, dots or nothing."""
    other = mixed(paint(rng), colour, 0.15)
    motif = rng.choice(["none", "bands", "dots", "heart"])
    with sketch.within(body):
        if motif == "bands":
            for i in range(rng.randint(1, 3)):
                y = top + (bottom - top) * (0.25 + 0.24 * i)
                sketch.fill([*ellipse(0, y, 1.1, 0.1, 180, 0), *ellipse(0, y + 0.12, 1.1, 0.1, 0, 180)], other,
                            outline=False, opacity=0.85)  # fmt: skip
        elif motif == "dots":
            for i in range(4):
                for j in range(3):
                    y = top + (bottom - top) * (0.25 + 0.25 * j)
                    dot = circle(-0.6 + 0.34 * i + 0.16 * (j % 2), y, 0.075)
                    sketch.fill(dot, other, outline=False, opacity=0.9)
        elif motif == "heart":
            heart = smooth([(0, -0.1), (0.14, -0.2), (0.25, -0.06), (0, 0.24), (-0.25, -0.06), (-0.14, -0.2)])
            sketch.fill(moved(heart, -0.08, (top + bottom) / 2), other, outline=False)


@toy("mug", "coffee mug", "a straight-sided drinking vessel with a large handle, used without a saucer")
def _draw_mug(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng)
    half, top = rng.uniform(0.5, 0.62), -rng.uniform(0.66, 0.82)
    body = [*ellipse(0, top, half, 0.15, 180, 0)[::-1][:1], *ellipse(0, 0.7, half, 0.16, 0, 180), (-half, top)]
    sketch.tube(ellipse(half - 0.04, 0.03, 0.4, 0.42, -80, 80), 0.15, colour)
    sketch.fill(body, colour, "pillar")
    _bands(sketch, rng, body, colour, top + 0.1, 0.7)
    sketch.fill(ellipse(0, top, half, 0.15), lighter(colour, 0.25))
    sketch.fill(ellipse(0, top + 0.02, half - 0.07, 0.11), jittered(rng.choice(_DRINKS), rng), "above")


@toy("teacup", "cup; cup and saucer", "a small round drinking vessel with a delicate handle, set on a saucer")
def _draw_teacup(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng, without=(PAINTS[12],))
    half = rng.uniform(0.58, 0.68)
    sketch.fill(ellipse(0, 0.6, 1.0, 0.22), darker(colour, 0.12), "above")
    sketch.fill(ellipse(0, 0.55, 1.0, 0.2), lighter(colour, 0.12), "above")
    sketch.fill(ellipse(0, 0.57, 0.55, 0.1), darker(colour, 0.15), outline=False)
    sketch.tube(ellipse(half - 0.02, -0.14, 0.28, 0.24, -100, 100), 0.09, colour)
    profile = [(half, -0.45), (half * 0.96, -0.1), (half * 0.7, 0.3), (0.27, 0.48), (0.3, 0.58)]
    body = lathe(profile)
    sketch.fill(body, colour, "pillar")
    _bands(sketch, rng, body, colour, -0.4, 0.4)
    sketch.fill(ellipse(0, -0.45, half, 0.15), lighter(colour, 0.3))
    sketch.fill(ellipse(0, -0.43, half - 0.06, 0.11), jittered(rng.choice(_DRINKS), rng), "above")


@toy("bowl", "mixing bowl; soup bowl", "a deep round open dish for food or liquids")
def _draw_bowl(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng)
    depth, rim = rng.uniform(0.6, 0.8), rng.uniform(0.22, 0.32)
    sketch.fill(box(-0.36, depth - 0.18, 0.36, depth + 0.02, 0.06), darker(colour, 0.25), "pillar")
    body = [*ellipse(0, -0.2, 1.0, depth + 0.08, 0, 180)]
    sketch.fill(body, colour, "pillar")
    with sketch.within(body):
        if rng.random() < 0.6:
            other = paint(rng)
            for i in range(rng.randint(1, 2)):
                y = 0.0 + 0.2 * i
                sketch.fill([*ellipse(0, y, 1.1, 0.3, 180, 0), *ellipse(0, y + 0.1, 1.1, 0.3, 0, 180)][10:], other,
                            outline=False, opacity=0.8)  # fmt: skip
    sketch.fill(ellipse(0, -0.2, 1.0, rim), lighter(colour, 0.35))
    sketch.fill(ellipse(0, -0.18, 0.92, rim - 0.05), darker(colour, 0.12), "above", contrast=0.5)


@toy("plate", "dinner plate; dish", "a flat, shallow round dish from which food is eaten", max_tilt=12)
def _draw_plate(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng, without=(PAINTS[12],)) if rng.random() < 0.5 else WHITE
    flat = rng.uniform(0.55, 0.98)
    other = paint(rng)
    sketch.fill(ellipse(0, 0.06, 1.0, flat), darker(colour, 0.35))
    sketch.fill(ellipse(0, 0, 1.0, flat), colour, "above", contrast=0.25)
    if rng.random() < 0.7:
        sketch.fill(ellipse(0, 0, 0.92, flat * 0.92), other, outline=False)
        sketch.fill(ellipse(0, 0, 0.84, flat * 0.84), colour, "above", contrast=0.25, outline=False)
    sketch.fill(ellipse(0, 0.02, 0.64, flat * 0.64), darker(colour, 0.14), outline=False)
    sketch.fill(ellipse(0, 0.035, 0.62, flat * 0.62), lighter(colour, 0.1), "above", contrast=0.2, outline=False)
    sketch.shine(moved(ellipse(0, 0, 0.22, 0.06), -0.5, -0.6 * flat, degrees=-35), 0.6)


@toy("bottle", "wine bottle", "a tall glass vessel with a narrow neck and a cap or cork, for liquids", max_tilt=60)
def _draw_bottle(sketch: Sketch, rng: Random) -> None:
    colour = jittered(rng.choice([(36, 98, 60), (120, 66, 24), (70, 130, 160), (60, 64, 70), (150, 30, 44)]), rng)
    half, neck = rng.uniform(0.28, 0.36), rng.uniform(0.09, 0.12)
    shoulder = rng.uniform(-0.35, -0.1)
    body = lathe([(neck, -0.98), (neck, shoulder - 0.28), (half * 0.8, shoulder - 0.04), (half, shoulder + 0.18),
                  (half, 0.5), (half, 0.92), (half * 0.9, 1.0)])  # fmt: skip
    sketch.fill(body, colour, "pillar", contrast=0.55)
    sketch.fill(box(-neck - 0.02, -1.05, neck + 0.02, -0.86, 0.03), paint(rng), "pillar")
    label = box(-half + 0.005, shoulder + 0.3, half - 0.005, 0.75)
    sketch.fill(label, mixed(WHITE, paint(rng), rng.uniform(0, 0.3)), "pillar", contrast=0.25)
    sketch.fill(box(-half * 0.6, shoulder + 0.42, half * 0.6, shoulder + 0.54), paint(rng), outline=False)
    for y in (0.52, 0.62):
        sketch.stroke([(-half * 0.55, y), (half * 0.55, y)], 0.03, (120, 116, 110))
    sketch.shine(box(-half * 0.72, shoulder + 0.1, -half * 0.5, 0.92, 0.05), 0.4)


@toy("vase", "urn; flower vase", "an open ornamental jar of curved shape, in which flowers are put")
def _draw_vase(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng)
    lip, neck, belly, foot = (
        rng.uniform(0.3, 0.42),
        rng.uniform(0.16, 0.24),
        rng.uniform(0.5, 0.66),
        rng.uniform(0.24, 0.34),
    )
    middle = rng.uniform(-0.1, 0.25)
    body = lathe([(lip, -0.95), (neck, -0.68), (neck * 1.15, -0.52), (belly, middle), (foot * 1.3, 0.7), (foot, 0.92)])
    sketch.fill(body, colour, "pillar", contrast=0.5)
    other = mixed(paint(rng), WHITE, 0.2)
    with sketch.within(body):
        motif = rng.choice(["zigzag", "bands", "dots", "none"])
        if motif == "zigzag":
            line = [(-0.8 + 0.16 * i, middle + (0.12 if i % 2 else -0.12)) for i in range(11)]
            sketch.stroke(line, 0.07, other)
        elif motif == "bands":
            for y in (middle - 0.25, middle + 0.25):
                sketch.stroke(ellipse(0, y, 0.8, 0.08, 0, 180), 0.09, other)
        elif motif == "dots":
            for i in range(5):
                sketch.fill(circle(-0.5 + 0.25 * i, middle + 0.06 * (2 - abs(i - 2)), 0.085), other, outline=False)
    sketch.fill(ellipse(0, -0.95, lip, 0.09), lighter(colour, 0.3))
    sketch.fill(ellipse(0, -0.94, lip - 0.06, 0.055), darker(colour, 0.6), outline=False)
    sketch.shine(moved(ellipse(0, 0, 0.06, 0.2), -belly * 0.55, middle - 0.08, degrees=12), 0.4)


@toy("wine_glass", "goblet; wineglass", "a drinking glass with a bowl on a stem and a flat foot", max_tilt=14)
def _draw_wine_glass(sketch: Sketch, rng: Random) -> None:
    half, depth = rng.uniform(0.38, 0.5), rng.uniform(0.05, 0.2)
    glass = (205, 222, 230)
    wine = jittered(rng.choice([(122, 16, 40), (226, 190, 92), (224, 120, 120)]), rng)
    sketch.fill(ellipse(0, 0.92, 0.42, 0.1), glass, "above", opacity=0.8)
    sketch.fill(lathe([(0.08, depth), (0.04, depth + 0.2), (0.04, 0.75), (0.12, 0.9)]), glass, "left", opacity=0.9)
    body = lathe([(half * 0.8, -0.95), (half, -0.5), (half * 0.75, -0.1), (0.08, depth + 0.05)])
    sketch.fill(body, glass, "left", opacity=0.5)
    level = rng.uniform(-0.6, -0.25)
    with sketch.within(body):
        sketch.fill(box(-1, level, 1, 0.4), wine, "left", opacity=0.92, outline=False)
        sketch.fill(ellipse(0, level, half * 0.98, 0.08), lighter(wine, 0.25), outline=False)
    sketch.fill(ellipse(0, -0.95, half * 0.8, 0.07), lighter(glass, 0.4), opacity=0.6)
    sketch.shine(moved(ellipse(0, 0, 0.05, 0.25), -half * 0.6, -0.5, degrees=6), 0.7)


@toy("teapot", "tea kettle", "a pot with a spout, a handle and a lid, in which tea is brewed")
def _draw_teapot(sketch: Sketch, rng: Random) -> None:
    colour = paint(rng)
    sketch.tube(ellipse(0.5, 0.1, 0.42, 0.38, -85, 85), 0.12, colour)
    spout = smooth([(-0.45, 0.35), (-0.75, 0.12), (-0.98, -0.36), (-0.84, -0.4), (-0.66, -0.14), (-0.4, -0.1)])
    sketch.fill(spout, colour, "above")
    body = smooth([(-0.35, -0.42), (0.35, -0.42), (0.64, 0.05), (0.4, 0.6), (-0.4, 0.6), (-0.64, 0.05)])
    sketch.fill(box(-0.36, 0.54, 0.36, 0.7, 0.05), darker(colour, 0.25), "pillar")
    sketch.fill(body, colour, "ball", contrast=0.5)
    _bands(sketch, rng, body, colour, -0.35, 0.6)
    sketch.fill(
        smooth([(-0.38, -0.4), (-0.25, -0.58), (0.25, -0.58), (0.38, -0.4), (0, -0.34)]), lighter(colour, 0.08), "left"
    )
    sketch.fill(circle(0, -0.68, 0.11), paint(rng), "ball")
    sketch.shine(moved(ellipse(0, 0, 0.07, 0.18), -0.36, -0.1, degrees=25), 0.45)


@toy("fork", "dinner fork; table fork", "an implement with a handle and several tines, for eating", max_tilt=180)
def _draw_fork(sketch: Sketch, rng: Random) -> None:
    metal = jittered(rng.choice([STEEL, (206, 174, 90), (150, 154, 160)]), rng, 0.02)
    handle = rng.choice([metal, metal, paint(rng)])
    sketch.fill(lathe([(0.05, -0.1), (0.06, 0.3), (0.1, 0.8), (0.05, 0.98)]), handle, "pillar")
    sketch.fill(lathe([(0.22, -0.5), (0.22, -0.36), (0.13, -0.16), (0.05, -0.02), (0.05, 0.1)]), metal, "pillar")
    for i in range(4):
        x = -0.19 + 0.127 * i
        sketch.fill(box(x - 0.036, -1.0, x + 0.036, -0.42, 0.03), metal, "left")
    sketch.fill(box(-0.2, -0.52, 0.2, -0.4), metal, "pillar", outline=False)


@toy("spoon", "tablespoon; soup spoon", "an implement with a handle and an oval bowl, for eating", max_tilt=180)
def _draw_spoon(sketch: Sketch, rng: Random) -> None:
    is_wooden = rng.random() < 0.3
    metal = jittered(WOOD if is_wooden else rng.choice([STEEL, (206, 174, 90), (150, 154, 160)]), rng, 0.02)
    sketch.fill(lathe([(0.05, -0.3), (0.055, 0.3), (0.1, 0.8), (0.05, 0.98)]), metal, "pillar")
    bowl = smooth(
        [(0, -1.0), (0.22, -0.84), (0.26, -0.56), (0.1, -0.28), (-0.1, -0.28), (-0.26, -0.56), (-0.22, -0.84)]
    )
    sketch.fill(bowl, metal, "above")
    sketch.fill(moved(bowl, 0, -0.17, 0.74), darker(metal, 0.16), "ball", outline=False)
    sketch.shine(moved(ellipse(0, 0, 0.04, 0.14), -0.09, -0.68, degrees=15), 0.6)


@toy("frying_pan", "skillet; frypan", "a shallow round pan with a long handle, used for frying", max_tilt=180)
def _draw_frying_pan(sketch: Sketch, rng: Random) -> None:
    outer = jittered(rng.choice([BLACK, (120, 124, 130), (160, 50, 44), (60, 90, 110)]), rng)
    handle = jittered(rng.choice([BLACK, WOOD, (150, 40, 36)]), rng)
    flat = rng.uniform(0.75, 1.0)
    sketch.fill(rounded([(0.2, -0.09), (1.35, -0.1), (1.35, 0.1), (0.2, 0.09)], 0.09), handle, "above")
    sketch.fill(circle(1.24, 0, 0.04), darker(handle, 0.7), outline=False)
    sketch.fill(ellipse(-0.3, 0.04, 0.72, 0.72 * flat), darker(outer, 0.3))
    sketch.fill(ellipse(-0.3, 0, 0.72, 0.7 * flat), lighter(outer, 0.25), "left")
    sketch.fill(ellipse(-0.3, 0.02, 0.6, 0.58 * flat), darker(mixed(outer, BLACK, 0.6), 0.1), "ball")
    if rng.random() < 0.4:
        egg = smooth(
            [(-0.62, -0.1), (-0.4, -0.28 * flat), (-0.06, -0.2 * flat), (0.02, 0.16), (-0.34, 0.3 * flat), (-0.6, 0.2)]
        )
        sketch.fill(egg, WHITE)
        sketch.fill(ellipse(-0.3, 0, 0.15, 0.14), (244, 180, 40), "ball")
