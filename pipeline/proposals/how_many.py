"""How many proposals are enough: conformal risk control on the number of proposals.

Images whose labels are settled tell the fewest proposals with which the expected share of an image's labels that are
missed stays under a given rate, for images like those. The guarantee holds in expectation over the settled images,
whatever the model is like, as long as it has not learned from them. It covers only labels that somebody could find.
An image without labels misses nothing; how many of these there are is told beside each promise. Instead of one number
for all images, a threshold on the score gives clear images fewer proposals and crowded ones more.

References
----------
Angelopoulos, A. N., Bates, S., Fisch, A., Lei, L., Schuster, T. (2024). Conformal risk control. ICLR. Equation 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.label_sets import LabelSets
from pipeline.proposals.fusion import n_found


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
    n_labels = np.maximum(labels.n_labels, 1)[:, None]
    has_labels = (labels.n_labels > 0)[:, None]
    missed: npt.NDArray[np.float64] = np.where(has_labels, 1 - n_found(class_index, labels) / n_labels, 0.0)
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


@dataclass(frozen=True, slots=True)
class ScoreCut:
    """How many proposals an image gets: those of at least this score, but no fewer and no more than the bounds say."""

    threshold: float
    at_least: int
    at_most: int

    def n_kept(self, score: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
        """Return how many of its first proposals each image keeps.

        Parameters
        ----------
        score
            (n_images, k), falling along each row; NaN for no score.
        """
        n_high = (score >= self.threshold).sum(axis=1)
        kept: npt.NDArray[np.int64] = np.clip(n_high, self.at_least, self.at_most)
        return kept


def cut_by_score(
    missed: npt.NDArray[np.float64], score: npt.NDArray[np.floating], rate: float, at_least: int, at_most: int
) -> ScoreCut | None:
    """Return the cut that keeps fewest proposals while the expected share of missed labels stays under a rate.

    Lowering the threshold only ever adds proposals, so that the share missed falls as conformal risk control asks.

    Parameters
    ----------
    missed
        (n_images, k + 1) shares, as :func:`share_missed` returns them, of images whose labels are settled.
    score
        (n_images, k) scores of their proposals, falling along each row; NaN for no score.
    rate
        The greatest expected share that is allowed, in (0, 1).
    at_least, at_most
        Fewest and most proposals of an image; at most k.

    Returns
    -------
    ScoreCut or None
        None if even `at_most` proposals for every image are too few.
    """
    rows = np.arange(len(missed))

    def is_enough(threshold: float) -> bool:
        kept = ScoreCut(threshold, at_least, at_most).n_kept(score)
        return bool((missed[rows, kept].sum() + 1) / (len(missed) + 1) <= rate)

    thresholds = np.append(np.unique(score[~np.isnan(score)]), np.inf)
    thresholds[0] = -np.inf  # the lowest score and anything below it keep the same
    if not is_enough(thresholds[0]):
        return None
    low, high = 0, len(thresholds)  # the last that is enough lies in [low, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_enough(float(thresholds[middle])) else (low, middle)
    return ScoreCut(float(thresholds[low]), at_least, at_most)
