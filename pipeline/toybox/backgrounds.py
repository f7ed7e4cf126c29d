"""Backgrounds for the objects: walls, tables, floors, shelves and lawns."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from pipeline.toybox.colours import WOOD, Colour, darker, jittered, lighter, mixed, ramp

Grain = Literal["fine", "cloudy", "streaked", "bladed"]
_TILE_PX = 768
_WALLS: tuple[Colour, ...] = (
    (214, 206, 190),
    (190, 206, 214),
    (206, 214, 196),
    (222, 196, 186),
    (150, 166, 186),
    (110, 120, 128),
    (196, 180, 214),
    (236, 232, 224),
    (92, 84, 96),
    (226, 206, 150),
)


def draw_background(width: int, height: int, rng: Random) -> Image.Image:
    """Return an RGB picture of a place without objects."""
    kind = rng.choices(_KINDS, weights=[weight for _, weight in _KINDS])[0][0]
    return kind(width, height, rng)


def grain(width: int, height: int, kind: Grain, rng: Random) -> Image.Image:
    """Return a random piece of a texture in mode L, with 128 as its middle grey; sides at most 512 px."""
    left, top = rng.randrange(_TILE_PX - width), rng.randrange(_TILE_PX - height)
    return _grain_tile(kind).crop((left, top, left + width, top + height))


@cache
def _grain_tile(kind: Grain) -> Image.Image:
    generator = np.random.default_rng([7, len(kind)])
    columns, rows = {"fine": (_TILE_PX, _TILE_PX), "cloudy": (12, 12), "streaked": (10, 150), "bladed": (190, 60)}[kind]
    levels = generator.integers(0, 256, (rows, columns), dtype=np.uint8)
    tile = Image.fromarray(levels).resize((_TILE_PX, _TILE_PX), Image.Resampling.BICUBIC)
    if kind == "fine":
        return tile.filter(ImageFilter.BoxBlur(0.6))
    rough = Image.fromarray(generator.integers(0, 256, (_TILE_PX, _TILE_PX), dtype=np.uint8))
    return Image.blend(tile, rough, 0.12)


def _textured(width: int, height: int, kind: Grain, colour: Colour, depth: float, rng: Random) -> Image.Image:
    texture = grain(width, height, kind, rng)
    texture.putpalette(ramp(darker(colour, depth), colour, lighter(colour, depth)))
    return texture.convert("RGB")


def _wall(width: int, height: int, rng: Random) -> Image.Image:
    return _textured(width, height, "fine", jittered(rng.choice(_WALLS), rng), rng.uniform(0.01, 0.08), rng)


def _gradient(width: int, height: int, rng: Random) -> Image.Image:
    first = jittered(rng.choice(_WALLS), rng)
    second = darker(first, 0.5) if rng.random() < 0.5 else jittered(rng.choice(_WALLS), rng)
    light = Image.linear_gradient("L").rotate(rng.choice([0, 90, 180, 270])).resize((width, height))
    light.putpalette(ramp(first, mixed(first, second, 0.5), second))
    return light.convert("RGB")


def _clouds(width: int, height: int, rng: Random) -> Image.Image:
    return _textured(width, height, "cloudy", jittered(rng.choice(_WALLS), rng), rng.uniform(0.2, 0.45), rng)


def _wood(width: int, height: int, rng: Random) -> Image.Image:
    colour = jittered(rng.choice([WOOD, (120, 84, 56), (206, 166, 116), (90, 64, 48), (186, 176, 164)]), rng, 0.02)
    picture = _textured(width, height, "streaked", colour, 0.22, rng)
    pen, step = ImageDraw.Draw(picture), rng.randint(50, 110)
    for y in range(rng.randrange(step), height, step):
        pen.line((0, y, width, y), fill=darker(colour, 0.55), width=2)
        x = rng.randrange(width)
        pen.line((x, y, x, y + step), fill=darker(colour, 0.5), width=2)
    return picture


def _tiles(width: int, height: int, rng: Random) -> Image.Image:
    colour, joint = jittered(rng.choice(_WALLS), rng), jittered((170, 168, 164), rng)
    picture = _textured(width, height, "cloudy", colour, 0.1, rng)
    pen, step, shift = ImageDraw.Draw(picture), rng.randint(36, 90), rng.randrange(40)
    other, is_chequered = darker(colour, 0.25), rng.random() < 0.4
    for row, y in enumerate(range(-shift, height, step)):
        for column, x in enumerate(range(-shift, width, step)):
            is_dark = is_chequered and (row + column) % 2 == 1
            pen.rectangle((x, y, x + step, y + step), fill=other if is_dark else None, outline=joint, width=2)
    return picture


def _bricks(width: int, height: int, rng: Random) -> Image.Image:
    colour = jittered(rng.choice([(168, 88, 68), (190, 150, 120), (140, 130, 130)]), rng)
    picture = _textured(width, height, "fine", colour, 0.12, rng)
    pen, step = ImageDraw.Draw(picture), rng.randint(22, 40)
    for row, y in enumerate(range(0, height, step)):
        pen.line((0, y, width, y), fill=(206, 200, 190), width=3)
        for x in range(-(row % 2) * step, width, 2 * step):
            pen.line((x, y, x, y + step), fill=(206, 200, 190), width=3)
    return picture


def _grass(width: int, height: int, rng: Random) -> Image.Image:
    return _textured(width, height, "bladed", jittered((96, 146, 66), rng), rng.uniform(0.25, 0.4), rng)


def _cloth(width: int, height: int, rng: Random) -> Image.Image:
    colour, stripe = jittered(rng.choice(_WALLS), rng), jittered(rng.choice(_WALLS), rng, 0.1)
    picture = _textured(width, height, "fine", colour, 0.06, rng)
    step = rng.randint(24, 60)
    veil = Image.new("L", (width, height))
    pen = ImageDraw.Draw(veil)
    for x in range(0, width, step):
        pen.rectangle((x, 0, x + step // 2, height), fill=90)
    if rng.random() < 0.6:
        for y in range(0, height, step):
            pen.rectangle((0, y, width, y + step // 2), fill=120)
    picture.paste(stripe, (0, 0, width, height), veil)
    return picture


def _wallpaper(width: int, height: int, rng: Random) -> Image.Image:
    colour, motif = jittered(rng.choice(_WALLS), rng), jittered(rng.choice(_WALLS), rng, 0.1)
    picture = _textured(width, height, "fine", colour, 0.04, rng)
    pen, step, radius = ImageDraw.Draw(picture), rng.randint(28, 56), rng.randint(4, 10)
    for row, y in enumerate(range(0, height + step, step)):
        for x in range((row % 2) * step // 2, width + step, step):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=motif)
    return picture


def _room(width: int, height: int, rng: Random) -> Image.Image:
    """Return a picture of a wall behind a table, a floor or a lawn."""
    picture = rng.choice([_wall, _wallpaper, _bricks, _gradient])(width, height, rng)
    ground = rng.choice([_wood, _wood, _tiles, _grass, _cloth])(width, height, rng)
    edge = round(height * rng.uniform(0.45, 0.7))
    picture.paste(ground.crop((0, 0, width, height - edge)), (0, edge))
    ImageDraw.Draw(picture).line((0, edge, width, edge), fill=(70, 60, 54), width=rng.randint(1, 5))
    return picture


def _shelf(width: int, height: int, rng: Random) -> Image.Image:
    picture = _wall(width, height, rng)
    board = jittered(rng.choice([WOOD, (236, 230, 220), (80, 60, 50)]), rng)
    pen, step, thick = ImageDraw.Draw(picture), rng.randint(130, 200), rng.randint(8, 16)
    for y in range(rng.randrange(60, step), height + step, step):
        pen.rectangle((0, y + thick, width, y + thick + 9), fill=darker(picture.getpixel((0, 0)), 0.35))  # type: ignore[arg-type]
        pen.rectangle((0, y, width, y + thick), fill=board, outline=darker(board, 0.4))
    return picture


_KINDS: tuple[tuple[Callable[[int, int, Random], Image.Image], int], ...] = (
    (_wall, 2),
    (_gradient, 2),
    (_clouds, 1),
    (_wood, 3),
    (_tiles, 2),
    (_bricks, 1),
    (_grass, 1),
    (_cloth, 2),
    (_wallpaper, 1),
    (_room, 4),
    (_shelf, 2),
)
