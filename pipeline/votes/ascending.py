"""Numbers in ascending order: found by halving, where sorting them once more would take most of the time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def are_in(keys: NDArray[np.integer], ascending: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which keys are among some that ascend: what `numpy.isin` returns, soonest if the keys ascend too."""
    if len(ascending) == 0:
        return np.zeros(len(keys), dtype=bool)
    place = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[place] == keys
    return found


def marked(size: int, *chosen: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return bool ``(size,)``: which of the numbers below `size` are among those chosen."""
    is_chosen = np.zeros(size, dtype=bool)
    for numbers in chosen:
        is_chosen[numbers] = True
    return is_chosen
