"""The tasks of a round as arrays: who has which image, and whether they have decided it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TaskTable:
    """All tasks of a round, one entry per task, in the order of each annotator's list.

    Attributes
    ----------
    annotators
        Names.
    annotator
        int32 ``(n_tasks,)``: position in `annotators`.
    image_index
        int32 ``(n_tasks,)``; a pair (annotator, image) occurs once.
    is_done, is_gold
        bool ``(n_tasks,)``: decided by that annotator; a hidden image with a known answer.
    """

    annotators: tuple[str, ...]
    annotator: NDArray[np.int32]
    image_index: NDArray[np.int32]
    is_done: NDArray[np.bool_]
    is_gold: NDArray[np.bool_]

    def people_of_images(self) -> dict[int, set[str]]:
        """Return image index to the names of those who have it."""
        people: dict[int, set[str]] = {}
        for image, code in zip(self.image_index.tolist(), self.annotator.tolist(), strict=True):
            people.setdefault(image, set()).add(self.annotators[code])
        return people

    def n_left(self, names: tuple[str, ...]) -> dict[str, int]:
        """Return how many ordinary tasks each of these people has still to decide; 0 for someone without tasks."""
        counts = np.bincount(self.annotator[~self.is_done & ~self.is_gold], minlength=len(self.annotators))
        known = dict(zip(self.annotators, counts.tolist(), strict=True))
        return {name: known.get(name, 0) for name in names}
