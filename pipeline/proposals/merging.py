"""One list of proposals from the candidates of several methods, by calibrated score or by rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.special import logit as special_logit

from pipeline.proposals.fusion import merge_proposals_by_rank
from pipeline.proposals.logistic import fit_logistic
from pipeline.proposals.methods.seam import Candidates, no_candidates

Merge = Literal["score", "rank", "learned"]
#: Fewest images with an original label on which a calibration is fitted.
_LEAST_LABELLED = 50
#: Restrains a slope that few images support.
_PENALTY = 1.0
_LEAST = 1e-7
_Float = TypeVar("_Float", np.float32, np.float64)


@dataclass(frozen=True, eq=False)
class MergedProposals:
    """The proposals of every image, the best first.

    Parameters
    ----------
    class_index, score, view
        As in :class:`pipeline.proposals.methods.seam.Candidates`; scores are calibrated where that was possible.
    source
        int16, same shape: position of the method that speaks loudest for the class; -1 where there is no class.
    """

    class_index: npt.NDArray[np.integer[Any]]
    score: npt.NDArray[np.float32]
    view: npt.NDArray[np.int8]
    source: npt.NDArray[np.int16]


def no_proposals(n_images: int, n_proposals: int) -> MergedProposals:
    """Return room for the proposals of each image, with none named yet."""
    room = no_candidates(n_images, n_proposals)
    source = np.full(room.class_index.shape, -1, np.int16)
    return MergedProposals(room.class_index, room.score, room.view, source)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps a method's scores to the probability that a class is the image's label: logistic in the score's logit.

    References
    ----------
    Platt, J. (1999). Probabilistic outputs for support vector machines and comparisons to regularized likelihood
    methods. Advances in Large Margin Classifiers, 61-74.
    """

    slope: float = 1.0
    intercept: float = 0.0

    def apply(self, score: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return calibrated scores in (0, 1); NaN stays NaN."""
        found: npt.NDArray[np.float32] = expit(self.slope * logit(score) + self.intercept)
        return found


def calibrate(candidates: Candidates, original: npt.NDArray[np.integer]) -> Calibration:
    """Fit a method's calibration on the images' original labels.

    An image's other labels count as absent, for every method alike: the result makes methods comparable, but is too low
    as a probability that a class applies.

    Parameters
    ----------
    candidates
        The method's candidates.
    original
        (n_images,) class indices; -1 for an image without an original label.

    Returns
    -------
    Calibration
        One that changes nothing if too few images have labels or the scores say nothing about them.
    """
    has_label = original >= 0
    if np.count_nonzero(has_label) < _LEAST_LABELLED:
        return Calibration()
    classes = candidates.class_index[has_label]
    is_named = classes >= 0
    x = logit(candidates.score[has_label])[is_named].astype(np.float64)
    y = (classes == original[has_label][:, None])[is_named]
    if y.all() or not y.any():
        return Calibration()
    slope, intercept = fit_logistic(x[:, None], y, _PENALTY)
    return Calibration(float(slope), float(intercept)) if slope > 0 else Calibration()


def merge_candidates(
    methods: Sequence[Candidates], n_proposals: int, merge: Literal["score", "rank"], original: npt.NDArray[np.integer]
) -> MergedProposals:
    """Merge the candidates of several methods; with a single method that has scores, its top ones are kept as they are.

    Parameters
    ----------
    methods
        Candidates of the same images, at least one.
    n_proposals
        How many proposals are kept.
    merge
        ``score``: each class gets the greatest of its calibrated scores; ``rank``: by reciprocal rank.
    original
        (n_images,) original labels, on which scores are calibrated; -1 where there is none.
    """
    if len(methods) == 1 and methods[0].has_scores:
        only, k = methods[0], n_proposals
        source = np.where(only.class_index[:, :k] >= 0, 0, -1).astype(np.int16)
        return MergedProposals(only.class_index[:, :k], only.score[:, :k], only.view[:, :k], source)
    if merge == "rank":
        return _by_rank(methods, n_proposals)
    return _by_score(methods, n_proposals, original)


def _by_score(methods: Sequence[Candidates], n_proposals: int, original: npt.NDArray[np.integer]) -> MergedProposals:
    scores = [calibrate(method, original).apply(method.score) for method in methods]
    classes = np.concatenate([method.class_index for method in methods], axis=1)
    score = np.concatenate(scores, axis=1)
    view = np.concatenate([method.view for method in methods], axis=1)
    source = np.repeat(np.arange(len(methods), dtype=np.int16), [method.class_index.shape[1] for method in methods])
    n_images = len(classes)
    image = np.repeat(np.arange(n_images), classes.shape[1])
    column = np.tile(np.arange(classes.shape[1]), n_images)
    flat_class, flat_score = classes.ravel(), score.ravel()
    # Sort by image and class, the greatest score first and, in a tie, the first method; then keep the first per class.
    order = np.lexsort((column, -flat_score, flat_class, image))
    order = order[flat_class[order] >= 0]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (image[order][1:] != image[order][:-1]) | (flat_class[order][1:] != flat_class[order][:-1])
    kept = order[is_first]
    kept = kept[np.lexsort((flat_class[kept], -flat_score[kept], image[kept]))]
    place = np.arange(len(kept)) - np.searchsorted(image[kept], image[kept])
    kept, place = kept[place < n_proposals], place[place < n_proposals]
    found = no_proposals(n_images, n_proposals)
    at = (image[kept], place)
    found.class_index[at], found.score[at] = flat_class[kept], flat_score[kept]
    found.view[at], found.source[at] = view.ravel()[kept], source[column[kept]]
    return found


def _by_rank(methods: Sequence[Candidates], n_proposals: int) -> MergedProposals:
    names = [str(number) for number in range(len(methods))]
    fused = merge_proposals_by_rank(
        dict(zip(names, (method.class_index for method in methods), strict=True)), n_proposals
    )
    view = np.zeros(fused.class_index.shape, dtype=np.int8)
    for number, method in enumerate(methods):
        rows, places = np.nonzero(fused.source == number)
        is_it = method.class_index[rows] == fused.class_index[rows, places][:, None]
        view[rows, places] = method.view[rows, is_it.argmax(axis=1)]
    score = np.where(fused.class_index >= 0, fused.score, np.nan).astype(np.float32)
    return MergedProposals(fused.class_index, score, view, fused.source)


def logit(score: npt.NDArray[_Float]) -> npt.NDArray[_Float]:
    """Return the logit of probabilities; 0 and 1 are taken to be a little off, NaN stays NaN."""
    found: npt.NDArray[_Float] = special_logit(np.clip(score, _LEAST, 1 - _LEAST))
    return found
