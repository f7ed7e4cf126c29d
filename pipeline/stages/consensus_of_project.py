"""How a project's votes become labels: its aim, its evidence and whose votes count, as set in `mlf.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.consensus import Aim, Consensus, Evidence, reach_consensus
from pipeline.consensus.evidence import ModelRanking, ModelSupport, original_evidence
from pipeline.consensus.known import UNKNOWN, original_of_pairs
from pipeline.consensus.refined import settle_items
from pipeline.consensus.value_of_refining import chance_of_error
from pipeline.errors import ProjectError
from pipeline.inference.predictions import Predictions, iter_model_predictions, n_ranked
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table, original_labels
from pipeline.project.wording import so_many
from pipeline.stages.votes_of_project import unknown_names
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import Method

#: How many images' rankings by all models are in memory together.
_IMAGES_AT_ONCE = 8_192


def with_consensus(
    project: Project, *, aim: str = "", evidence: str = "", models_left_out: str = "", annotators_left_out: str = ""
) -> Project:
    """Return the project with some of its consensus settings replaced for this run; empty text keeps a setting.

    Parameters
    ----------
    aim
        As :meth:`pipeline.consensus.Aim.parse` reads it.
    evidence
        ``votes`` or ``models``.
    models_left_out, annotators_left_out
        Names, separated by commas.

    Raises
    ------
    DatasetError, ProjectError
        If a value is not known.
    """
    if evidence not in ("", "votes", "models"):
        raise ProjectError(f"evidence {evidence!r}: say --evidence votes or --evidence models")
    words = {"aim": aim, "evidence": evidence}
    names = {"models_left_out": models_left_out, "annotators_left_out": annotators_left_out}
    changed: dict[str, object] = {name: value for name, value in words.items() if value}
    changed |= {
        name: [one.strip() for one in value.split(",") if one.strip()] for name, value in names.items() if value.strip()
    }
    if aim:
        Aim.parse(aim)
    return replace(project, settings=project.settings.with_changes("consensus", **changed))


def project_consensus(project: Project, votes: VoteArrays, gold: NDArray[np.int8] | None = None) -> Consensus:
    """Return the consensus of some of a project's votes, together with the original labels and the evidence.

    Parameters
    ----------
    votes
        Its votes, with images and classes named by index.
    gold
        Known answers of the items; no vote overrides them.
    """
    original = original_answers(project, votes)
    return reach_consensus(
        votes,
        Method.DAWID_SKENE,
        gold=gold,
        original=original,
        evidence=project_evidence(project, votes, original),
        aim=Aim.parse(project.settings.consensus.aim),
    )


def annotation_doubt(project: Project, votes: VoteArrays) -> NDArray[np.float64]:
    """Return the chance that each item's label is wrong if only the annotation round settles it."""
    consensus = project_consensus(project, votes)
    label, _ = settle_items(votes.item_counts(), consensus)
    return chance_of_error(label, consensus.posterior)


def project_evidence(project: Project, votes: VoteArrays, original: NDArray[np.int8] | None = None) -> Evidence | None:
    """Return what the project's models say about each item; ``None`` where only votes count.

    Parameters
    ----------
    original
        ``(n_items,)``: original labels, which then stand beside the models in one table.

    Raises
    ------
    ProjectError
        If there are no predictions, every model is left out, or a model to leave out does not exist.
    """
    return None if project.settings.consensus.evidence == "votes" else models_evidence(project, votes, original)


def models_evidence(project: Project, votes: VoteArrays, original: NDArray[np.int8] | None = None) -> Evidence:
    """Return what the project's models say about each item, whether the settings ask for it or not.

    The parameters and errors are those of :func:`project_evidence`.
    """
    beside = None if original is None else original_evidence(original)
    found = evidence_on(evidence_models(project), votes.item_image, votes.item_class, beside)
    if found is None:  # a project without images
        raise ProjectError(f"{project.root}: its models rank no image; run them again (`mlf evaluate`)")
    return found


def evidence_on(
    slices: Iterable[tuple[int, list[ModelRanking]]],
    image: NDArray[np.integer],
    class_index: NDArray[np.integer],
    beside: Evidence | None = None,
) -> Evidence | None:
    """Return what models say about pairs; ``None`` where they rank no image.

    Parameters
    ----------
    slices
        From :func:`rankings_together`.
    image, class_index
        ``(n_pairs,)``: the pairs, ascending by image.
    beside
        Evidence on the same pairs, whose columns come first.
    """
    n_beside = 0 if beside is None else len(beside.columns)
    found: Evidence | None = None
    for first, rankings in slices:
        edges = np.array([first, first + len(rankings[0].class_index)], dtype=image.dtype)
        start, stop = np.searchsorted(image, edges)
        support = ModelSupport(image[start:stop] - image.dtype.type(first), class_index[start:stop])
        for ranking in rankings:
            support.add(ranking)
        part = support.evidence()
        if found is None:  # one table from the start: parts that are joined at the end take twice the memory
            columns = (*(beside.columns if beside else ()), *part.columns)
            found = Evidence(columns, np.empty((len(image), len(columns)), dtype=np.float32), part.models)
        found.values[start:stop, n_beside:] = part.values
    if found is not None and beside is not None:
        found.values[:, :n_beside] = beside.values
    return found


def evidence_models(project: Project) -> Iterator[tuple[int, list[ModelRanking]]]:
    """Yield the first of some images, and the rankings of them by every model that gives evidence.

    Raises
    ------
    ProjectError
        As for :func:`project_evidence`.
    """
    paths = {path.stem: path for path in sorted(project.predictions_dir.glob("*.parquet"))}
    left_out = project.settings.consensus.models_left_out
    if strangers := unknown_names(project, ())[1]:
        raise ProjectError(strangers)
    used = {name: path for name, path in paths.items() if name not in left_out}
    if not used:
        raise ProjectError(
            f"{project.root}: no model is there to give evidence; add one with `mlf evaluate {project.root} --model "
            "NAME`, or leave fewer out"
        )
    n_images = pq.read_metadata(image_table(project)).num_rows
    for name, path in used.items():
        n_rows = n_ranked(path)
        if n_rows != n_images:
            raise ProjectError(
                f"{path}: has {so_many(n_rows, 'row')} for {so_many(n_images, 'image')}; run the "
                f"model again (`mlf evaluate PROJECT --model NAME`), or leave it out with --leave-out-model {name}"
            )
    yield from rankings_together(project, used)


def rankings_together(project: Project, paths: Mapping[str, Path]) -> Iterator[tuple[int, list[ModelRanking]]]:
    """Yield the first of some images, and the rankings of them by several models.

    Parameters
    ----------
    paths
        The models' names and tables, which are equally long.
    """
    is_scored = {
        name: any(bool(np.isfinite(some.score).any()) for some in _read(project, path)) for name, path in paths.items()
    }
    first = 0
    for together in zip(*(_read(project, path) for path in paths.values()), strict=True):
        yield (
            first,
            [
                ModelRanking(name, some.class_index, some.score, is_scored[name])
                for name, some in zip(paths, together, strict=True)
            ],
        )
        first += len(together[0].class_index)


def _read(project: Project, path: Path) -> Iterator[Predictions]:
    return iter_model_predictions(path, _IMAGES_AT_ONCE, project.current_classes)


def original_answers(project: Project, votes: VoteArrays) -> NDArray[np.int8] | None:
    """Return each item's original label: 1 this class, 0 another class, -1 none; None where no image has one."""
    labels = original_labels(project)
    if not (labels >= 0).any():
        return None
    return original_of_pairs(labels, votes.item_image, votes.item_class)


def gold_answers(votes: VoteArrays, gold: dict[int, frozenset[int]]) -> NDArray[np.int8]:
    """Return what is known about each item beforehand: 1 applies, 0 does not apply, -1 unknown."""
    answers = np.full(votes.n_items, UNKNOWN, dtype=np.int8)
    for image, classes in gold.items():
        start, stop = np.searchsorted(votes.item_image, np.array([image, image + 1], dtype=votes.item_image.dtype))
        answers[start:stop] = np.isin(votes.item_class[start:stop], list(classes))
    return answers
