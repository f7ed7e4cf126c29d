"""Numbers of items that many items share: kept once, and had by the items' places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

_N_AT_ONCE = 65_536


class Numbers(Protocol):
    """Numbers of items, some of which are had by a slice: an array, or what makes them as they are asked for."""

    def __len__(self) -> int:
        """Return the number of items."""

    def __getitem__(self, chosen: slice, /) -> NDArray[np.float64]:
        """Return the numbers of some items."""


@dataclass(frozen=True, eq=False)
class ByItem:
    """A number for each item, kept once for each pattern; some are had by their places, as from an array.

    Attributes
    ----------
    values
        float64 ``(n_patterns,)``.
    of_item
        ``(n_items,)``: the pattern of each item; ``None`` where each is its own.
    """

    values: NDArray[np.float64]
    of_item: NDArray[np.integer] | None

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.values if self.of_item is None else self.of_item)

    def __getitem__(self, chosen: slice | NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the numbers of some items."""
        return self.values[chosen if self.of_item is None else self.of_item[chosen]]

    def whole(self) -> NDArray[np.float64]:
        """Return the numbers of all items: float64 ``(n_items,)``."""
        if self.of_item is None:
            return self.values
        found = np.empty(len(self))
        for start in range(0, len(self), _N_AT_ONCE):
            found[start : start + _N_AT_ONCE] = self[start : start + _N_AT_ONCE]
        return found
