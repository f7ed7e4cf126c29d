"""Votes for the budget study: a project's, a file's, or those of simulated annotators."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.budget import Record, projected, record_of
from pipeline.consensus.evidence import EVIDENCE_KINDS, Evidence
from pipeline.consensus.simulated_record import simulated_record
from pipeline.errors import DatasetError
from pipeline.formats.model_evidence import read_model_evidence
from pipeline.formats.real_votes import read_final_labels
from pipeline.formats.votes_in import read_votes
from pipeline.project.folder import open_project
from pipeline.project.label_space import load_label_space
from pipeline.project.wording import so_many
from pipeline.stages.consensus_of_project import models_evidence, original_answers
from pipeline.stages.votes_of_project import nothing_decided, read_project_votes
from pipeline.store import open_project_store
from pipeline.votes.arrays import VoteArrays

#: With fewer votes than these on each question, a projection says what more would buy.
_ENOUGH = 4


@dataclass(frozen=True, eq=False)
class BudgetVotes:
    """What the budget study replays.

    Attributes
    ----------
    record
        The votes on record.
    projection
        Votes as they would come if annotators went on as they did; ``None`` where enough are on record.
    told
        What these are, in words.
    """

    record: Record
    projection: Record | None
    told: str


@dataclass(frozen=True, eq=False)
class _Found:
    votes: VoteArrays
    original: NDArray[np.int8] | None = None
    evidence: Evidence | None = None
    truth: NDArray[np.bool_] | None = None


def read_record(
    *,
    project: str = "",
    votes: str = "",
    images: str = "",
    predictions: str = "",
    final_labels: str = "",
    classes: str = "imagenet-1k",
    seed: int = 0,
) -> BudgetVotes:
    """Return the votes to replay.

    Parameters
    ----------
    project
        A project's folder: the votes of its annotation round; its predictions are evidence.
    votes
        In place of a project: a file of votes. With neither, votes are simulated.
    images, predictions, classes
        For a file of votes: manifest, models' predictions and label space, as `mlf aggregate` takes them.
    final_labels
        For a file of votes: published labels (`real.json`) to score against, in place of a vote held back.
    seed
        Seed of the choice of votes held back, or of the simulation.

    Raises
    ------
    DatasetError, ProjectError
        If both a project and votes are given, something cannot be read, or there are too few votes.
    """
    if project and votes:
        raise DatasetError(f"project {project!r} and votes {votes!r} are both given; replay one of them")
    if not votes and (images or predictions or final_labels):
        raise DatasetError("images, predictions and final_labels go along with a file of votes; give votes")
    if project:
        found, source = _of_project(project), f"the project {project}"
    elif votes:
        found, source = _of_file(votes, images, predictions, final_labels, classes), votes
    else:
        drawn, truth, evidence = simulated_record(seed=seed)
        found, source = _Found(drawn, None, evidence, truth), "SIMULATED annotators and models, no people"
    record = record_of(found.votes, found.truth, original=found.original, evidence=found.evidence, seed=seed)
    projection = None
    if record.n_each < _ENOUGH:
        projection = projected(found.votes, original=found.original, evidence=found.evidence, seed=seed)
    n_images = len(np.unique(record.votes.item_image))
    scored = "a vote held back on each question" if found.truth is None else "the true labels"
    models = "" if record.evidence is None else f"; evidence comes from {so_many(len(record.evidence.models), 'model')}"
    told = (
        f"{so_many(record.votes.n_votes, 'vote')}, {record.n_each} on each of "
        f"{so_many(record.votes.n_items, 'question')} about "
        f"{so_many(n_images, 'image')}, from {source}; labels are scored by {scored}{models}."
    )
    if projection is not None:
        told += (
            f" PROJECTED to {projection.n_each} votes on each: drawn from what these votes tell about "
            "annotators. Mistakes that all make alike do not show in so few, so it is hopeful."
        )
    return BudgetVotes(record, projection, told)


def _of_project(folder: str) -> _Found:
    project = open_project(Path(folder))
    with open_project_store(project) as store:
        votes = read_project_votes(project, store)
    found = votes.annotation
    if found.n_items == 0:
        raise nothing_decided(project, "replay", votes.left_out)
    has_models = any(project.predictions_dir.glob("*.parquet"))
    evidence = models_evidence(project, found) if has_models else None
    return _Found(found, original_answers(project, found), evidence)


def _of_file(votes: str, images: str, predictions: str, final_labels: str, classes: str) -> _Found:
    found = read_votes(Path(votes))
    original, evidence = None, None
    if images:
        paired = read_model_evidence(
            Path(images),
            Path(predictions) if predictions else None,
            found,
            load_label_space(classes),
            kinds=EVIDENCE_KINDS,
        )
        original, evidence = paired.original, paired.evidence
    elif predictions:
        raise DatasetError(f"{predictions}: its rows need the names of their images; give the manifest with images")
    truth = read_final_labels(Path(final_labels), found) if final_labels else None
    return _Found(found, original, evidence, truth)
