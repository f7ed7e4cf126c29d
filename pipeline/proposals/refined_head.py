"""What settled labels teach about frozen features: a head that tells for each class whether it applies.

Where the backbone knows the classes itself, settled labels teach what each of its looks is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.proposals.learned import N_FOLDS, Judged, fold_of
from pipeline.proposals.looks import FeatureParts, Looks, joined, look, put, weigh
from pipeline.proposals.methods.seam import Candidates, no_candidates

#: Weight of the settled labels against the prior that keeps weights small, for features of length about 1.
_FIT = 10.0
#: With 100, recall on toybox scenes is no better, and it takes five times as long.
_MAX_ITERATIONS = 30


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


def own_candidates(own: Looks, judged: Judged, n_images: int, n_classes: int, top_k: int) -> Candidates:
    """Return what a model that knows the classes proposes once settled labels tell what each of its looks is worth.

    Parameters
    ----------
    own
        What the model's looks say, for settled and other images.
    judged
        What is settled. Each of these images is scored by what was learnt from others.
    n_images, n_classes
        Numbers of images and classes in the project.
    top_k
        How many candidates an image gets.
    """
    found = no_candidates(n_images, min(top_k, n_classes))
    _weighed_out_of_fold(found, own, judged, n_classes)
    return found


def head_candidates(
    features: npt.NDArray[np.float16],
    judged: Judged,
    others: FeatureParts,
    prepare: Callable[[npt.NDArray[np.float16]], npt.NDArray[np.float32]],
    n_images: int,
    n_classes: int,
    top_k: int,
) -> Candidates:
    """Return a head's candidates: out of fold for the images it learns from, and from all of these for others.

    Heads learn from whole images, then look at each view; what their looks are worth is learnt too (:mod:`.looks`).

    Parameters
    ----------
    features
        (n_settled, n_views, width): features of the settled images, in the order of `judged.images`.
    judged
        What is settled about them.
    others
        Further images to score, with their features; those that it learns from are skipped.
    prepare
        Turns features (n, width) into those that a head learns from.
    n_images, n_classes
        Numbers of images and classes in the project.
    top_k
        How many candidates an image gets.
    """
    images, fold = judged.images, fold_of(judged.images)
    whole = prepare(features[:, 0])
    k = min(top_k, n_classes)
    found = no_candidates(n_images, k)

    def looked(head: MultiLabelHead, parts: FeatureParts) -> Looks:
        def score(part: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
            flat = prepare(part.reshape(-1, part.shape[-1]))
            return head.probabilities(flat).reshape(*part.shape[:2], len(head.classes))

        return look(parts, score, head.classes, k)

    parts = []
    for number in range(N_FOLDS):
        here = fold == number
        head = train_multi_label_head(whole[~here], images[~here], judged, n_classes)
        if here.any() and len(head.classes):
            parts.append(looked(head, [(images[here], features[here])]))
    if not parts:
        return found
    weights = _weighed_out_of_fold(found, joined(parts), judged, n_classes)
    head = train_multi_label_head(whole, images, judged, n_classes)
    for rows, part in others:
        is_other = ~np.isin(rows, images)
        if is_other.any():
            put(found, looked(head, [(rows[is_other], part[is_other])]), weights)
    return found


def _weighed_out_of_fold(found: Candidates, looks: Looks, judged: Judged, n_classes: int) -> npt.NDArray[np.float64]:
    """Put weighed looks: those of settled images by what was learnt from others, the rest by all; return the latter."""
    fold = fold_of(judged.images)
    for number in range(N_FOLDS):
        here = judged.images[fold == number]
        put(found, looks.of(here), weigh(looks, judged.of(judged.images[fold != number]), n_classes))
    weights = weigh(looks, judged, n_classes)
    put(found, looks.of(np.setdiff1d(looks.images, judged.images)), weights)
    return weights
