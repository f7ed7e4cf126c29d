"""Labels and models by level, where classes have parents: a beagle is a dog, and a dog is an animal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.evaluation.label_sets import LabelSets, label_sets_from_pairs
from pipeline.evaluation.models import Evaluation, evaluate_models
from pipeline.evaluation.shares import Share
from pipeline.project.label_space import LabelSpace


def most_specific(
    image: NDArray[np.integer[Any]], class_: NDArray[np.integer[Any]], label: NDArray[np.bool_], space: LabelSpace
) -> NDArray[np.bool_]:
    """Return which labels stand once those are left out that a label of the same image implies.

    Parameters
    ----------
    image, class_
        ``(n_items,)`` indices.
    label
        bool ``(n_items,)``: whether the item is a label.
    space
        The list of classes, with their parents.
    """
    implied = [np.empty(0, dtype=np.int64)]
    for index in np.unique(class_[label]).tolist():
        above = space.ancestors(index)
        if above:
            images = image[label & (class_ == index)].astype(np.int64)
            implied += [images * len(space) + ancestor for ancestor in above]
    stands: NDArray[np.bool_] = label & ~np.isin(image.astype(np.int64) * len(space) + class_, np.concatenate(implied))
    return stands


def n_levels(space: LabelSpace) -> int:
    """Return how many levels a list of classes has; 1 where no class has a parent."""
    return 1 + max(len(space.ancestors(info.index)) for info in space if not info.fate)


def at_level(space: LabelSpace, level: int) -> NDArray[np.int32]:
    """Return, for every class, the class that stands for it at a level: int32 ``(n_classes,)``.

    Level 0 is the top. A class above the level stands for itself.
    """
    chains = ((*reversed(space.ancestors(info.index)), info.index) for info in space)
    return np.array([chain[min(level, len(chain) - 1)] for chain in chains], dtype=np.int32)


@dataclass(frozen=True, slots=True)
class LevelFigures:
    """One level in short: its number from 0 (the top), the classes that stand there, and the model that is best there.

    `multi_label` is over all images; `top1` and `real` are those of `model`, the first under ReaL.
    """

    level: int
    n_classes: int
    multi_label: Share
    model: str
    top1: Share
    real: Share


@dataclass(frozen=True, eq=False)
class Level:
    """Models scored at one level."""

    level: int
    n_classes: int
    evaluation: Evaluation

    def in_short(self) -> LevelFigures:
        """Return its figures."""
        best = max(self.evaluation.models, key=lambda model: (model.real.value or 0.0, model.top1.value or 0.0))
        return LevelFigures(self.level, self.n_classes, self.evaluation.multi_label, best.model, best.top1, best.real)


def evaluation_by_level(
    space: LabelSpace,
    rankings: Mapping[str, NDArray[np.integer]],
    original: NDArray[np.integer],
    labels: LabelSets,
) -> tuple[Level, ...]:
    """Score models at every level: rankings, original labels and refined labels are all read at that level.

    Parameters
    ----------
    rankings, original, labels
        As for :func:`pipeline.evaluation.models.evaluate_models`.

    Returns
    -------
    tuple
        The levels, the top one first; empty where there is one.
    """
    if n_levels(space) == 1:
        return ()
    levels = []
    for level in range(n_levels(space)):
        stand_in = at_level(space, level)
        pairs = np.unique(np.stack([labels.image_index, stand_in[labels.class_index]]), axis=1)
        sets = label_sets_from_pairs(pairs[0], pairs[1].astype(np.int32), labels.image_ids)
        read = np.where(original >= 0, stand_in[np.maximum(original, 0)], -1)
        n_classes = len(np.unique([stand_in[info.index] for info in space if not info.fate]))
        levels.append(Level(level, n_classes, evaluate_models(_AtLevel(rankings, stand_in), read, sets, len(space))))
    return tuple(levels)


def level_table(levels: Sequence[Level]) -> pd.DataFrame:
    """Return a row for each level and model: level, n_classes, multi_label_share, and the model's own columns."""
    tables = [
        each.evaluation.table().assign(
            level=each.level, n_classes=each.n_classes, multi_label_share=each.evaluation.multi_label.value
        )
        for each in levels
    ]
    table = pd.concat(tables, ignore_index=True)
    first = ["level", "n_classes", "multi_label_share"]
    return table[[*first, *(name for name in table if name not in first)]]


class _AtLevel(Mapping[str, NDArray[np.integer]]):
    """Rankings read at a level: each class that stands there once, at the best of its places."""

    def __init__(self, rankings: Mapping[str, NDArray[np.integer]], stand_in: NDArray[np.int32]) -> None:
        self._rankings, self._stand_in = rankings, stand_in

    def __getitem__(self, model: str) -> NDArray[np.integer]:
        ranking = self._rankings[model]
        read = np.where(ranking >= 0, self._stand_in[np.maximum(ranking, 0)], -1)
        for place in range(1, read.shape[1]):
            is_again = (read[:, :place] == read[:, place : place + 1]).any(axis=1)
            read[is_again, place] = -1
        order = np.argsort(read < 0, axis=1, kind="stable")
        closed: NDArray[np.integer] = np.take_along_axis(read, order, axis=1)
        return closed

    def __iter__(self) -> Iterator[str]:
        return iter(self._rankings)

    def __len__(self) -> int:
        return len(self._rankings)
