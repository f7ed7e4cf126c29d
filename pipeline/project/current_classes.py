"""What names of classes in older tables mean now: merged ones are one, split ones are several, retired ones are none.

Proposals, predictions and original labels are never rewritten when the list of classes changes. They keep the indices
with which they were made, and are read through this map, so a model whose outputs are an older list goes on working.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.project.label_space import LabelSpace

NO_CLASS = -1


@dataclass(frozen=True, eq=False)
class CurrentClasses:
    """The map from every class that there ever was to those that stand for it now.

    Parameters
    ----------
    space
        The project's list of classes.
    """

    space: LabelSpace

    @cached_property
    def is_plain(self) -> bool:
        """Return whether every class stands for itself, so that there is nothing to map."""
        return not self.space.gone

    def of(self, class_index: int) -> tuple[int, ...]:
        """Return the classes that stand for a class now: itself, one other, several, or none."""
        return self._targets[class_index]

    def meaning(self, class_index: int) -> tuple[int, ...]:
        """Return every class that this one stands for now, itself first."""
        others = (i for i, targets in enumerate(self._targets) if class_index in targets and i != class_index)
        return (class_index, *others)

    def labels(self, label: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
        """Return each label as it reads now: int32, same shape, -1 where no class or several stand for it."""
        single = np.array([each[0] if len(each) == 1 else NO_CLASS for each in self._targets], dtype=np.int32)
        read: NDArray[np.int32] = np.where(label >= 0, single[np.maximum(label, 0)], NO_CLASS).astype(np.int32)
        return read

    def places(self, ranked: Iterable[int]) -> list[tuple[int, int]]:
        """Return one image's ranking as it reads now: pairs of a place in the older ranking and a class, each once."""
        found: dict[int, int] = {}
        for place, class_index in enumerate(ranked):
            for target in self._targets[class_index]:
                found.setdefault(target, place)
        return [(place, target) for target, place in found.items()]

    def rankings(
        self, class_index: NDArray[np.integer[Any]], *columns: tuple[NDArray[Any], Any]
    ) -> tuple[NDArray[Any], ...]:
        """Return rankings as they read now: a class that several older ones became takes the best of their places.

        Parameters
        ----------
        class_index
            ``(n_images, k)``, the best first, padded with -1.
        columns
            Arrays of the same shape that go with it, each with the value that pads it.

        Returns
        -------
        tuple of arrays
            The ranking and its columns, as wide as the longest row needs, and no narrower than before.
        """
        if self.is_plain:
            return (class_index, *(column for column, _ in columns))
        gone = np.array(sorted(self.space.gone), dtype=np.int32)
        touched = np.flatnonzero(np.isin(class_index, gone).any(axis=1))
        read = {int(row): self.places(c for c in class_index[row].tolist() if c >= 0) for row in touched}
        width = max([class_index.shape[1], *(len(places) for places in read.values())])
        grown = [
            np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=filler)
            for array, filler in ((class_index, NO_CLASS), *columns)
        ]
        for row, places in read.items():
            old = [array[row].copy() for array in grown]
            at = [place for place, _ in places]
            for array, before, (_, filler) in zip(grown, old, ((class_index, NO_CLASS), *columns), strict=True):
                array[row] = filler
                array[row, : len(at)] = before[at]
            grown[0][row, : len(at)] = [target for _, target in places]
        return tuple(grown)

    @cached_property
    def _targets(self) -> tuple[tuple[int, ...], ...]:
        resolved: dict[int, tuple[int, ...]] = {}

        def resolve(index: int) -> tuple[int, ...]:
            if index not in resolved:
                info = self.space[index]
                parts = [resolve(other) for other in info.into] if info.fate else [(index,)]
                resolved[index] = tuple(dict.fromkeys(target for part in parts for target in part))
            return resolved[index]

        return tuple(resolve(info.index) for info in self.space)
