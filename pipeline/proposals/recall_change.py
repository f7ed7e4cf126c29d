"""What new proposals are worth on settled images: recall, proposals and ticks an image, beside the old ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.differences import adjusted_interval
from pipeline.evaluation.label_sets import LabelSets
from pipeline.evaluation.shares import Share
from pipeline.proposals.fusion import n_found

_N_DRAWS = 1000
_TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Gain:
    """A difference of two recalls, with its 95% percentile bootstrap interval over images; None without a label.

    Where all draws are alike although other classes were offered, it is the interval of Agresti and Min (2005,
    https://doi.org/10.1002/sim.1781) of as many trials as images with a label. It has no width only where both sides
    offered every image the same classes.
    """

    value: float
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        if self.interval is None:
            return "undefined"
        low, high = self.interval
        return f"{self.value:+.1%} (95%: {low:+.1%} to {high:+.1%})"


@dataclass(frozen=True)
class RecallChange:
    """Recall of the first `k` proposals on settled images, of which nothing was learnt from the image scored.

    Attributes
    ----------
    k
        How many proposals.
    before, closer, after
        Recall of the old proposals; of a look at as many parts of each image as now, without learning (None where there
        is nothing to look at); and of the new proposals.
    gain, of_looking, of_learning
        `after` less `before`; what of it looking closer brings (None as above), and what learning brings on top.
    ticks_before, ticks_after
        Labels that an annotator ticks in the mean among the first `k` proposals of an image.
    """

    k: int
    before: Share
    closer: Share | None
    after: Share
    gain: Gain
    of_looking: Gain | None
    of_learning: Gain
    ticks_before: float
    ticks_after: float


@dataclass(frozen=True)
class Needed:
    """The fewest new proposals that find as many labels as all the old ones do; None where no number does.

    `interval` is the 95% percentile bootstrap interval over images; None as its upper end: not even all of them.
    Without a label to find, there is neither a number nor an interval.
    """

    n: int | None
    interval: tuple[int | None, int | None] | None


def recall_change(
    k: int,
    old: npt.NDArray[np.integer],
    closer: npt.NDArray[np.integer] | None,
    new: npt.NDArray[np.integer],
    sets: LabelSets,
) -> RecallChange:
    """Compare the first `k` of old and new proposals, (n_images, n_proposals) each, on the images of `sets`."""
    n_labels = sets.n_labels.astype(np.float64)
    drawn = _drawn(len(sets))
    drawn = drawn[drawn @ n_labels > 0]  # others tell nothing of recall
    proposals = (old, old if closer is None else closer, new)
    found = [n_found(classes[:, :k], sets)[:, -1].astype(np.float64) for classes in proposals]
    before, looked, after = (Share(int(each.sum()), len(sets.class_index)) for each in found)

    def gain(first: int, second: int) -> Gain:
        gained = found[second] - found[first]
        if not n_labels.any():
            return Gain(0.0, None)
        low, high = np.quantile((drawn @ gained) / (drawn @ n_labels), _TAILS)
        one, other = (np.sort(proposals[side][:, :k], axis=1) for side in (first, second))
        if low == high and not np.array_equal(one, other):
            n_images = int(np.count_nonzero(n_labels))
            per_image = n_images / n_labels.sum()  # labels of one image are found together: they are one trial
            won, lost = (np.maximum(sign * gained, 0).sum() * per_image for sign in (1, -1))
            low, high = adjusted_interval(won, lost, n_images)
        return Gain(float(gained.sum() / n_labels.sum()), (float(low), float(high)))

    return RecallChange(
        k,
        before,
        None if closer is None else looked,
        after,
        gain=gain(0, 2),
        of_looking=None if closer is None else gain(0, 1),
        of_learning=gain(1, 2),
        ticks_before=before.n_hits / max(1, len(sets)),
        ticks_after=after.n_hits / max(1, len(sets)),
    )


def proposals_needed(old: npt.NDArray[np.integer], new: npt.NDArray[np.int32], sets: LabelSets) -> Needed:
    """Return how many of the new proposals find as many labels as all the old ones, (n_images, n_proposals) each."""
    if not sets.n_labels.any():
        return Needed(None, None)
    n_old = n_found(old, sets)[:, -1].astype(np.float64)
    n_new = n_found(new, sets).astype(np.float64)

    def fewest(weights: npt.NDArray[np.float64]) -> int:
        enough = np.flatnonzero(weights @ n_new >= weights @ n_old)
        return int(enough[0]) if len(enough) else n_new.shape[1]

    all_of_them = new.shape[1]
    counts = [fewest(row) for row in _drawn(len(sets)).astype(np.float64)]
    low, high = (int(count) for count in np.quantile(counts, _TAILS, method="nearest"))

    def said(count: int) -> int | None:
        return count if count <= all_of_them else None

    return Needed(said(fewest(np.ones(len(sets)))), (said(low), said(high)))


def _drawn(n_images: int) -> npt.NDArray[np.int64]:
    """Return how often each image is in each of the bootstrap's samples."""
    return np.random.default_rng(0).multinomial(n_images, np.full(n_images, 1 / max(1, n_images)), _N_DRAWS)
