"""Which classes the proposals take for each other: those that share the two first ranks of the same images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def close_classes(
    one: npt.NDArray[np.integer], other: npt.NDArray[np.integer], least_images: int, least_closeness: float
) -> list[tuple[int, int]]:
    """Return pairs of classes that are met together more often than apart, the closest first.

    The closeness of two classes is their cosine: on how many images they are met together, over the geometric mean of
    how many images each is met on. It needs no labels, is the same in both directions, and two common classes that are
    met together by chance have a small one (Ochiai, 1957).

    Parameters
    ----------
    one, other
        (n,) classes that were met together, as often as they were; -1 where there is none.
    least_images, least_closeness
        Pairs below these are left out.
    """
    is_pair = (one >= 0) & (other >= 0) & (one != other)
    low, high = np.minimum(one, other)[is_pair].astype(np.int64), np.maximum(one, other)[is_pair].astype(np.int64)
    if not len(low):
        return []
    n_met = np.bincount(np.concatenate([low, high]))
    keys, together = np.unique(low * len(n_met) + high, return_counts=True)
    low, high = np.divmod(keys, len(n_met))
    closeness = together / np.sqrt(n_met[low] * n_met[high])
    kept = np.flatnonzero((together >= least_images) & (closeness >= least_closeness))
    order = kept[np.lexsort((high[kept], low[kept], -together[kept], -closeness[kept]))]
    return list(zip(low[order].tolist(), high[order].tolist(), strict=True))
