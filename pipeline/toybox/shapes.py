"""Outlines of simple shapes, as lists of points in an object's own coordinates: x points right, y points down."""

from __future__ import annotations

import math
from collections.abc import Sequence

Point = tuple[float, float]
Points = list[Point]


def ellipse(x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0) -> Points:
    """Return an ellipse, or its arc from `start` to `stop` degrees (0 is right, 90 is down, clockwise on screen)."""
    steps = max(5, round(abs(stop - start) / 10))
    angles = (math.radians(start + (stop - start) * i / steps) for i in range(steps + (abs(stop - start) < 360)))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def circle(x: float, y: float, radius: float) -> Points:
    """Return a circle."""
    return ellipse(x, y, radius, radius)


def box(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Points:
    """Return an upright rectangle with corners rounded by `radius`."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return rounded(corners, radius) if radius > 0 else corners


def rounded(points: Sequence[Point], radius: float) -> Points:
    """Return a closed polygon in which each corner is replaced by a curve that begins `radius` before it."""
    result: Points = []
    for i, (x, y) in enumerate(points):
        before, after = points[i - 1], points[(i + 1) % len(points)]
        start, end = _towards((x, y), before, radius), _towards((x, y), after, radius)
        for t in (0.0, 0.25, 0.5, 0.75, 1.0):
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
            result.append((a * start[0] + b * x + c * end[0], a * start[1] + b * y + c * end[1]))
    return result


def _towards(origin: Point, target: Point, distance: float) -> Point:
    dx, dy = target[0] - origin[0], target[1] - origin[1]
    length = math.hypot(dx, dy) or 1.0
    share = min(distance / length, 0.5)
    return origin[0] + dx * share, origin[1] + dy * share


def smooth(points: Sequence[Point], closed: bool = True, steps: int = 6) -> Points:
    """Return a Catmull-Rom curve through all points."""
    n = len(points)
    result: Points = []
    for i in range(n if closed else n - 1):
        p0, p1, p2, p3 = (points[j % n if closed else min(max(j, 0), n - 1)] for j in range(i - 1, i + 3))
        for step in range(steps):
            t = step / steps
            result.append((_spline(p0[0], p1[0], p2[0], p3[0], t), _spline(p0[1], p1[1], p2[1], p3[1], t)))
    return result if closed else [*result, points[-1]]


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def lathe(profile: Sequence[Point]) -> Points:
    """Return the outline of a body turned on a lathe from its right-hand profile: (radius, y) from top to bottom."""
    right = smooth(profile, closed=False)
    return [*right, *((-x, y) for x, y in reversed(right))]


def moved(points: Sequence[Point], x: float = 0.0, y: float = 0.0, scale: float = 1.0, degrees: float = 0.0) -> Points:
    """Return the points scaled and rotated about the origin, then shifted."""
    cos, sin = math.cos(math.radians(degrees)) * scale, math.sin(math.radians(degrees)) * scale
    return [(x + px * cos - py * sin, y + px * sin + py * cos) for px, py in points]
