"""A finished demo project compared with the truth: who found how many of the labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.consensus import majority
from pipeline.consensus.remaining_errors import RemainingErrors
from pipeline.evaluation.label_scores import LabelScore, LabelSetsByImage, score_label_sets
from pipeline.evaluation.shares import Share
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.wording import so_many
from pipeline.stages.consensus_of_project import with_consensus
from pipeline.stages.settle import settled_labels
from pipeline.stages.votes_of_project import read_project_votes
from pipeline.store import open_project_store
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import YES


@dataclass(frozen=True)
class AgainstTruth:
    """The headline of the demo.

    Parameters
    ----------
    multi_label_found, multi_label_true
        Share of images with two labels or more, by the refined labels and in truth.
    original, majority, refined
        How good the original labels, the majority of the annotators and the refined labels are.
    annotators
        How good each annotator is alone, over the images that they labelled.
    with_models
        How good the refined labels are with models as evidence beside the votes.
    n_wrong_left, remaining
        Wrong labels, including missing ones, on the images that were not refined; and how many were expected.
    """

    multi_label_found: Share
    multi_label_true: Share
    original: LabelScore
    annotators: dict[str, LabelScore]
    majority: LabelScore
    refined: LabelScore
    with_models: LabelScore
    n_wrong_left: int
    remaining: RemainingErrors

    def lines(self) -> list[str]:
        """Return the figures in words, line by line."""
        rows = [
            ("original label", self.original),
            *((f"{name} (simulated)", score) for name, score in self.annotators.items()),
            ("majority of both", self.majority),
            ("refined labels", self.refined),
            ("with models as evidence", self.with_models),
        ]
        width = max(len(name) for name, _ in rows)
        return [
            f"Multi-label images: {self.multi_label_found} found, {self.multi_label_true} in truth",
            f"{'':<{width}}  precision        recall           F1      images",
            *(f"{name:<{width}}  {_row(score)}" for name, score in rows),
            (
                f"Wrong labels on the {so_many(self.remaining.n_images, 'image')} not refined: {self.n_wrong_left:,} "
                f"in truth, {self.remaining.expected:,.1f} expected ({self.remaining.range_in_words})"
            ),
        ]


def hold_against_truth(project: Project, truth: LabelSetsByImage) -> AgainstTruth:
    """Return how good everyone's labels and the refined labels are.

    Parameters
    ----------
    project
        A project whose labels have been settled.
    truth
        From image index to the true classes.
    """
    settled = settled_labels(project)
    with_models = settled_labels(with_consensus(project, evidence="models"))
    with open_project_store(project) as store:
        votes, sittings = read_project_votes(project, store).annotation, settled.votes.sittings
    images = sorted(set(sittings["image"].tolist()))
    refined = _of_images(refined_label_sets(project), images)
    labels = image_columns(project, ["original_label"]).column(0).to_pylist()
    original = {image: frozenset([labels[image]] if labels[image] is not None else []) for image in images}
    alone = {}
    for name, own in sittings.groupby("annotator", observed=True):
        ticked = votes.item[(votes.vote == YES) & (votes.annotators[votes.annotator] == name)]
        alone[str(name)] = kept_labels(votes, ticked, own["image"].tolist())
    of_most = kept_labels(votes, np.flatnonzero(majority(votes) > 0.5), images)
    left = set(images) - set(settled.votes.refinement_sittings["image"].tolist())
    return AgainstTruth(
        multi_label_found=multi_label(refined),
        multi_label_true=multi_label({image: truth[image] for image in refined}),
        original=score_label_sets(original, truth),
        annotators={name: score_label_sets(sets, truth) for name, sets in alone.items()},
        majority=score_label_sets(of_most, truth),
        refined=score_label_sets(refined, truth),
        with_models=score_label_sets(_of_images(_label_sets(with_models.labels), refined), truth),
        n_wrong_left=sum(len(refined[image] ^ truth[image]) for image in left),
        remaining=settled.remaining,
    )


def multi_label(labels: LabelSetsByImage) -> Share:
    """Return the share of images with two labels or more."""
    return Share(sum(len(of_image) > 1 for of_image in labels.values()), len(labels))


def kept_labels(votes: VoteArrays, items: NDArray[Any], images: Iterable[int]) -> dict[int, frozenset[int]]:
    """Return the classes of these images that some items stand for, where images and classes are named by index."""
    found: dict[int, set[int]] = {image: set() for image in images}
    of_items = (votes.images[votes.item_image[items]], votes.classes[votes.item_class[items]])
    for image, class_index in zip(*(column.tolist() for column in of_items), strict=True):
        found[image].add(class_index)
    return {image: frozenset(labels) for image, labels in found.items()}


def refined_label_sets(project: Project) -> dict[int, frozenset[int]]:
    """Return each image's refined labels by image index, empty sets included."""
    return _label_sets(pq.read_table(project.require(project.refined_labels_path, "mlf settle")))


def _label_sets(labels: pa.Table) -> dict[int, frozenset[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    columns = (labels.column(name).to_pylist() for name in ("image_index", "class_index"))
    for image_index, class_index in zip(*columns, strict=True):
        found[image_index].update([] if class_index is None else [class_index])
    return {image: frozenset(labels) for image, labels in found.items()}


def _of_images(sets: dict[int, frozenset[int]], images: Iterable[int]) -> dict[int, frozenset[int]]:
    return {image: sets[image] for image in images}


def _row(score: LabelScore) -> str:
    f1 = "undefined" if score.f1 is None else f"{score.f1:.3f}"
    return f"{_short(score.precision):<15}  {_short(score.recall):<15}  {f1:<6}  {score.n:,}"


def _short(share: Share) -> str:
    return "undefined" if share.value is None else f"{share.value:.1%} of {share.n:,}"
