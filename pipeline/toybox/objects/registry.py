"""The classes of the toybox: what they are called and who draws them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import ModuleType

from pipeline.toybox.sketch import Sketch

Draw = Callable[[Sketch, Random], None]


@dataclass(frozen=True, slots=True)
class ToyClass:
    """One kind of object.

    Parameters
    ----------
    key, name, synonyms, definition
        As in a label space.
    draw
        Sketches one object in coordinates of about -1 to 1; all its random choices use the generator that it is given.
    max_tilt
        The largest tilt from upright, in degrees; 180 for things that lie any way round.
    """

    key: str
    name: str
    synonyms: tuple[str, ...]
    definition: str
    draw: Draw
    max_tilt: float = 18.0


_DRAWN: defaultdict[str, list[ToyClass]] = defaultdict(list)


def toy(key: str, synonyms: str, definition: str, *, max_tilt: float = 18.0) -> Callable[[Draw], Draw]:
    """Return a decorator that adds a drawing function to the classes of its theme, which is its module."""

    def enter(draw: Draw) -> Draw:
        listed = tuple(word.strip() for word in synonyms.split(";") if word.strip())
        _DRAWN[draw.__module__].append(ToyClass(key, key.replace("_", " "), listed, definition, draw, max_tilt))
        return draw

    return enter


def drawn_in(*themes: ModuleType) -> tuple[ToyClass, ...]:
    """Return the classes of these themes, in their order."""
    return tuple(toy for theme in themes for toy in _DRAWN[theme.__name__])
