"""How a simulated annotator behaves, and what they would say about the classes offered for an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from pipeline.votes.words import Vote

#: From class index to the classes it is easily taken for.
Confusable = Mapping[int, frozenset[int]]
_AT_MOST = 0.95


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The rates at which an annotator errs, and the time they take.

    Parameters
    ----------
    miss
        Share of the true classes shown that they do not tick, in [0, 1].
    false_alarm
        Share of the other classes shown that they tick, in [0, 1].
    confusion
        How many times likelier an error is on a class with a look-alike: a false alarm on a class that is easily taken
        for a true one, or a miss of a class whose look-alike is offered too. 1 spreads errors evenly.
    unsure
        Share of the would-be errors that they mark *unsure* instead, in [0, 1].
    adds
        Share of the true classes not proposed that they find by search and add, in [0, 1].
    searches
        The same where they are asked to search all classes, in [0, 1].
    slip
        Share of the images on which they tick a wrong class and take the tick back at once.
    seconds_per_image, seconds_per_tick
        Median time to look at an image, and to tick a label.
    """

    miss: float = 0.1
    false_alarm: float = 0.01
    confusion: float = 15.0
    unsure: float = 0.1
    adds: float = 0.5
    searches: float = 0.9
    slip: float = 0.02
    seconds_per_image: float = 4.0
    seconds_per_tick: float = 1.2

    def __post_init__(self) -> None:
        for name in ("miss", "false_alarm", "unsure", "adds", "searches", "slip"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; give a rate from 0 to 1")
        if self.confusion < 1 or self.seconds_per_image < 0 or self.seconds_per_tick < 0:
            raise ValueError("confusion is 1 or more, and times are not negative")

    def searching(self) -> Behaviour:
        """Return how they behave where they are asked to search all classes."""
        return replace(self, adds=max(self.adds, self.searches))


def judge(
    behaviour: Behaviour, offered: Sequence[int], truth: frozenset[int], confusable: Confusable, rng: Random
) -> dict[int, Vote]:
    """Return `yes` or `unsure` by class index; a class that is left out is not ticked.

    Within an image, errors are likelier where classes are easily confused; their expected number follows the rates.

    Parameters
    ----------
    behaviour
        The annotator's rates.
    offered
        The classes shown, in the order shown.
    truth
        The classes that apply; the annotator may add those that are not offered.
    confusable
        Which classes are easily taken for which.
    rng
        Source of all chance.
    """
    none: frozenset[int] = frozenset()
    is_offered = frozenset(offered)
    true = [c for c in offered if c in truth]
    false = [c for c in offered if c not in truth]
    misses = _error_rates(behaviour.miss, [bool(confusable.get(c, none) & is_offered) for c in true], behaviour)
    alarms = _error_rates(behaviour.false_alarm, [bool(confusable.get(c, none) & truth) for c in false], behaviour)
    said: dict[int, Vote] = {}
    errors = dict(zip(true + false, misses + alarms, strict=True))
    for class_index in offered:
        errs = rng.random() < errors[class_index]
        if errs and rng.random() < behaviour.unsure:
            said[class_index] = Vote.UNSURE
        elif errs != (class_index in truth):
            said[class_index] = Vote.YES
    for class_index in sorted(truth - is_offered):
        if rng.random() < behaviour.adds:
            said[class_index] = Vote.YES
    return said


def _error_rates(rate: float, is_confusable: Sequence[bool], behaviour: Behaviour) -> list[float]:
    if not is_confusable:
        return []
    weights = [behaviour.confusion if confused else 1.0 for confused in is_confusable]
    scale = rate * len(weights) / sum(weights)
    return [rate if rate > _AT_MOST else min(_AT_MOST, scale * weight) for weight in weights]
