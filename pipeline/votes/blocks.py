"""Runs of whole images' votes, one after the other: work on them needs the memory of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.votes.words import N_VOTES


@dataclass(frozen=True, eq=False)
class VoteBlock:
    """Some consecutive images' votes; image and item codes count from the block's own first."""

    first_image: int
    n_images: int
    first_item: int
    item_image: NDArray[np.int32]
    item_class: NDArray[np.int32]
    item: NDArray[np.int32]
    annotator: NDArray[np.signedinteger]
    vote: NDArray[np.int8]

    @property
    def n_items(self) -> int:
        """Return the number of items in the block."""
        return len(self.item_image)

    def item_counts(self) -> NDArray[np.int64]:
        """Return how many voted no, unsure and yes on each item: ``(n_items, 3)``."""
        key = (self.item * np.int64(N_VOTES)) + self.vote
        found: NDArray[np.int64] = np.bincount(key, minlength=N_VOTES * self.n_items).reshape(-1, N_VOTES)
        return found
