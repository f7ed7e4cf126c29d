"""A merge that is learned from settled labels: how far to trust each method, and which classes go together.

There are two steps. The first gives the probability that a class applies to an image: logistic regression on what each
method says about it (its score, or its rank for a method without scores). The second uses classes that go together, as
keyboard and mouse do: images with settled labels tell how often each class applies where another is likely. A class is
then lifted by the likely ones beside it, even if no method named it.

The benefit must not be measured on images that the merge has learned from: :func:`cross_fitted` scores each settled
image with a merge that has not seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets, label_sets_from_pairs
from pipeline.proposals.logistic import fit_logistic
from pipeline.proposals.merging import MergedProposals, logit, no_proposals
from pipeline.proposals.methods.seam import Candidates

#: The name of the source of a class that no method named.
TOGETHER = "classes that go together"
#: Chosen on the first half of ImageNetV2's images, cross-fitted; figures are reported on the second half.
_PENALTY = 10.0
_N_SPEAKING, _HALF_TRUST = 10, 10.0
#: How far a class is lifted by those beside it.
LIFT = 0.3
#: Settled images are learnt from in so many parts, each held back once.
N_FOLDS = 5
_LEAST_IMAGES = 10
#: With so many, enough are left when those of any fold are held back.
LEAST_TO_CROSS_FIT = -(-_LEAST_IMAGES * N_FOLDS // (N_FOLDS - 1))


@dataclass(frozen=True, eq=False)
class Judged:
    """Settled labels to learn from; a class that nobody was asked about tells nothing.

    Parameters
    ----------
    image_index, class_index
        int64 (n_pairs,) each: which classes of which images are settled.
    applies
        bool, same shape: whether the class applies.
    is_complete
        Whether a class without a pair counts as settled and absent, as in a published file of labels.
    images
        The images that are settled, ascending, including those without any label.
    """

    image_index: npt.NDArray[np.int64]
    class_index: npt.NDArray[np.int64]
    applies: npt.NDArray[np.bool_]
    is_complete: bool
    images: npt.NDArray[np.int64]

    def of(self, images: npt.NDArray[np.int64]) -> Judged:
        """Return what is known about these images only."""
        kept = np.isin(self.image_index, images)
        pairs = (self.image_index[kept], self.class_index[kept], self.applies[kept])
        return Judged(*pairs, self.is_complete, np.intersect1d(self.images, images))


def label_sets_of(judged: Judged) -> LabelSets:
    """Return the labels that apply, one set for each settled image in order."""
    place = np.searchsorted(judged.images, judged.image_index[judged.applies])
    return label_sets_from_pairs(place, judged.class_index[judged.applies], [str(image) for image in judged.images])


@dataclass(frozen=True, eq=False)
class LearnedMerge:
    """A learned merge.

    Parameters
    ----------
    weight, bias
        Weights of what the methods say, float64 (n_features,), and the intercept.
    together
        (n_classes, n_classes) sparse: how often the class of a column applies where that of a row is likely.
    """

    weight: npt.NDArray[np.float64]
    bias: float
    together: sparse.csr_matrix


@dataclass(frozen=True, eq=False)
class _Named:
    """The (image, class) pairs that some method named, and what the methods say about each."""

    image: npt.NDArray[np.int64]
    class_index: npt.NDArray[np.int64]
    says: sparse.csr_matrix
    source: npt.NDArray[np.int16]
    view: npt.NDArray[np.int8]


def learn_merge(methods: Sequence[Candidates], judged: Judged, n_classes: int) -> LearnedMerge:
    """Learn a merge from the settled images.

    Parameters
    ----------
    methods
        The candidates of each method, for all images.
    judged
        What is settled.
    n_classes
        Number of classes in the label space.

    Raises
    ------
    DatasetError
        If too few images are settled, or if all or none of their classes apply.
    """
    return _learn(_named(methods, judged.images, n_classes), judged, n_classes)


def merge_as_learned(
    merge: LearnedMerge,
    methods: Sequence[Candidates],
    n_proposals: int,
    images: npt.NDArray[np.int64],
    lift: float = LIFT,
) -> MergedProposals:
    """Return the proposals of some images, in their order; `lift` is how far a class is lifted by those beside it.

    `source` is the position of the method that speaks loudest. For a class that no method named, it is the number of
    methods, which stands for :data:`TOGETHER`.
    """
    n_classes = merge.together.shape[0]
    return _proposals(merge, _named(methods, images, n_classes), images, n_proposals, len(methods), lift)


def cross_fitted(methods: Sequence[Candidates], judged: Judged, n_classes: int, n_proposals: int) -> MergedProposals:
    """Return the proposals of the settled images, each from a merge learned on other images."""
    images = judged.images
    whole = no_proposals(len(images), n_proposals)
    fold = fold_of(images)
    for number in range(N_FOLDS):
        here = fold == number
        if not here.any():
            continue
        merge = learn_merge(methods, judged.of(images[~here]), n_classes)
        part = merge_as_learned(merge, methods, n_proposals, images[here])
        for name in ("class_index", "score", "view", "source"):
            getattr(whole, name)[here] = getattr(part, name)
    return whole


def n_features_of(method: Candidates) -> int:
    """Return how many weights a method has: two where it has scores, else one for each rank."""
    return 2 if method.has_scores else int(method.class_index.shape[1])


def fold_of(images: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the fold of each image, by its place among the settled ones, so that neighbors land in different folds."""
    return np.arange(len(images)) % N_FOLDS


def check_enough_is_settled(judged: Judged, *, least: int = _LEAST_IMAGES) -> None:
    """Raise a :class:`DatasetError` if a merge cannot be learnt from so few images."""
    if len(judged.images) < least:
        raise DatasetError(
            f"{len(judged.images)} images are settled; a merge is learnt from {least} or more; "
            "settle more first, or merge without learning: --merge rank"
        )


def _learn(named: _Named, judged: Judged, n_classes: int) -> LearnedMerge:
    check_enough_is_settled(judged)
    settled = np.unique(judged.image_index * n_classes + judged.class_index)
    positive = np.unique((judged.image_index * n_classes + judged.class_index)[judged.applies])
    pair = named.image * n_classes + named.class_index
    applies = np.isin(pair, positive)
    is_known = np.isin(named.image, judged.images) if judged.is_complete else np.isin(pair, settled)
    found = fit_logistic(named.says[is_known], applies[is_known], _PENALTY)
    merge = LearnedMerge(found[:-1], float(found[-1]), sparse.csr_matrix((n_classes, n_classes)))
    return LearnedMerge(merge.weight, merge.bias, _together(_speaking(merge, named, n_classes), judged, n_classes))


def _together(
    speaking: tuple[npt.NDArray[np.int64], sparse.csr_matrix], judged: Judged, n_classes: int
) -> sparse.csr_matrix:
    """Return how often each class applies where another is likely, shrunk toward never."""
    images, likely = speaking
    row_of = {int(image): row for row, image in enumerate(images)}
    kept = np.array([int(image) in row_of for image in judged.image_index], dtype=bool)
    rows = np.array([row_of[int(image)] for image in judged.image_index[kept]], dtype=np.int64)
    columns, applies = judged.class_index[kept], judged.applies[kept]
    shape = (len(images), n_classes)
    true = sparse.csr_matrix((np.ones(int(applies.sum())), (rows[applies], columns[applies])), shape=shape)
    hits = (likely.T @ true).tocoo()
    if judged.is_complete:
        chances = np.asarray(likely.sum(axis=0)).ravel()[hits.row]
    else:
        seen = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
        chances = np.asarray((likely.T @ seen).tocsr()[hits.row, hits.col]).ravel()
    return sparse.csr_matrix((hits.data / (chances + _HALF_TRUST), (hits.row, hits.col)), shape=hits.shape)


def _speaking(merge: LearnedMerge, named: _Named, n_classes: int) -> tuple[npt.NDArray[np.int64], sparse.csr_matrix]:
    """Return the images that have candidates, and the probabilities of each one's likeliest: (n_images, n_classes)."""
    probability = _probability(merge, named)
    images, row = np.unique(named.image, return_inverse=True)
    order = np.lexsort((named.class_index, -probability, row))
    place = np.arange(len(order)) - np.searchsorted(row[order], row[order])
    kept = order[place < _N_SPEAKING]
    likely = sparse.csr_matrix(
        (probability[kept], (row[kept], named.class_index[kept])), shape=(len(images), n_classes)
    )
    return images, likely


def _probability(merge: LearnedMerge, named: _Named) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = expit(named.says @ merge.weight + merge.bias)
    return found


def _proposals(
    merge: LearnedMerge, named: _Named, images: npt.NDArray[np.int64], n_proposals: int, n_methods: int, lift: float
) -> MergedProposals:
    n_classes = merge.together.shape[0]
    rows_of, likely = _speaking(merge, named, n_classes)
    lifted = (likely @ merge.together).tocoo()
    pair = named.image * n_classes + named.class_index
    lifted_pair = rows_of[lifted.row] * n_classes + lifted.col
    pairs = np.union1d(pair, lifted_pair)
    score = np.zeros(len(pairs))
    at = np.searchsorted(pairs, pair)
    score[at] = _probability(merge, named)
    score[np.searchsorted(pairs, lifted_pair)] += lift * lifted.data
    source, view = np.full(len(pairs), n_methods, dtype=np.int16), np.zeros(len(pairs), dtype=np.int8)
    source[at], view[at] = named.source, named.view
    image, class_index = np.divmod(pairs, n_classes)
    order = np.lexsort((class_index, -score, image))
    place = np.arange(len(order)) - np.searchsorted(image[order], image[order])
    kept, place = order[place < n_proposals], place[place < n_proposals]
    found = no_proposals(len(images), n_proposals)
    where = (np.searchsorted(images, image[kept]), place)
    found.class_index[where], found.score[where] = class_index[kept], score[kept]
    found.view[where], found.source[where] = view[kept], source[kept]
    return found


def _named(methods: Sequence[Candidates], images: npt.NDArray[np.int64], n_classes: int) -> _Named:
    """Collect what each method says about every class that any method names for these images.

    For a method with scores: that it names the class, and the logit of the score. For one without: the rank.
    """
    rows, columns, values, keys, loudness, views = [], [], [], [], [], []
    n_features = 0
    for method in methods:
        classes, score = method.class_index[images], method.score[images]
        image, rank = np.nonzero(classes >= 0)
        key = images[image] * n_classes + classes[image, rank]
        found = score[image, rank].astype(np.float64)
        has_scores = method.has_scores
        if has_scores:
            parts = [(np.full(len(key), n_features), np.ones(len(key)))]
            parts += [(np.full(len(key), n_features + 1), logit(np.nan_to_num(found)))]
        else:
            parts = [(n_features + rank, np.ones(len(key)))]
        n_features += n_features_of(method)
        for column, value in parts:
            rows.append(key)
            columns.append(column)
            values.append(value)
        keys.append(key)
        loudness.append(np.nan_to_num(found) if has_scores else 1 / (1.0 + rank))
        views.append(method.view[images][image, rank])
    key = np.concatenate(keys)
    pairs, group = np.unique(key, return_inverse=True)
    method_of = np.repeat(np.arange(len(methods), dtype=np.int16), [len(k) for k in keys])
    order = np.lexsort((method_of, -np.concatenate(loudness), group))
    first = order[np.searchsorted(group[order], np.arange(len(pairs)))]
    flat_rows = np.searchsorted(pairs, np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)
    says = sparse.csr_matrix(
        (np.concatenate(values), (flat_rows, np.concatenate(columns))), shape=(len(pairs), n_features)
    )
    image_of, class_of = np.divmod(pairs, n_classes)
    return _Named(image_of, class_of, says, method_of[first], np.concatenate(views)[first])
