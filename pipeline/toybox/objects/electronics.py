"""Things with a plug or a battery, and clocks."""

from __future__ import annotations

import math
from random import Random

from pipeline.toybox.colours import BLACK, GOLD, STEEL, WHITE, darker, jittered, lighter, mixed, paint
from pipeline.toybox.objects.registry import toy
from pipeline.toybox.shapes import Points, box, circle, ellipse, moved, rounded, smooth
from pipeline.toybox.sketch import Sketch


def _picture(sketch: Sketch, rng: Random, screen: Points) -> None:
    """Draw a landscape on the screen, as from a film."""
    xs, ys = [x for x, _ in screen], [y for _, y in screen]
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    with sketch.within(screen):
        sky = jittered(rng.choice([(120, 180, 230), (240, 170, 110), (50, 60, 110)]), rng)
        sketch.fill(screen, sky, "above", outline=False)
        width, height = right - left, bottom - top
        sketch.fill(
            circle(left + width * rng.uniform(0.2, 0.8), top + height * 0.3, height * 0.13),
            (252, 236, 170),
            outline=False,
        )
        hills = jittered((80, 140, 80), rng, 0.1)
        for i, tone in enumerate((hills, darker(hills, 0.3))):
            peak = top + height * (0.5 + 0.2 * i)
            line = smooth(
                [(left + width * j / 4, peak + height * rng.uniform(-0.12, 0.12)) for j in range(5)], closed=False
            )
            sketch.fill([*line, (right, bottom), (left, bottom)], tone, outline=False)


def _windows(sketch: Sketch, rng: Random, screen: Points) -> None:
    """Draw windows with lines of text on the screen, as on a computer."""
    xs, ys = [x for x, _ in screen], [y for _, y in screen]
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    width, height = right - left, bottom - top
    is_dark = rng.random() < 0.4
    sketch.fill(screen, jittered((40, 90, 150), rng, 0.2), "above", outline=False)
    page = (44, 48, 60) if is_dark else WHITE
    ink = (150, 200, 160) if is_dark else (130, 134, 142)
    for x, share in ((left + 0.07 * width, 0.5), (left + 0.62 * width, 0.31)):
        window = (x, top + 0.12 * height, x + share * width, bottom - 0.18 * height)
        sketch.fill(box(*window), page, outline=False)
        sketch.fill(
            box(window[0], window[1], window[2], window[1] + 0.1 * height),
            jittered((90, 130, 200), rng, 0.2),
            outline=False,
        )
        for i in range(5):
            y = window[1] + height * (0.18 + 0.09 * i)
            end = window[0] + (window[2] - window[0]) * rng.uniform(0.4, 0.92)
            sketch.stroke([(window[0] + 0.04 * width, y), (end, y)], 0.025, ink)
    sketch.fill(box(left, bottom - 0.1 * height, right, bottom), darker(page, 0.2), outline=False)


@toy("monitor", "computer monitor; screen", "a display on a single stand, showing the output of a computer", max_tilt=8)
def _draw_monitor(sketch: Sketch, rng: Random) -> None:
    frame = jittered(rng.choice([BLACK, STEEL, WHITE]), rng)
    top, bottom = -rng.uniform(0.62, 0.72), 0.42
    sketch.fill(rounded([(-0.12, 0.3), (0.12, 0.3), (0.16, 0.72), (-0.16, 0.72)], 0.04), darker(frame, 0.15), "pillar")
    sketch.fill(ellipse(0, 0.76, 0.44, 0.1), frame, "above")
    sketch.fill(box(-1, top, 1, bottom, 0.06), frame, "above", contrast=0.2)
    _windows(sketch, rng, box(-0.93, top + 0.07, 0.93, bottom - 0.14))
    sketch.fill(circle(0, bottom - 0.07, 0.025), (120, 200, 120), outline=False)
    sketch.shine([(-0.93, top + 0.07), (-0.5, top + 0.07), (-0.93, 0.1)], 0.14)


@toy("television", "TV; television set", "a set that receives and shows broadcast pictures", max_tilt=8)
def _draw_television(sketch: Sketch, rng: Random) -> None:
    if rng.random() < 0.5:  # a modern one, which is easily confused with a monitor
        frame = jittered(rng.choice([BLACK, STEEL, (60, 62, 70)]), rng)
        for x in (-0.68, 0.68):
            sketch.stroke([(x, 0.44), (x - 0.12, 0.66)], 0.07, darker(frame, 0.1))
            sketch.stroke([(x, 0.44), (x + 0.12, 0.66)], 0.07, darker(frame, 0.1))
        sketch.fill(box(-1.1, -0.72, 1.1, 0.5, 0.03), frame, "above", contrast=0.2)
        screen = box(-1.05, -0.67, 1.05, 0.43)
    else:
        case = jittered(rng.choice([(150, 98, 54), (196, 70, 54), (70, 140, 140), (216, 206, 180)]), rng)
        for x in (-0.42, 0.42):
            sketch.stroke([(0, -0.55), (x, -1.05)], 0.035, (110, 114, 120))
            sketch.fill(circle(x, -1.05, 0.05), STEEL)
            sketch.stroke([(x * 1.3, 0.6), (x * 1.6, 0.86)], 0.09, darker(case, 0.4))
        sketch.fill(box(-0.95, -0.58, 0.95, 0.68, 0.14), case, "above", contrast=0.3)
        screen = box(-0.84, -0.46, 0.44, 0.56, 0.16)
        for y in (-0.28, 0.02):
            sketch.fill(circle(0.69, y, 0.1), GOLD, "ball")
        for i in range(4):
            sketch.stroke([(0.58, 0.25 + 0.08 * i), (0.8, 0.25 + 0.08 * i)], 0.03, darker(case, 0.5))
    sketch.fill(screen, BLACK)
    _picture(sketch, rng, screen)
    sketch.shine(moved(ellipse(0, 0, 0.22, 0.05), screen[0][0] + 0.3, -0.36, degrees=-25), 0.3)


@toy("laptop", "notebook computer", "a portable computer whose screen folds onto its keyboard", max_tilt=10)
def _draw_laptop(sketch: Sketch, rng: Random) -> None:
    case = jittered(rng.choice([STEEL, (70, 74, 82), (210, 190, 176), (120, 150, 180)]), rng)
    sketch.fill(box(-0.78, -0.72, 0.78, 0.28, 0.05), darker(case, 0.2))
    _windows(sketch, rng, box(-0.7, -0.64, 0.7, 0.2))
    base = [(-0.8, 0.28), (0.8, 0.28), (1.08, 0.7), (-1.08, 0.7)]
    sketch.fill(base, case, "above", contrast=0.25)
    sketch.fill([(-1.08, 0.7), (1.08, 0.7), (1.06, 0.77), (-1.06, 0.77)], darker(case, 0.25))
    for row in range(3):
        y, reach = 0.33 + 0.075 * row, 0.72 + 0.055 * row
        for i in range(11):
            x = -reach + 2 * reach * i / 11
            sketch.fill(box(x + 0.015, y, x + 2 * reach / 11 - 0.015, y + 0.052), (54, 56, 62), outline=False)
    sketch.fill([(-0.24, 0.57), (0.24, 0.57), (0.27, 0.68), (-0.27, 0.68)], darker(case, 0.15), outline=False)


@toy(
    "smartphone", "mobile phone; cellphone", "a hand-held telephone with a touch screen over all its face", max_tilt=180
)
def _draw_smartphone(sketch: Sketch, rng: Random) -> None:
    sketch.fill(box(-0.5, -1, 0.5, 1, 0.14), jittered(rng.choice([BLACK, STEEL, paint(rng)]), rng), "left")
    sketch.fill(box(-0.44, -0.93, 0.44, 0.93, 0.1), (20, 20, 26), outline=False)
    screen = box(-0.42, -0.9, 0.42, 0.9, 0.08)
    sketch.fill(screen, paint(rng), "above", outline=False)
    for row in range(4):
        for column in range(4):
            if row < 3 or rng.random() < 0.3:
                x, y = -0.34 + 0.185 * column, -0.55 + 0.24 * row
                sketch.fill(box(x, y, x + 0.13, y + 0.13, 0.03), paint(rng), outline=False)
    sketch.fill(box(-0.37, 0.62, 0.37, 0.83, 0.06), (255, 255, 255), opacity=0.4, outline=False)
    for i in range(3):
        sketch.fill(circle(-0.22 + 0.22 * i, 0.725, 0.07), jittered((70, 190, 110), rng, 0.3), outline=False)
    sketch.fill(circle(0, -0.82, 0.035), (20, 20, 26), outline=False)


@toy("calculator", "pocket calculator", "a small device with number keys and a display, for arithmetic", max_tilt=180)
def _draw_calculator(sketch: Sketch, rng: Random) -> None:
    case = jittered(rng.choice([(70, 74, 82), (220, 214, 200), paint(rng)]), rng)
    keys = mixed(case, WHITE if sum(case) < 400 else BLACK, 0.75)
    sketch.fill(box(-0.66, -0.95, 0.66, 0.95, 0.1), case, "above", contrast=0.3)
    sketch.fill(box(-0.54, -0.82, 0.54, -0.44, 0.03), (176, 192, 160), "above", contrast=0.15)
    for i, digit in enumerate(rng.choices(range(10), k=rng.randint(3, 6))):
        _digit(sketch, 0.42 - 0.155 * i, -0.63, digit)
    accent = jittered((226, 120, 50), rng, 0.1)
    for row in range(5):
        for column in range(4):
            x, y = -0.53 + 0.285 * column, -0.3 + 0.235 * row
            sketch.fill(box(x, y, x + 0.21, y + 0.17, 0.04), accent if column == 3 else keys, "above", contrast=0.2)


def _digit(sketch: Sketch, x: float, y: float, digit: int) -> None:
    """Draw a seven-segment digit."""
    lit = (0x7E, 0x30, 0x6D, 0x79, 0x33, 0x5B, 0x5F, 0x70, 0x7F, 0x7B)[digit]
    w, h = 0.045, 0.1
    ends = [((-w, -h), (w, -h)), ((w, -h), (w, 0)), ((w, 0), (w, h)), ((-w, h), (w, h)), ((-w, 0), (-w, h)),
            ((-w, -h), (-w, 0)), ((-w, 0), (w, 0))]  # fmt: skip
    for bit, pair in zip((64, 32, 16, 8, 4, 2, 1), ends, strict=True):
        if lit & bit:
            sketch.stroke([(x + dx, y + dy) for dx, dy in pair], 0.026, (40, 50, 40))


@toy(
    "remote_control",
    "remote; TV remote",
    "a long hand-held device with buttons that controls another from afar",
    max_tilt=180,
)
def _draw_remote_control(sketch: Sketch, rng: Random) -> None:
    case = jittered(rng.choice([BLACK, (84, 88, 96), (226, 224, 218)]), rng)
    keys = mixed(case, WHITE if sum(case) < 400 else BLACK, 0.6)
    sketch.fill(box(-0.3, -1, 0.3, 1, 0.12), case, "left", contrast=0.35)
    sketch.fill(circle(-0.17, -0.86, 0.065), (214, 50, 46), "ball")
    for row in range(4):
        for column in range(3):
            sketch.fill(
                box(-0.23 + 0.165 * column, -0.7 + 0.15 * row, -0.1 + 0.165 * column, -0.6 + 0.15 * row, 0.03),
                keys,
                outline=False,
            )
    sketch.fill(circle(0, 0.15, 0.21), mixed(case, keys, 0.35))
    sketch.fill(circle(0, 0.15, 0.08), keys)
    for i, colour in enumerate([(210, 60, 54), (80, 170, 80), (240, 200, 60), (64, 110, 210)]):
        sketch.fill(box(-0.24 + 0.125 * i, 0.46, -0.14 + 0.125 * i, 0.53, 0.02), colour, outline=False)
    for x in (-0.15, 0.15):
        sketch.fill(box(x - 0.07, 0.62, x + 0.07, 0.88, 0.06), keys, "above")


@toy("camera", "photographic camera", "a device with a lens that takes photographs", max_tilt=20)
def _draw_camera(sketch: Sketch, rng: Random) -> None:
    skin = jittered(rng.choice([BLACK, (120, 60, 40), paint(rng)]), rng)
    metal = jittered(rng.choice([STEEL, (60, 62, 68)]), rng)
    sketch.fill(box(0.42, -0.68, 0.68, -0.5, 0.04), STEEL, "pillar")
    sketch.fill(rounded([(-0.34, -0.5), (-0.24, -0.8), (0.24, -0.8), (0.34, -0.5)], 0.06), metal, "above")
    sketch.fill(box(-0.97, -0.56, 0.97, 0.66, 0.1), metal, "above", contrast=0.35)
    sketch.fill(box(-0.97, -0.28, 0.97, 0.5), skin, "above", contrast=0.25)
    sketch.fill(box(0.55, -0.5, 0.85, -0.34, 0.03), (200, 220, 235), "left")
    sketch.fill(circle(0, 0.1, 0.5), metal, "ball")
    sketch.fill(circle(0, 0.1, 0.41), (40, 40, 46))
    sketch.fill(circle(0, 0.1, 0.3), jittered((50, 70, 120), rng, 0.1), "ball", contrast=0.6)
    sketch.fill(circle(0, 0.1, 0.14), (16, 18, 30), outline=False)
    sketch.shine(ellipse(-0.12, -0.04, 0.1, 0.06), 0.75)
    sketch.fill(circle(-0.72, -0.42, 0.06), (214, 60, 50))


def _clock_face(sketch: Sketch, rng: Random, y: float, radius: float) -> None:
    sketch.fill(circle(0, y, radius), jittered(rng.choice([WHITE, (250, 240, 206), (40, 44, 60)]), rng, 0.03))
    ink = WHITE if sum(sketch.shapes[-1].colour) < 300 else (40, 40, 46)
    for hour in range(12):
        angle = math.radians(30 * hour)
        x, dy = math.sin(angle), -math.cos(angle)
        inner = 0.76 if hour % 3 == 0 else 0.83
        ends = [(radius * share * x, y + radius * share * dy) for share in (inner, 0.92)]
        sketch.stroke(ends, radius * (0.07 if hour % 3 == 0 else 0.04), ink)
    for length, width, angle in ((0.48, 0.08, rng.uniform(0, 360)), (0.72, 0.055, rng.uniform(0, 360))):
        turn = math.radians(angle)
        tip = (radius * length * math.sin(turn), y - radius * length * math.cos(turn))
        sketch.stroke([(0, y), tip], radius * width, ink)
    sketch.fill(circle(0, y, radius * 0.07), (206, 60, 50), outline=False)


@toy("alarm_clock", "bedside clock", "a clock with bells that wakes a sleeper at a set time", max_tilt=14)
def _draw_alarm_clock(sketch: Sketch, rng: Random) -> None:
    case = paint(rng)
    metal = jittered(rng.choice([STEEL, GOLD]), rng)
    for side in (-1, 1):
        sketch.stroke([(side * 0.4, 0.65), (side * 0.62, 0.98)], 0.12, darker(case, 0.4))
        bell = moved(ellipse(0, 0, 0.3, 0.26, 180, 360), side * 0.46, -0.6, degrees=side * 36)
        sketch.fill(bell, metal, "ball")
    sketch.stroke([(0, -0.6), (0, -0.88)], 0.06, darker(metal, 0.3))
    sketch.stroke([(-0.09, -0.9), (0.09, -0.9)], 0.12, darker(metal, 0.15))
    sketch.fill(circle(0, 0.1, 0.76), case, "ball")
    _clock_face(sketch, rng, 0.1, 0.62)


@toy("wall_clock", "clock", "a flat clock that hangs on a wall", max_tilt=10)
def _draw_wall_clock(sketch: Sketch, rng: Random) -> None:
    case = paint(rng)
    if rng.random() < 0.6:
        sketch.fill(circle(0, 0, 1), case, "ball")
        sketch.fill(circle(0, 0, 0.9), darker(case, 0.3), outline=False)
    else:
        sketch.fill(box(-0.96, -0.96, 0.96, 0.96, 0.16), case, "above")
    _clock_face(sketch, rng, 0, 0.84)
    sketch.shine(moved(ellipse(0, 0, 0.3, 0.09), -0.4, -0.5, degrees=-40), 0.3)


@toy("table_lamp", "lamp; desk lamp", "a lamp with a shade, to stand on a table", max_tilt=8)
def _draw_table_lamp(sketch: Sketch, rng: Random) -> None:
    shade, base = paint(rng), paint(rng)
    sketch.fill(ellipse(0, 0.9, 0.42, 0.11), darker(base, 0.1), "above")
    if rng.random() < 0.5:
        stand = smooth([(0.1, -0.1), (0.12, 0.1), (0.34, 0.45), (0.2, 0.8), (0.16, 0.9)], closed=False)
    else:
        stand = [(0.05, -0.1), (0.05, 0.86)]
    sketch.fill([*stand, *((-x, y) for x, y in reversed(stand))], base, "pillar")
    top = rng.uniform(0.3, 0.5)
    cone = [(-top, -0.95), (top, -0.95), (0.74, -0.06), (-0.74, -0.06)]
    sketch.fill(cone, lighter(shade, 0.1), "pillar", contrast=0.4)
    with sketch.within(cone):
        sketch.fill(ellipse(0, -0.1, 0.55, 0.5), (255, 240, 180), opacity=0.45, outline=False)
        for y, half in ((-0.9, top + 0.06), (-0.11, 0.74)):
            sketch.stroke([(-half, y), (half, y)], 0.07, darker(shade, 0.25))
