"""How many proposals are enough: conformal risk control on the number of proposals.

Images whose labels are settled tell the fewest proposals with which the expected share of an image's labels that are
missed stays under a given rate, for images like those. The guarantee holds in expectation over the settled images,
whatever the model is like, as long as it has not learned from them. It covers only labels that somebody could find.

References
----------
Angelopoulos, A. N., Bates, S., Fisch, A., Lei, L., Schuster, T. (2024). Conformal risk control. ICLR. Equation 4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.label_sets import LabelSets


def share_missed(class_index: npt.NDArray[np.integer], labels: LabelSets) -> npt.NDArray[np.float64]:
    """Return the share of each image's labels that its first 0, 1, 2, … proposals miss: (n_images, k + 1).

    An image without labels misses nothing.

    Parameters
    ----------
    class_index
        (n_images, k), the best first; -1 for no class.
    labels
        Settled labels of the same images.
    """
    n_images, k = class_index.shape
    n_found = np.zeros((n_images, k + 1))
    for place, column in enumerate(class_index.T, start=1):
        hits = labels.image_index[column[labels.image_index] == labels.class_index]
        n_found[hits, place] += 1
    n_labels = np.maximum(labels.n_labels, 1)[:, None]
    has_labels = (labels.n_labels > 0)[:, None]
    missed: npt.NDArray[np.float64] = np.where(has_labels, 1 - n_found.cumsum(axis=1) / n_labels, 0.0)
    return missed


def fewest_proposals(missed: npt.NDArray[np.float64], rate: float) -> int | None:
    """Return the fewest proposals whose expected share of missed labels stays under a rate; None if all are too few.

    Parameters
    ----------
    missed
        (n_images, k + 1) shares, as :func:`share_missed` returns them: they fall along each row.
    rate
        The greatest expected share that is allowed, in (0, 1).
    """
    n_images = len(missed)
    bound = (missed.sum(axis=0) + 1) / (n_images + 1)
    enough = np.flatnonzero(bound <= rate)
    return int(enough[0]) if len(enough) else None
