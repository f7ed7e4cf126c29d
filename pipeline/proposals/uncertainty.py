"""How uncertain an image's proposals are, taken at their word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def expected_wrong_guesses(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the expected number of wrong guesses per image: each proposal is guessed to apply if that is likelier.

    Parameters
    ----------
    scores
        ``(n_images, n_proposals)``: probabilities; NaN, where there is none, counts as certain.
    """
    chance = np.clip(np.nan_to_num(scores), 0, 1)
    wrong: NDArray[np.float64] = np.minimum(chance, 1 - chance).sum(axis=1, dtype=np.float64)
    return wrong
