"""Pictures of objects in front of a background, and the record of what can be seen in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from pipeline.toybox.backgrounds import draw_background, grain
from pipeline.toybox.objects import TOY_CLASSES, ToyClass
from pipeline.toybox.sketch import Pose, Sketch

#: An object with a smaller visible share than this cannot be recognised, so it is not part of the truth.
RECOGNISABLE_SHARE = 0.45
#: Pairs of classes that are easily taken for each other; scenes combine them more often than chance would.
CONFUSABLE_PAIRS: tuple[tuple[str, str], ...] = (
    ("mug", "teacup"),
    ("bowl", "plate"),
    ("bottle", "vase"),
    ("teapot", "bucket"),
    ("fork", "spoon"),
    ("monitor", "television"),
    ("monitor", "laptop"),
    ("smartphone", "calculator"),
    ("smartphone", "remote_control"),
    ("alarm_clock", "wall_clock"),
    ("guitar", "violin"),
    ("basketball", "orange"),
    ("soccer_ball", "basketball"),
    ("sunglasses", "spectacles"),
    ("hat", "cap"),
    ("boot", "sneaker"),
    ("apple", "tomato"),
    ("lemon", "orange"),
    ("apple", "pear"),
    ("chair", "stool"),
    ("pencil", "paintbrush"),
    ("screwdriver", "paintbrush"),
    ("key", "padlock"),
)
_SCENE_SIZES = ((448, 336), (384, 384), (480, 360), (360, 480), (416, 416))
_N_OBJECTS_WEIGHTS = (46, 21, 14, 9, 6, 4)
_LARGEST_SHARE = {1: (0.42, 0.86), 2: (0.36, 0.66), 3: (0.3, 0.54)}
_CROWDED_SHARE = (0.24, 0.44)
_KEPT_VISIBLE = 0.62
_HIDDEN_AT_MOST = 0.15
_HIDING_PROBABILITY = 0.12
_LARGEST_IS_LABEL = 0.8
_FINE = 4
_COARSE_TRIES = 14


@dataclass(frozen=True, slots=True)
class DrawnObject:
    """An object in a picture.

    Parameters
    ----------
    key
        The key of its class.
    left, top, right, bottom
        Its frame in pixels, which may reach beyond the picture.
    visible_share
        Share of the object (0 to 1) that is inside the picture and not covered, to about 1%.
    area_share
        Share of the picture that its visible part fills.
    """

    key: str
    left: int
    top: int
    right: int
    bottom: int
    visible_share: float
    area_share: float

    @property
    def is_recognisable(self) -> bool:
        """Tell whether enough of the object is visible to name it."""
        return self.visible_share >= RECOGNISABLE_SHARE


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture, all objects drawn in it from back to front, and the one label that it gets."""

    picture: Image.Image
    objects: tuple[DrawnObject, ...]
    label: str

    @property
    def truth(self) -> tuple[str, ...]:
        """Return the classes that can be recognised, in index order."""
        seen = {drawn.key for drawn in self.objects if drawn.is_recognisable}
        return tuple(toy.key for toy in TOY_CLASSES if toy.key in seen)


def draw_object(toy: ToyClass, size_px: int, rng: Random) -> Image.Image:
    """Return one object as RGBA on a transparent background; its longer side is `size_px`."""
    sketch = Sketch()
    toy.draw(sketch, rng)
    tilt = rng.triangular(-toy.max_tilt, toy.max_tilt, 0)
    pose = Pose(tilt, rng.uniform(0.88, 1.14), is_mirrored=rng.random() < 0.5)
    return sketch.paint(size_px, pose)


def draw_reference(toy: ToyClass, size_px: int, rng: Random) -> Image.Image:
    """Return a square RGB picture of one object with nearly all of the object in view."""
    picture = draw_background(size_px, size_px, rng)
    drawn = draw_object(toy, round(size_px * rng.uniform(0.58, 0.96)), rng)
    slack = round(size_px * 0.06)
    room_x, room_y = max(0, size_px - drawn.width), max(0, size_px - drawn.height)
    place = (rng.randint(-slack, room_x + slack), rng.randint(-slack, room_y + slack))
    _put(picture, drawn, place, rng)
    return _photographed(picture, rng)


def draw_scene(rng: Random) -> Scene:
    """Return a scene of 1 to 6 objects of distinct classes.

    Objects are placed so that each stays recognisable. Now and then one is almost wholly covered, and then it is not
    part of the truth. In four of five scenes the label is the largest recognisable object, otherwise any other one.
    """
    width, height = rng.choice(_SCENE_SIZES)
    n_objects = rng.choices(range(1, len(_N_OBJECTS_WEIGHTS) + 1), weights=_N_OBJECTS_WEIGHTS)[0]
    toys = _choose_classes(n_objects, rng)
    composition = _Composition(width, height)
    low, high = _LARGEST_SHARE.get(n_objects, _CROWDED_SHARE)
    for i, toy in enumerate(toys):
        size_px = round(min(width, height) * rng.uniform(low, high))
        hides = i == 1 and rng.random() < _HIDING_PROBABILITY
        if not (hides and composition.cover_first(toy, size_px, rng)):
            composition.add(toy, size_px, rng)
    picture = draw_background(width, height, rng)
    for placed in composition.placed:
        _put(picture, placed.image, (placed.x, placed.y), rng)
    objects = composition.record()
    return Scene(_photographed(picture, rng), objects, _choose_label(objects, rng))


def _choose_classes(n_objects: int, rng: Random) -> list[ToyClass]:
    chosen = [rng.choice(TOY_CLASSES)]
    while len(chosen) < n_objects:
        keys = {toy.key for toy in chosen}
        partners = {b if a in keys else a for a, b in CONFUSABLE_PAIRS if (a in keys) != (b in keys)}
        is_paired = bool(partners) and rng.random() < 0.25
        pool = [toy for toy in TOY_CLASSES if toy.key not in keys and (toy.key in partners or not is_paired)]
        chosen.append(rng.choice(pool))
    return chosen


def _choose_label(objects: Sequence[DrawnObject], rng: Random) -> str:
    seen = sorted((drawn for drawn in objects if drawn.is_recognisable), key=lambda drawn: -drawn.area_share)
    if len(seen) == 1 or rng.random() < _LARGEST_IS_LABEL:
        return seen[0].key
    return rng.choice(seen[1:]).key


@dataclass(frozen=True, slots=True)
class _Placed:
    key: str
    image: Image.Image
    x: int
    y: int
    coverage: NDArray[np.bool_]  # (coarse height, coarse width): where the object is, covered or not
    n_whole: int  # coarse pixels of the whole object, including those outside the picture


class _Composition:
    """Objects placed from back to front; covered areas are counted on a grid coarser than the pixels."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.placed: list[_Placed] = []

    def add(self, toy: ToyClass, size_px: int, rng: Random) -> None:
        """Place an object in front where every object stays recognisable, smaller if need be, or leave it out."""
        for shrink in (1.0, 0.75, 0.55):
            image = draw_object(toy, max(48, round(size_px * shrink)), rng)
            slack = round(0.15 * min(image.size)) if rng.random() < 0.25 else 0
            for _ in range(_COARSE_TRIES):
                x = _between(-slack, self.width - image.width + slack, rng)
                y = _between(-slack, self.height - image.height + slack, rng)
                candidate = self._at(toy.key, image, x, y)
                if min(self._visible_shares([*self.placed, candidate])) >= _KEPT_VISIBLE:
                    self.placed.append(candidate)
                    return

    def cover_first(self, toy: ToyClass, size_px: int, rng: Random) -> bool:
        """Try to hide nearly all of the first object behind this one, and tell whether it worked."""
        first = self.placed[0]
        small = first.image.resize((max(1, first.image.width // 2), max(1, first.image.height // 2)))
        image = draw_object(toy, round(size_px * 1.15), rng)
        x = _between(0, self.width - image.width, rng)
        y = _between(0, self.height - image.height, rng)
        behind = self._at(
            first.key, small, x + (image.width - small.width) // 2, y + (image.height - small.height) // 2
        )
        before = self._at(toy.key, image, x, y)
        shares = self._visible_shares([behind, before])
        if shares[0] > _HIDDEN_AT_MOST or shares[1] < _KEPT_VISIBLE:
            return False
        self.placed = [behind, before]
        return True

    def record(self) -> tuple[DrawnObject, ...]:
        """Return what was placed, from back to front."""
        n_cells = self._cells()[0] * self._cells()[1]
        return tuple(
            DrawnObject(
                placed.key,
                placed.x,
                placed.y,
                placed.x + placed.image.width,
                placed.y + placed.image.height,
                round(share, 4),
                round(share * placed.n_whole / n_cells, 4),
            )
            for placed, share in zip(self.placed, self._visible_shares(self.placed), strict=True)
        )

    def _cells(self) -> tuple[int, int]:
        return self.height // _FINE, self.width // _FINE

    def _at(self, key: str, image: Image.Image, x: int, y: int) -> _Placed:
        alpha = np.asarray(image.getchannel("A"))[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE] > 127
        coverage = np.zeros(self._cells(), np.bool_)
        top, left = y // _FINE, x // _FINE
        inside = alpha[max(0, -top) : coverage.shape[0] - top, max(0, -left) : coverage.shape[1] - left]
        rows, columns = inside.shape
        coverage[max(0, top) : max(0, top) + rows, max(0, left) : max(0, left) + columns] = inside
        return _Placed(key, image, x, y, coverage, max(1, int(alpha.sum())))

    @staticmethod
    def _visible_shares(placed: Sequence[_Placed]) -> list[float]:
        covered = np.zeros_like(placed[0].coverage)
        shares = []
        for one in reversed(placed):
            shares.append(float((one.coverage & ~covered).sum() / one.n_whole))
            covered |= one.coverage
        return shares[::-1]


def _between(low: int, high: int, rng: Random) -> int:
    return rng.randint(min(low, high), max(low, high))


def _put(picture: Image.Image, drawn: Image.Image, place: tuple[int, int], rng: Random) -> None:
    """Paste an object and the soft shadow that it casts on what is behind it."""
    alpha = drawn.getchannel("A")
    margin = 24
    shadow = Image.new("L", (drawn.width + 2 * margin, drawn.height + 2 * margin))
    shadow.paste(alpha, (margin, margin))
    size = shadow.size
    shadow = shadow.reduce(4).filter(ImageFilter.BoxBlur(rng.uniform(0.8, 2))).resize(size, Image.Resampling.BILINEAR)
    strength = rng.uniform(0.25, 0.55)
    shadow = shadow.point([round(level * strength) for level in range(256)])
    at = (place[0] - margin + rng.randint(-6, 6), place[1] - margin + rng.randint(2, 9))
    picture.paste((20, 18, 24), (*at, at[0] + size[0], at[1] + size[1]), shadow)
    picture.paste(drawn, (*place, place[0] + drawn.width, place[1] + drawn.height), drawn)


def _photographed(picture: Image.Image, rng: Random) -> Image.Image:
    """Return the picture as a camera might have taken it: lighter or darker, tinted, soft or grainy."""
    light, contrast = rng.uniform(-22, 18), rng.uniform(0.82, 1.12)
    lookup: list[int] = []
    for _ in range(3):
        tint = rng.uniform(-7, 7)
        lookup += [min(255, max(0, round((level - 128) * contrast + 128 + light + tint))) for level in range(256)]
    picture = picture.point(lookup)
    if rng.random() < 0.25:
        picture = picture.filter(ImageFilter.BoxBlur(rng.uniform(0.3, 0.9)))
    if rng.random() < 0.4:
        noise = grain(*picture.size, "fine", rng).point([round(level * 0.14) for level in range(256)])
        picture = ImageChops.add(picture, Image.merge("RGB", (noise, noise, noise)), offset=-18)
    return picture
