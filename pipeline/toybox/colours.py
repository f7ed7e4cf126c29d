"""The colours of the toybox, and small calculations with them."""

from __future__ import annotations

import colorsys
from random import Random

import numpy as np

Colour = tuple[int, int, int]

BLACK: Colour = (34, 34, 38)
WHITE: Colour = (244, 243, 238)
STEEL: Colour = (176, 182, 190)
GOLD: Colour = (212, 170, 70)
WOOD: Colour = (176, 120, 66)
#: The colours of paint, plastic and cloth.
PAINTS: tuple[Colour, ...] = (
    (206, 58, 50),
    (228, 122, 44),
    (240, 196, 62),
    (96, 160, 70),
    (40, 138, 130),
    (58, 124, 196),
    (44, 62, 124),
    (128, 78, 160),
    (222, 110, 150),
    (150, 98, 62),
    (238, 232, 218),
    (118, 124, 130),
    (52, 54, 60),
)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour that is `share` (0 to 1) of the way from the first to the second."""
    r, g, b = (round(a + (c - a) * share) for a, c in zip(first, second, strict=True))
    return r, g, b


def lighter(colour: Colour, share: float) -> Colour:
    """Return the colour mixed with white."""
    return mixed(colour, (255, 255, 255), share)


def darker(colour: Colour, share: float) -> Colour:
    """Return the colour mixed with a very dark, slightly blue grey."""
    return mixed(colour, (12, 12, 20), share)


def ramp(dark: Colour, colour: Colour, lit: Colour) -> bytes:
    """Return a palette of 256 colours that goes from the first colour through the second to the third."""
    levels = np.concatenate([np.linspace(dark, colour, 128, endpoint=False), np.linspace(colour, lit, 128)])
    return bytes(np.rint(levels).astype(np.uint8).tobytes())


def jittered(colour: Colour, rng: Random, amount: float = 0.05) -> Colour:
    """Return a colour near this one; hue changes by at most `amount`, light and strength by at most twice as much."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    hue = (hue + rng.uniform(-amount, amount)) % 1
    saturation = min(1, max(0, saturation * (1 + rng.uniform(-2, 2) * amount)))
    value = min(1, max(0, value * (1 + rng.uniform(-2, 2) * amount)))
    r, g, b = (round(255 * channel) for channel in colorsys.hsv_to_rgb(hue, saturation, value))
    return r, g, b


def paint(rng: Random, *, without: tuple[Colour, ...] = ()) -> Colour:
    """Return a random colour of paint, leaving out the colours in `without`."""
    return jittered(rng.choice([colour for colour in PAINTS if colour not in without]), rng, 0.03)
