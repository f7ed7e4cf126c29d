"""A sketch is a list of shapes; painting it gives an anti-aliased picture with a transparent background.

Objects are sketched in their own coordinates, so that size, tilt and mirroring apply to outlines rather than to pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from pipeline.toybox.colours import Colour, darker, lighter, ramp
from pipeline.toybox.shapes import Point, Points

#: How light falls on a shape: evenly, from above, from the left, as on a pillar, or as on a ball.
Shade = Literal["flat", "above", "left", "pillar", "ball"]
Frame = tuple[int, int, int, int]
Ink = tuple[int, int, int, int] | int
_OUTLINE_WIDTH = 0.03
_MAP_SIZE = 64
_FEW_CORNERS = 16
_THICK_PX = 3


@dataclass(frozen=True, slots=True)
class Shape:
    """One filled outline or one stroke (`width` > 0), in the object's coordinates."""

    points: Points
    colour: Colour
    shade: Shade = "flat"
    contrast: float = 0.45
    opacity: float = 1.0
    outline: float = 0.0
    width: float = 0.0
    clip: Points | None = None


@dataclass(frozen=True, slots=True)
class Pose:
    """How an object is held: clockwise tilt in degrees, width for a height of 1, and whether it is mirrored."""

    tilt: float = 0.0
    stretch: float = 1.0
    is_mirrored: bool = False

    def matrix(self) -> tuple[float, float, float, float]:
        """Return a, b, c, d of the map from (x, y) to (ax + by, cx + dy)."""
        cos, sin = math.cos(math.radians(self.tilt)), math.sin(math.radians(self.tilt))
        sx = -self.stretch if self.is_mirrored else self.stretch
        return cos * sx, -sin, sin * sx, cos


@dataclass
class Sketch:
    """The surface that a drawing function draws on; later shapes cover earlier ones."""

    shapes: list[Shape] = field(default_factory=list)
    _clip: Points | None = None

    def fill(
        self,
        points: Points,
        colour: Colour,
        shade: Shade = "flat",
        *,
        contrast: float = 0.45,
        opacity: float = 1.0,
        outline: bool = True,
    ) -> None:
        """Fill a closed outline; `contrast` (0 to 1) is the difference between its lit and its dark side."""
        width = _OUTLINE_WIDTH if outline else 0.0
        self.shapes.append(Shape(points, colour, shade, contrast, opacity, width, clip=self._clip))

    def stroke(self, points: Points, width: float, colour: Colour) -> None:
        """Draw a line with round ends through the points."""
        self.shapes.append(Shape(points, colour, width=width, clip=self._clip))

    def tube(self, points: Points, width: float, colour: Colour) -> None:
        """Draw a round, outlined tube along the points."""
        self.stroke(points, width + 2 * _OUTLINE_WIDTH, darker(colour, 0.5))
        self.stroke(points, width, darker(colour, 0.12))
        lit = [(x - width * 0.1, y - width * 0.12) for x, y in points]
        self.stroke(lit, width * 0.4, lighter(colour, 0.28))

    def hole(self, points: Points) -> None:
        """Cut a hole through everything drawn so far."""
        self.shapes.append(Shape(points, (0, 0, 0), opacity=0.0))

    def shine(self, points: Points, opacity: float = 0.35) -> None:
        """Add a soft white reflection over what has been drawn."""
        self.fill(points, (255, 255, 255), opacity=opacity, outline=False)

    @contextmanager
    def within(self, points: Points) -> Iterator[None]:
        """Keep what is drawn in the block inside an outline."""
        before, self._clip = self._clip, points
        try:
            yield
        finally:
            self._clip = before

    def paint(self, size_px: int, pose: Pose | None = None, oversampling: int = 2) -> Image.Image:
        """Return the sketch as RGBA, cropped to what is drawn; its longer side is `size_px` (up to rounding).

        Parameters
        ----------
        size_px
            Longer side of the result.
        pose
            Tilt, stretch and mirroring.
        oversampling
            Side of the square of fine pixels that is averaged into one pixel.
        """
        return _Painter(self.shapes, pose or Pose(), size_px * oversampling).painted().reduce(oversampling)


class _Painter:
    """Rasterises shapes under one affine map, without anti-aliasing."""

    def __init__(self, shapes: Sequence[Shape], pose: Pose, size_px: int) -> None:
        a, b, c, d = pose.matrix()
        self._shapes = shapes
        extents = []
        for shape in shapes:
            if shape.clip is None:  # a clipped shape lies inside one that is not clipped
                turned = [(a * x + b * y, c * x + d * y) for x, y in shape.points]
                extents.append((_bounds(turned), max(shape.width, shape.outline) / 2))
        left = min(bounds[0] - margin for bounds, margin in extents)
        top = min(bounds[1] - margin for bounds, margin in extents)
        right = max(bounds[2] + margin for bounds, margin in extents)
        bottom = max(bounds[3] + margin for bounds, margin in extents)
        self._scale = (size_px - 4) / max(right - left, bottom - top)
        self._matrix = tuple(value * self._scale for value in (a, b, c, d))
        self._shift = (2 - left * self._scale, 2 - top * self._scale)
        width, height = (math.ceil(extent * self._scale) + 4 for extent in (right - left, bottom - top))
        self._layer = Image.new("RGBA", (width, height))
        self._pen = ImageDraw.Draw(self._layer)

    def painted(self) -> Image.Image:
        for shape in self._shapes:
            if shape.opacity == 0:
                self._cut_hole(shape)
            elif shape.clip is not None or shape.opacity < 1:
                self._paint_masked(shape)
            elif shape.width:
                _stroke(self._pen, self._pixels(shape.points), shape.width * self._scale, (*shape.colour, 255))
            else:
                self._fill_opaque(shape)
        return self._layer

    def _pixels(self, points: Points) -> list[Point]:
        (a, b, c, d), (dx, dy) = self._matrix, self._shift
        return [(a * x + b * y + dx, c * x + d * y + dy) for x, y in points]

    def _fill_opaque(self, shape: Shape) -> None:
        pixels = self._pixels(shape.points)
        if shape.shade == "flat":
            self._pen.polygon(pixels, fill=(*shape.colour, 255))
        else:
            frame = self._frame(pixels)
            self._layer.paste(self._shaded(shape, frame), frame, self._mask(shape, frame))
        if shape.outline:
            _line(self._pen, [*pixels, pixels[0]], shape.outline * self._scale, (*darker(shape.colour, 0.5), 255))

    def _cut_hole(self, shape: Shape) -> None:
        pixels = self._pixels(shape.points)
        self._pen.polygon(pixels, fill=(0, 0, 0, 0))
        _line(self._pen, [*pixels, pixels[0]], _OUTLINE_WIDTH * self._scale, (40, 34, 30, 255))

    def _paint_masked(self, shape: Shape) -> None:
        frame = self._frame(self._pixels(shape.points), shape.width * self._scale / 2)
        if shape.clip is not None:
            frame = _common(frame, self._frame(self._pixels(shape.clip)))
        if frame[0] >= frame[2] or frame[1] >= frame[3]:
            return
        mask = self._mask(shape, frame)
        if shape.clip is not None:
            mask = ImageChops.multiply(mask, self._mask(Shape(shape.clip, shape.colour), frame))
        tile = self._shaded(shape, frame).convert("RGBA")
        tile.putalpha(mask)
        self._layer.alpha_composite(tile, frame[:2])
        if shape.outline and shape.clip is None:
            pixels = self._pixels(shape.points)
            _line(self._pen, [*pixels, pixels[0]], shape.outline * self._scale, (*darker(shape.colour, 0.5), 255))

    def _mask(self, shape: Shape, frame: Frame) -> Image.Image:
        mask = Image.new("L", (frame[2] - frame[0], frame[3] - frame[1]))
        pen, level = ImageDraw.Draw(mask), round(255 * shape.opacity)
        pixels = [(x - frame[0], y - frame[1]) for x, y in self._pixels(shape.points)]
        if shape.width:
            _stroke(pen, pixels, shape.width * self._scale, level)
        else:
            pen.polygon(pixels, fill=level)
        return mask

    def _frame(self, pixels: Sequence[Point], margin: float = 0.0) -> Frame:
        left, top, right, bottom = _bounds(pixels)
        inside = (
            math.floor(left - margin),
            math.floor(top - margin),
            math.ceil(right + margin) + 1,
            math.ceil(bottom + margin) + 1,
        )
        return _common(inside, (0, 0, *self._layer.size))

    def _shaded(self, shape: Shape, frame: Frame) -> Image.Image:
        size = (frame[2] - frame[0], frame[3] - frame[1])
        if shape.shade == "flat":
            return Image.new("RGB", size, shape.colour)
        left, top, right, bottom = _bounds(shape.points)
        sx, sy = (_MAP_SIZE / max(1e-6, extent) for extent in (right - left, bottom - top))
        (a, b, c, d), (dx, dy) = self._matrix, self._shift
        det = a * d - b * c
        x0, y0 = frame[0] - dx, frame[1] - dy
        to_map = (
            sx * d / det, -sx * b / det, sx * ((d * x0 - b * y0) / det - left),
            -sy * c / det, sy * a / det, sy * ((a * y0 - c * x0) / det - top),
        )  # fmt: skip
        light = _light_map(shape.shade).transform(size, Image.Transform.AFFINE, to_map, Image.Resampling.BILINEAR)
        dark, lit = darker(shape.colour, shape.contrast), lighter(shape.colour, shape.contrast)
        light.putpalette(ramp(dark, shape.colour, lit))
        return light.convert("RGB")


def _bounds(points: Sequence[Point]) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def _common(first: Frame, second: Frame) -> Frame:
    return max(first[0], second[0]), max(first[1], second[1]), min(first[2], second[2]), min(first[3], second[3])


def _stroke(pen: ImageDraw.ImageDraw, pixels: Sequence[Point], width: float, ink: Ink) -> None:
    _line(pen, pixels, width, ink)
    if width > _THICK_PX:
        for x, y in (pixels[0], pixels[-1]):
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)


def _line(pen: ImageDraw.ImageDraw, pixels: Sequence[Point], width: float, ink: Ink) -> None:
    width_px = max(1, round(width))
    is_jointed = width_px > _THICK_PX and (len(pixels) <= _FEW_CORNERS or width_px > 3 * _THICK_PX)
    pen.line(pixels, fill=ink, width=width_px, joint="curve" if is_jointed else None)


@cache
def _light_map(shade: Shade) -> Image.Image:
    """Return how light each place of a shape's frame is: 128 is its own colour, 0 the darkest, 255 the lightest."""
    ticks = (np.arange(_MAP_SIZE) + 0.5) / _MAP_SIZE
    x, y = np.meshgrid(ticks, ticks)
    if shade == "above":
        light = 0.85 - 0.7 * y
    elif shade == "left":
        light = 0.85 - 0.7 * x
    elif shade == "pillar":
        light = 0.9 - 3.2 * (x - 0.3) ** 2 + 1.2 * (x - 0.3) ** 3
    else:
        light = 0.95 - 1.15 * ((x - 0.33) ** 2 + (y - 0.3) ** 2) ** 0.5
    return Image.fromarray(np.clip(np.rint(light * 255), 20, 255).astype(np.uint8))
