"""The way of proposing that works best on settled images: a learned merge of all methods, or one method by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.label_sets import LabelSets
from pipeline.proposals.fusion import n_found
from pipeline.proposals.learned import Judged, label_sets_of, learn_merge, merge_as_learned
from pipeline.proposals.merging import MergedProposals
from pipeline.proposals.methods.seam import Candidates

#: Candidates for how strongly co-occurring classes lift each other; which works best depends on how much is settled.
_LIFTS = (0.0, 0.1, 0.3)


@dataclass(frozen=True, slots=True)
class Way:
    """A way of proposing: the merge with this lift, or the method at this position by itself."""

    lift: float | None = None
    alone: int | None = None


def best_way(methods: Sequence[Candidates], judged: Judged, old: npt.NDArray[np.int32], n_classes: int) -> Way | None:
    """Return what finds most on one half of the settled images when learnt from the other; None: the old proposals.

    What counts is recall averaged over all numbers of proposals. Where little is settled, the best method by itself may
    beat anything that can be learnt.

    Parameters
    ----------
    methods
        Candidates of all images.
    judged
        What is settled.
    old
        (n_images, n_proposals): the present proposals of all images.
    n_classes
        Number of classes in the label space.
    """
    n_proposals = old.shape[1]
    ways = [*(Way(lift=lift) for lift in _LIFTS), *(Way(alone=number) for number in range(len(methods)))]
    unchanged, found = 0.0, np.zeros(len(ways))
    for first in (0, 1):
        known, half = judged.of(judged.images[first::2]), judged.images[1 - first :: 2]
        sets = label_sets_of(judged.of(half))
        unchanged += mean_recall(old[half], sets)
        merge = learn_merge(methods, known, n_classes)
        classes = [merge_as_learned(merge, methods, n_proposals, half, lift).class_index for lift in _LIFTS]
        classes += [method.class_index[half, :n_proposals] for method in methods]
        found += [mean_recall(proposed, sets) for proposed in classes]
    return ways[int(found.argmax())] if found.max() > unchanged else None


def proposals_of(
    way: Way,
    methods: Sequence[Candidates],
    judged: Judged,
    images: npt.NDArray[np.int64],
    n_proposals: int,
    n_classes: int,
) -> MergedProposals:
    """Return what a way, learnt from all that is settled, proposes for some images, in their order."""
    if way.alone is None:
        merge = learn_merge(methods, judged, n_classes)
        return merge_as_learned(merge, methods, n_proposals, images, way.lift or 0.0)
    method = methods[way.alone]
    classes = method.class_index[images, :n_proposals]
    source = np.where(classes >= 0, way.alone, -1).astype(np.int16)
    return MergedProposals(classes, method.score[images, :n_proposals], method.view[images, :n_proposals], source)


def mean_recall(classes: npt.NDArray[np.integer], sets: LabelSets) -> float:
    """Return recall averaged over all numbers of proposals."""
    found = n_found(classes, sets)[:, 1:].sum(axis=0)
    recalls: list[float] = (found / max(1, len(sets.class_index))).tolist()
    return sum(recalls) / max(1, len(recalls))
