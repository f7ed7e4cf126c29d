"""Which images are worth a vote first: those on which most labels would be wrong if nobody voted again.

For an image with votes, that is the expected number of wrong labels of its consensus. For an image that nobody has
voted on, the votes on others say how often a class of such a rank and score applies; without any votes, the scores of
the proposals are taken for probabilities. All three are on one scale: the expected number of wrong labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.consensus import reach_consensus
from pipeline.consensus.evidence import Evidence, ModelRanking, ModelSupport, original_evidence
from pipeline.consensus.known import original_of_pairs
from pipeline.consensus.prior import predict_prior
from pipeline.consensus.result import Consensus
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.list_columns import pad_lists
from pipeline.proposals.uncertainty import expected_wrong_guesses
from pipeline.stages.votes_of_project import ProjectVotes
from pipeline.votes.arrays import VoteArrays

_IMAGES_AT_ONCE = 16_384


def expected_wrong_labels(project: Project, votes: ProjectVotes) -> NDArray[np.float64]:
    """Return how many labels of each image are expected to be wrong without another vote: ``(n_images,)``.

    Parameters
    ----------
    project
        An open project with proposals, which are read in slices.
    votes
        Its votes; there may be none.

    Raises
    ------
    ProjectError
        If nothing has been proposed yet.
    """
    path = project.require(project.proposals_path, "mlf propose")
    found = votes.annotation
    labels = original_labels(project)
    learnt = None
    if found.n_items:
        support = _support_of_votes(project, found, path)
        learnt = reach_consensus(found, evidence=_evidence(labels, found.item_image, found.item_class, support))
    expected = np.zeros(len(labels))
    first = 0
    for classes, scores in _slices(project, path):
        here = slice(first, first + len(classes))
        if learnt is None:
            expected[here] = expected_wrong_guesses(scores)
        else:
            expected[here] = _by_prior(learnt, found, labels, first, classes, scores)
        first += len(classes)
    if learnt is not None:
        doubt = np.minimum(learnt.posterior, 1 - learnt.posterior)
        voted = np.unique(found.item_image)
        expected[voted] = np.bincount(found.item_image, weights=doubt, minlength=len(labels))[voted]
    return expected


def _by_prior(
    learnt: Consensus,
    votes: VoteArrays,
    labels: NDArray[np.int32],
    first: int,
    classes: NDArray[np.int32],
    scores: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return the expected wrong labels of a slice of images if the prior alone decided about their proposals."""
    row, column = np.nonzero(classes >= 0)
    image, class_index = row + first, classes[row, column]
    support = ModelSupport(row, class_index)
    support.add(ModelRanking("proposals", classes, scores))
    evidence = _evidence(labels, image, class_index, support.evidence())
    if learnt.prior is None or learnt.tempering is None:  # pragma: no cover - the default consensus has both
        return expected_wrong_guesses(scores)
    prior = predict_prior(learnt.prior, votes, learnt.posterior, image, class_index, evidence)
    chance = learnt.tempering.probability(prior, np.zeros(len(prior)))
    doubt = np.minimum(chance, 1 - chance)
    return np.bincount(row, weights=doubt, minlength=len(classes)).astype(np.float64)


def _evidence(
    labels: NDArray[np.int32], image: NDArray[np.integer], class_index: NDArray[np.integer], support: Evidence
) -> Evidence:
    """Put the original label beside what the proposals say, where the data set has original labels."""
    if not (labels >= 0).any():
        return support
    return original_evidence(original_of_pairs(labels, image, class_index)).joined(support)


def _slices(project: Project, path: Path) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """Yield classes and scores of the proposals that are shown, ``(n_images, n_proposals)`` each, image after image.

    Where some scores are missing, none are used: a column of evidence means the same on every image.
    """
    n_shown = project.settings.proposals.n_proposals
    for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(_IMAGES_AT_ONCE, columns=["class_index", "score"]):
        table = pa.Table.from_batches([batch])
        classes = pad_lists(table.column("class_index"), -1, np.dtype(np.int32))[:, :n_shown]
        yield classes, pad_lists(table.column("score"), np.nan, np.dtype(np.float32))[:, :n_shown]


def _support_of_votes(project: Project, votes: VoteArrays, path: Path) -> Evidence:
    parts, first = [], 0
    for classes, scores in _slices(project, path):
        edges = np.array([first, first + len(classes)], dtype=votes.item_image.dtype)
        start, stop = np.searchsorted(votes.item_image, edges)
        support = ModelSupport(votes.item_image[start:stop] - first, votes.item_class[start:stop])
        support.add(ModelRanking("proposals", classes, scores))
        parts.append(support.evidence())
        first += len(classes)
    return Evidence(parts[0].columns, np.concatenate([part.values for part in parts]), ("proposals",))
