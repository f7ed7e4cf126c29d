"""A head trained on settled labels: it tells for each class whether it applies, from frozen features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.proposals.learned import N_FOLDS, Judged, fold_of
from pipeline.proposals.methods.seam import Candidates

#: Weight of the settled labels against the prior that keeps weights small, for features of length about 1.
_FIT = 10.0
_MAX_ITERATIONS = 100
#: Most images that the head learns from.
MOST_IMAGES = 10_000

#: Images and their prepared features, float32 (n, width), one part after the other.
FeatureParts = Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]


@dataclass(frozen=True, eq=False)
class MultiLabelHead:
    """Scores each class by itself: int64 (n_known,) classes, float32 (n_known, width) and (n_known,)."""

    classes: npt.NDArray[np.int64]
    weight: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def probabilities(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the probability that each known class applies, (n, n_known)."""
        found: npt.NDArray[np.float32] = 1 / (1 + np.exp(-(features @ self.weight.T + self.bias)))
        return found


def train_multi_label_head(
    features: npt.NDArray[np.float32], images: npt.NDArray[np.int64], judged: Judged, n_classes: int
) -> MultiLabelHead:
    """Fit a penalized logistic regression for each class that applies to some image.

    A class of an image that is not settled has no weight in either direction.

    Parameters
    ----------
    features
        (n, width), of length about 1 each.
    images
        (n,): indices of the images, ascending.
    judged
        What is settled.
    n_classes
        Number of classes in the label space.
    """
    from scipy.optimize import minimize

    kept = np.isin(judged.image_index, images)
    row = np.searchsorted(images, judged.image_index[kept])
    column, applies = judged.class_index[kept], judged.applies[kept]
    target = np.zeros((len(images), n_classes), dtype=np.float32)
    target[row[applies], column[applies]] = 1
    counts = np.full(target.shape, judged.is_complete, dtype=np.float32)
    counts[row, column] = 1
    classes = np.flatnonzero(target.any(axis=0))
    target, counts = target[:, classes], counts[:, classes] * _FIT
    n_known, width = len(classes), features.shape[1]

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weight = flat.reshape(n_known, width + 1)
        narrow = weight.astype(np.float32)
        logit = features @ narrow[:, :-1].T + narrow[:, -1]
        missed = counts * (np.logaddexp(0, logit) - target * logit)
        residual = counts * (1 / (1 + np.exp(-logit)) - target)
        gradient = np.hstack([residual.T @ features, residual.sum(axis=0)[:, None]]).astype(np.float64)
        gradient[:, :-1] += weight[:, :-1]
        return float(missed.sum(dtype=np.float64)) + 0.5 * float((weight[:, :-1] ** 2).sum()), gradient.ravel()

    start = np.zeros(n_known * (width + 1))
    found: Any = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_ITERATIONS})
    weight = found.x.reshape(n_known, width + 1).astype(np.float32)
    return MultiLabelHead(classes, weight[:, :-1].copy(), weight[:, -1].copy())


def head_candidates(
    features: npt.NDArray[np.float32],
    images: npt.NDArray[np.int64],
    judged: Judged,
    others: FeatureParts,
    n_images: int,
    n_classes: int,
    top_k: int,
) -> Candidates:
    """Return a head's candidates: out of fold for the images it learns from, and from all of these for others.

    Parameters
    ----------
    features, images
        Features and indices of the settled images that it learns from, ascending.
    judged
        What is settled about them.
    others
        Further images to score, with their features; those that it learns from are skipped.
    n_images, n_classes
        Numbers of images and classes in the project.
    top_k
        How many candidates an image gets.
    """
    k = min(top_k, n_classes)
    found = Candidates(
        np.full((n_images, k), -1, np.int32),
        np.full((n_images, k), np.nan, np.float32),
        np.zeros((n_images, k), np.int8),
    )
    fold = fold_of(images)
    for number in range(N_FOLDS):
        here = fold == number
        if here.any() and not here.all():
            head = train_multi_label_head(features[~here], images[~here], judged, n_classes)
            _put(found, images[here], features[here], head)
    whole = train_multi_label_head(features, images, judged, n_classes)
    for rows, part in others:
        is_other = ~np.isin(rows, images)
        _put(found, rows[is_other], part[is_other], whole)
    return found


def _put(
    found: Candidates, images: npt.NDArray[np.int64], features: npt.NDArray[np.float32], head: MultiLabelHead
) -> None:
    if not len(images) or not len(head.classes):
        return
    probability = head.probabilities(features)
    order = np.argsort(-probability, axis=1, kind="stable")[:, : found.class_index.shape[1]]
    at = (images[:, None], np.arange(order.shape[1]))
    found.class_index[at] = head.classes[order]
    found.score[at] = np.take_along_axis(probability, order, axis=1)
