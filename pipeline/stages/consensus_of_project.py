"""How a project's votes become labels: its aim, its evidence and whose votes count, as set in `mlf.toml`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.consensus import Aim, Consensus, Evidence, reach_consensus
from pipeline.consensus.evidence import ModelRanking, ModelSupport
from pipeline.consensus.known import UNKNOWN
from pipeline.consensus.refined import settle_items
from pipeline.consensus.value_of_refining import chance_of_error
from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.predictions import read_model_predictions
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table, original_labels
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import Method


def with_consensus(
    project: Project, *, aim: str = "", evidence: str = "", models_left_out: str = "", annotators_left_out: str = ""
) -> Project:
    """Return the project with some of its consensus settings replaced for this run; empty text keeps a setting.

    Parameters
    ----------
    project
        An open project.
    aim
        As :meth:`pipeline.consensus.Aim.parse` reads it.
    evidence
        ``votes`` or ``models``.
    models_left_out, annotators_left_out
        Names, separated by commas.

    Raises
    ------
    ProjectError
        If a value is not known.
    """
    if evidence not in ("", "votes", "models"):
        raise ProjectError(f"evidence {evidence!r}: say votes or models")
    words = {"aim": aim, "evidence": evidence}
    names = {"models_left_out": models_left_out, "annotators_left_out": annotators_left_out}
    changed: dict[str, object] = {name: value for name, value in words.items() if value}
    changed |= {
        name: [one.strip() for one in value.split(",") if one.strip()] for name, value in names.items() if value.strip()
    }
    changed_project = replace(project, settings=project.settings.with_changes("consensus", **changed))
    project_aim(changed_project)
    return changed_project


def project_aim(project: Project) -> Aim:
    """Return what the project's labels should be best at.

    Raises
    ------
    ProjectError
        If `mlf.toml` names an aim that does not exist.
    """
    try:
        return Aim.parse(project.settings.consensus.aim)
    except DatasetError as error:
        raise ProjectError(f"{project.root}: [consensus] aim: {error}") from error


def project_consensus(
    project: Project, votes: VoteArrays, gold: NDArray[np.int8] | None = None, evidence: Evidence | None = None
) -> Consensus:
    """Return the consensus of some of a project's votes, together with the original labels and the evidence.

    Parameters
    ----------
    project
        An open project.
    votes
        Its votes, with images and classes named by index.
    gold
        Known answers of the items; no vote overrides them.
    evidence
        Evidence on the items, where the caller has it. Where left out, it is read from the project's predictions if the
        settings ask for it.
    """
    return reach_consensus(
        votes,
        Method.DAWID_SKENE,
        gold=gold,
        original=original_answers(project, votes),
        evidence=evidence or project_evidence(project, votes),
        aim=project_aim(project),
    )


def annotation_doubt(project: Project, votes: VoteArrays) -> NDArray[np.float64]:
    """Return the chance that each item's label is wrong if only the annotation round settles it."""
    consensus = project_consensus(project, votes)
    label, _ = settle_items(votes.item_counts(), consensus)
    return chance_of_error(label, consensus.posterior)


def project_evidence(project: Project, votes: VoteArrays) -> Evidence | None:
    """Return what the project's models say about each item; ``None`` where only votes count.

    Raises
    ------
    ProjectError
        If there are no predictions, every model is left out, or a model to leave out does not exist.
    """
    if project.settings.consensus.evidence == "votes":
        return None
    support = ModelSupport(votes.item_image, votes.item_class)
    for ranking in evidence_models(project):
        support.add(ranking)
    return support.evidence()


def evidence_models(project: Project) -> Iterator[ModelRanking]:
    """Yield the rankings of the models that give evidence, one at a time.

    Raises
    ------
    ProjectError
        As for :func:`project_evidence`.
    """
    paths = {path.stem: path for path in sorted(project.predictions_dir.glob("*.parquet"))}
    left_out = project.settings.consensus.models_left_out
    unknown = [name for name in left_out if name not in paths]
    if unknown:
        raise ProjectError(
            f"{project.root}: no model {unknown[0]!r} to leave out of the evidence; there are predictions of "
            f"{', '.join(paths) or 'none'}"
        )
    used = {name: path for name, path in paths.items() if name not in left_out}
    if not used:
        raise ProjectError(
            f"{project.root}: no model is there to give evidence; add one with `mlf evaluate {project.root} --model "
            "NAME`, or leave fewer out"
        )
    n_images = pq.read_metadata(image_table(project)).num_rows
    for name, path in used.items():
        found = read_model_predictions(path)
        if len(found.class_index) != n_images:
            raise ProjectError(
                f"{path}: has {len(found.class_index):,} rows for {n_images:,} images; run the model again"
            )
        yield ModelRanking(name, found.class_index, found.score)


def original_answers(project: Project, votes: VoteArrays) -> NDArray[np.int8] | None:
    """Return each item's original label: 1 this class, 0 another class, -1 none; None where no image has one."""
    labels = original_labels(project)
    if not (labels >= 0).any():
        return None
    of_item = labels[votes.item_image]
    answers: NDArray[np.int8] = (of_item == votes.item_class).astype(np.int8)
    answers[of_item < 0] = UNKNOWN
    return answers


def gold_answers(votes: VoteArrays, gold: dict[int, frozenset[int]]) -> NDArray[np.int8]:
    """Return what is known about each item beforehand: 1 applies, 0 does not apply, -1 unknown."""
    answers = np.full(votes.n_items, UNKNOWN, dtype=np.int8)
    for image, classes in gold.items():
        start, stop = np.searchsorted(votes.item_image, np.array([image, image + 1], dtype=votes.item_image.dtype))
        answers[start:stop] = np.isin(votes.item_class[start:stop], list(classes))
    return answers
