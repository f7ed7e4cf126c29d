"""One list of proposals from the rankings of many models, and how much of the refined labels it contains.

Models that were run elsewhere leave ranks behind but no comparable scores, so ranks are what is merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.evaluation.label_sets import LabelSets
from pipeline.evaluation.shares import Share

#: Fills the places for which the models name no further class.
NO_CLASS = -1
_IMAGES_PER_CHUNK = 4096


def _rank_weights(depth: int) -> NDArray[np.float64]:
    """Return ``1 / (60 + r)`` for each rank *r* from 1 to `depth`: reciprocal rank fusion, with its published constant.

    How many models name a class counts for more than how high one of them ranks it; the rank decides the order among
    classes named by equally many. That suits proposals, which should contain every label rather than one. With weights
    that fall steeply (``1 / r``, Borda's ``k + 1 - r``, powers of a half), proposals contain fewer of the refined
    labels of ImageNetV2. With a bare count of models, 20 proposals contain barely more, and the first 5 are ordered
    worse. Unlike Borda's, the weight of a rank does not depend on how long a model's list is.

    References
    ----------
    Cormack, G. V., Clarke, C. L. A., Buettcher, S. (2009). Reciprocal rank fusion outperforms Condorcet and individual
    rank learning methods. SIGIR, 758-759. doi:10.1145/1571941.1572114
    """
    weights: NDArray[np.float64] = np.reciprocal(60.0 + np.arange(1, depth + 1))
    return weights


@dataclass(frozen=True, eq=False)
class FusedProposals:
    """The merged proposals of every image, the best first.

    Parameters
    ----------
    class_index
        ``(n_images, n_proposals)`` int32; :data:`NO_CLASS` where all models together name no more classes.
    score
        Same shape, float32 in (0, 1]: 1 means the top rank in every model; 0 beside :data:`NO_CLASS`.
    source
        Same shape, int16: position in `models` of the model that ranks the class highest, or the first such model in a
        tie; -1 beside :data:`NO_CLASS`.
    models
        Names, in the order given.
    """

    class_index: NDArray[np.int32]
    score: NDArray[np.float32]
    source: NDArray[np.int16]
    models: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ProposalRecall:
    """How much of the refined labels the proposals contain.

    Parameters
    ----------
    labels
        Share of all refined labels that the proposals contain.
    complete_images
        Share of images whose refined labels are all contained, among images that have any.
    per_image
        ``(n_images,)`` share of each image's labels that are contained; NaN for an image without labels.
    """

    labels: Share
    complete_images: Share
    per_image: NDArray[np.float64]


def merge_proposals_by_rank(predictions: Mapping[str, NDArray[np.integer]], n_proposals: int = 20) -> FusedProposals:
    """Merge the rankings of many models into one: each class scores the sum of its rank weights over the models.

    The result does not depend on the order of the models (except for `source`) or on how many classes each ranks. Ties
    go to the lower class index.

    Parameters
    ----------
    predictions
        Model name to ``(n_images, k)`` class indices, the best first, no class twice in a row; `k` may differ between
        models. -1 stands for no class.
    n_proposals
        How many proposals to keep, at least 1.

    Raises
    ------
    DatasetError
        If there is no model, or if the models differ in the number of images.
    """
    if not predictions:
        raise DatasetError("no model to merge proposals of; name one with --model, --checkpoint or --from-predictions")
    if n_proposals < 1:
        raise ValueError(f"n_proposals is {n_proposals}; give 1 or more")
    n_images = _common_length(predictions)
    rankings = tuple(predictions.values())
    depth = max(ranking.shape[1] for ranking in rankings)
    weights = _rank_weights(depth)
    shape = (n_images, n_proposals)
    class_index, source = np.full(shape, NO_CLASS, dtype=np.int32), np.full(shape, NO_CLASS, dtype=np.int16)
    score = np.zeros(shape, dtype=np.float32)
    for start in range(0, n_images, _IMAGES_PER_CHUNK):
        rows = slice(start, min(start + _IMAGES_PER_CHUNK, n_images))
        image, place, classes, scores, sources = _merge_chunk([ranking[rows] for ranking in rankings], weights)
        is_kept = place < n_proposals
        at = (start + image[is_kept], place[is_kept])
        class_index[at], source[at] = classes[is_kept], sources[is_kept]
        score[at] = scores[is_kept] / (len(rankings) * weights[0])
    return FusedProposals(class_index, score, source, tuple(predictions))


def proposal_recall(class_index: NDArray[np.integer], labels: LabelSets) -> ProposalRecall:
    """Return what share of the refined labels the proposals contain.

    Parameters
    ----------
    class_index
        ``(n_images, n_proposals)``, :data:`NO_CLASS` for an empty place.
    labels
        Refined labels of the same images in the same order.

    Raises
    ------
    DatasetError
        If the shapes do not fit.
    """
    if class_index.ndim != 2 or len(class_index) != len(labels):
        raise DatasetError(f"the proposals have shape {class_index.shape}; expected ({len(labels)}, n_proposals)")
    found = n_found(class_index, labels)[:, -1]
    has_labels = labels.n_labels > 0
    per_image = np.full(len(labels), np.nan)
    per_image[has_labels] = found[has_labels] / labels.n_labels[has_labels]
    return ProposalRecall(
        Share(int(found.sum()), len(labels.class_index)),
        Share(int(np.count_nonzero((found == labels.n_labels) & has_labels)), int(has_labels.sum())),
        per_image,
    )


def n_found(class_index: NDArray[np.integer], labels: LabelSets) -> NDArray[np.int64]:
    """Return how many of each image's labels are among its first 0, 1, 2, … proposals: (n_images, k + 1).

    Parameters
    ----------
    class_index
        ``(n_images, k)``, the best first; :data:`NO_CLASS` for an empty place.
    labels
        Labels of the same images in the same order.
    """
    n_images, k = class_index.shape
    found_at = np.full(len(labels.class_index), k + 1)
    for place in range(k, 0, -1):
        found_at[class_index[labels.image_index, place - 1] == labels.class_index] = place
    counts = np.zeros((n_images, k + 2), dtype=np.int64)
    np.add.at(counts, (labels.image_index, found_at), 1)
    return counts[:, :-1].cumsum(axis=1)


def _common_length(predictions: Mapping[str, NDArray[np.integer]]) -> int:
    first, n_images = next((name, len(ranking)) for name, ranking in predictions.items())
    for name, ranking in predictions.items():
        if ranking.ndim != 2 or ranking.shape[1] == 0 or len(ranking) != n_images:
            raise DatasetError(
                f"model {name!r} ranks an array of shape {ranking.shape}; expected (images, k), with the {n_images} "
                f"images of model {first!r}"
            )
    return n_images


def _merge_chunk(
    rankings: list[NDArray[np.integer]], weights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return image, place, class, score and source of every named class, sorted by image and place."""
    depth = len(weights)
    n_images = len(rankings[0])
    classes = np.concatenate([ranking.astype(np.int64) for ranking in rankings], axis=1)
    ranks = np.concatenate([np.arange(ranking.shape[1]) for ranking in rankings])
    models = np.concatenate([np.full(ranking.shape[1], model) for model, ranking in enumerate(rankings)])
    n_classes = int(classes.max(initial=0)) + 1
    is_named = classes >= 0
    keys = (np.arange(n_images)[:, None] * n_classes + classes)[is_named]
    named_ranks = np.broadcast_to(ranks, classes.shape)[is_named]
    named_models = np.broadcast_to(models, classes.shape)[is_named]
    pairs, group = np.unique(keys, return_inverse=True)
    # How many models put the class at each rank: integers, so that the sum does not depend on the order of the models.
    counts = np.bincount(group * depth + named_ranks, minlength=len(pairs) * depth).reshape(-1, depth)
    # Rank by rank: a matrix product may round equal rows differently and so break ties at random.
    scores = np.zeros(len(pairs))
    for rank in range(depth):
        scores += counts[:, rank] * weights[rank]
    best = np.full(len(pairs), np.iinfo(np.int64).max)
    np.minimum.at(best, group, named_ranks * len(rankings) + named_models)
    image, class_index = np.divmod(pairs, n_classes)
    order = np.lexsort((class_index, -scores, image))
    image = image[order]
    place = np.arange(len(image)) - np.searchsorted(image, image)
    return image, place, class_index[order], scores[order], best[order] % len(rankings)
