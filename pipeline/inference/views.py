"""Where a model looks: at the whole image and at overlapping crops of it, in which a small second object is large."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pipeline.errors import ProjectError

#: How many views there may be: the whole image; plus four crops of 0.6 of each side; plus nine more crops of 0.4.
VIEW_COUNTS = (1, 5, 14)
#: Side of the crops, how many lie along each side of the image, and how far their scores are trusted compared with the
#: whole image's: a model must name something in every crop, even if nothing is there. The trusts were chosen on toybox
#: scenes of seed 7; figures are reported on those of seed 0. A logistic calibration of each kind of view on the
#: original labels did no better (recall at 10 of 0.883 with five views, against 0.897 with these trusts).
_CROPS = ((0.6, 2, 0.8), (0.4, 3, 0.4))


@dataclass(frozen=True, slots=True)
class View:
    """A part of an image: left edge, top edge and side as shares of its width and height, and how far it is trusted."""

    left: float
    top: float
    side: float
    trust: float

    @property
    def as_region(self) -> tuple[float, float, float, float]:
        """Return left, top, width and height as shares of the image's."""
        return self.left, self.top, self.side, self.side

    def box(self, width_px: int, height_px: int) -> tuple[int, int, int, int]:
        """Return the left, upper, right and lower edge in pixels; opposite edges are at least one pixel apart."""
        left, top = round(self.left * width_px), round(self.top * height_px)
        right, lower = round((self.left + self.side) * width_px), round((self.top + self.side) * height_px)
        return left, top, max(left + 1, right), max(top + 1, lower)


@cache
def views(n_views: int) -> tuple[View, ...]:
    """Return the first `n_views` views, the whole image first.

    Raise `ProjectError` if `n_views` is not one of :data:`VIEW_COUNTS`.
    """
    if n_views not in VIEW_COUNTS:
        raise ProjectError(f"--views {n_views}: there are {', '.join(map(str, VIEW_COUNTS))}; give one of these")
    found = [View(0.0, 0.0, 1.0, 1.0)]
    for side, n_along, trust in _CROPS:
        edges = [i * (1 - side) / (n_along - 1) for i in range(n_along)]
        found += [View(left, top, side, trust) for top in edges for left in edges]
    return tuple(found[:n_views])


def described(n_views: int) -> list[list[float]]:
    """Return everything about the views that determines a run with this many, as plain JSON."""
    return [[round(view.left, 3), round(view.top, 3), view.side, view.trust] for view in views(n_views)]
