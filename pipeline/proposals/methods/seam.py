"""What all methods have in common: a method says what it needs from the images, then scores classes for each image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipeline.inference.filling import Filling, RunOptions
from pipeline.project.current_classes import CurrentClasses
from pipeline.project.list_columns import pad_lists


@dataclass(frozen=True, eq=False)
class Candidates:
    """The classes that one method finds likeliest for each image, the best first.

    Parameters
    ----------
    class_index
        Integers (n_images, k), padded with -1.
    score
        float32, same shape: probabilities; NaN beside -1.
    view
        int8, same shape: which view spoke loudest (:func:`pipeline.inference.views.views`); 0 is the whole image.
    """

    class_index: npt.NDArray[np.integer[Any]]
    score: npt.NDArray[np.float32]
    view: npt.NDArray[np.int8]

    @property
    def has_scores(self) -> bool:
        """Return whether there are scores; a method that was run elsewhere may have left ranks alone."""
        return bool((~np.isnan(self.score)).any())


def no_candidates(n_images: int, k: int) -> Candidates:
    """Return room for `k` candidates of each image, with none named yet."""
    shape = (n_images, k)
    return Candidates(np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32), np.zeros(shape, np.int8))


class Method(Protocol):
    """One way to score classes, ready for one project; made by a function in the registry."""

    @property
    def name(self) -> str:
        """Return what tables and people call it; its proposals are named after it."""

    @property
    def has_scores(self) -> bool:
        """Return whether its candidates have probabilities; ranks alone can be merged by rank, or as learned."""

    @property
    def settings(self) -> dict[str, Any]:
        """Return everything that determines its candidates, as plain JSON."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what people should know, such as classes that it can never propose or an assumed order."""

    def fillings(self) -> list[Filling]:
        """Return the tables that it needs filled; one pass over the images fills those of all methods."""

    def candidates(self, options: RunOptions) -> Candidates:
        """Return its candidates; its tables must be filled by then."""


def read_candidates(path: Path, current: CurrentClasses) -> Candidates:
    """Return the candidates in a table, as they read now; without a column of views, they are for the whole images."""
    table = pq.read_table(path)
    class_index = pad_lists(table.column("class_index"), -1, np.dtype(np.int32))
    score = pad_lists(table.column("score"), np.nan, np.dtype(np.float32))
    has_views = "view" in table.column_names
    view = pad_lists(table.column("view"), 0, np.dtype(np.int8)) if has_views else np.zeros_like(class_index, np.int8)
    return Candidates(*current.rankings(class_index, (score, np.nan), (view, 0)))
