"""What each look at an image says of a class, and a learned weighing of these looks.

Taking the greatest score of all crops trusts one look and forgets the others. A second object is seen, less well, in
the crops beside its own; a model's fancy about one crop is not. So a class's scores in the crops are sorted, and
settled labels tell what the greatest, the second, … are worth: one weight for each place, the same for all classes,
which a few dozen images teach. The result is the probability that the class applies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.inference.views import views
from pipeline.proposals.learned import Judged
from pipeline.proposals.logistic import fit_logistic
from pipeline.proposals.merging import logit
from pipeline.proposals.methods.seam import Candidates

#: Chosen on toybox scenes of seed 7; figures are reported on those of seed 0.
_PENALTY = 1.0
_OF_CLASSES = ("class_index", "says", "view")

#: Image indices and their features in all views, (n, n_views, width), one part after the other.
FeatureParts = Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.float16]]]
#: Turns features (n, n_views, width) into probabilities (n, n_views, n_known).
Scorer = Callable[[npt.NDArray[np.float16]], npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Looks:
    """The likeliest classes of some images and what each look says of them.

    Parameters
    ----------
    images
        int64 (n,), ascending.
    class_index
        int32 (n, k), the likeliest first.
    says
        float16 (n, k, n_views): logits, sorted among the views of one size, the greatest first.
    view
        int8 (n, k): the view that speaks loudest.
    """

    images: npt.NDArray[np.int64]
    class_index: npt.NDArray[np.int32]
    says: npt.NDArray[np.float16]
    view: npt.NDArray[np.int8]

    def of(self, images: npt.NDArray[np.int64]) -> Looks:
        """Return the looks at these images only."""
        kept = np.isin(self.images, images)
        return Looks(self.images[kept], *(getattr(self, name)[kept] for name in _OF_CLASSES))


def look(parts: FeatureParts, scorer: Scorer, classes: npt.NDArray[np.int64], k: int) -> Looks:
    """Return what each look says of the `k` likeliest classes of each image, by the greatest trusted score.

    Parameters
    ----------
    parts
        The images' features.
    scorer
        Scores the known classes in each view.
    classes
        The known classes, in the order of the scorer's columns.
    k
        How many classes are kept for each image.
    """
    return joined([_look(rows, scorer(features), classes, k) for rows, features in parts])


def joined(parts: Sequence[Looks]) -> Looks:
    """Return the looks of several parts as one, at least one part; the fewest classes of any part are kept."""
    k = min(part.says.shape[1] for part in parts)
    images = np.concatenate([part.images for part in parts])
    order = np.argsort(images, kind="stable")
    columns = (np.concatenate([getattr(part, name)[:, :k] for part in parts])[order] for name in _OF_CLASSES)
    return Looks(images[order], *columns)


def weigh(looks: Looks, judged: Judged, n_classes: int) -> npt.NDArray[np.float64]:
    """Return how much each look counts, (n_views + 1,), learnt from the images that are settled.

    A class of an image that is not settled counts neither way.

    Raise `DatasetError` if all the classes that were settled apply, or none.
    """
    pair = looks.images[:, None] * n_classes + looks.class_index
    settled = judged.image_index * n_classes + judged.class_index
    is_known = np.isin(pair, settled) | (judged.is_complete & np.isin(looks.images, judged.images))[:, None]
    applies = np.isin(pair, settled[judged.applies])
    return fit_logistic(looks.says[is_known].astype(np.float64), applies[is_known], _PENALTY)


def put(found: Candidates, looks: Looks, weights: npt.NDArray[np.float64]) -> None:
    """Write the weighed looks of some images into the candidates of all images, the likeliest class first."""
    said = looks.says.astype(np.float64) @ weights[:-1] + weights[-1]
    order = np.argsort(-said, axis=1, kind="stable")[:, : found.class_index.shape[1]]
    at = (looks.images[:, None], np.arange(order.shape[1]))
    found.class_index[at] = np.take_along_axis(looks.class_index, order, axis=1)
    found.score[at] = np.take_along_axis(1 / (1 + np.exp(-said)), order, axis=1)
    found.view[at] = np.take_along_axis(looks.view, order, axis=1)


def _look(
    rows: npt.NDArray[np.int64], probability: npt.NDArray[np.float32], classes: npt.NDArray[np.int64], k: int
) -> Looks:
    seen = views(probability.shape[1])
    trusted = probability * np.array([view.trust for view in seen], dtype=np.float32)[:, None]
    order = np.argsort(-trusted.max(axis=1), axis=1, kind="stable")[:, :k]
    kept = np.take_along_axis(probability, order[:, None, :], axis=2)
    said = logit(kept).transpose(0, 2, 1)
    sides = [view.side for view in seen]
    of_each_size = [[place for place, side in enumerate(sides) if side == size] for size in dict.fromkeys(sides)]
    says = np.concatenate([-np.sort(-said[:, :, places], axis=2) for places in of_each_size], axis=2)
    view = np.take_along_axis(trusted.argmax(axis=1), order, axis=1)
    return Looks(rows, classes[order].astype(np.int32), says.astype(np.float16), view.astype(np.int8))
