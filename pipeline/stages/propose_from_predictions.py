"""Proposals from models that were run elsewhere: their rankings, merged by rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tqdm.auto import tqdm

from pipeline.datasets.folder_order import as_folder_order
from pipeline.datasets.records import SkippedRow, SourceRows, read_source_rows
from pipeline.errors import DatasetError
from pipeline.examples.pack import pack_examples
from pipeline.formats.predictions_npz import read_predictions, refuse_shifted
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.filling import read_run_settings
from pipeline.inference.predictions import predictions_path, sha256_of, write_predictions
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table, original_labels
from pipeline.project.list_columns import lists_from_padded
from pipeline.project.tables import PROPOSALS, PROPOSALS_ROW_GROUP
from pipeline.proposals.fusion import FusedProposals, merge_proposals_by_rank
from pipeline.proposals.writer import discard_proposals, has_proposals, write_proposals
from pipeline.stages.chance_level import tell_of_chance_level
from pipeline.stages.prediction_order import reordering
from pipeline.stages.propose_summary import ProposeSummary, record_skipped


def propose_from_predictions(
    project: Project, npz_path: str | Path, *, order: str | None = None, restart: bool = False
) -> ProposeSummary:
    """Make a project's proposals from rankings in a file, and keep each model's for evaluation.

    Parameters
    ----------
    project
        An initialised project; its images need no files.
    npz_path
        One integer array (rows, k) of class indices per model, the best first. The rows are those of the manifest that
        the project was made from, in its order, including the skipped ones.
    order
        The order of the file's classes and rows where the project was made from a folder: ``natural`` or
        ``torchvision`` (:mod:`pipeline.datasets.folder_order`).
    restart
        Replace proposals that were made in another way.

    Raises
    ------
    DatasetError
        If the file cannot be read, an array does not fit the manifest or the label space, or no order is given although
        the folder that the project was made from has two customary ones.
    ProjectError
        If the project has proposals that were made in another way.
    """
    path = Path(npz_path)
    if not path.is_file():
        raise DatasetError(f"{path}: no such file of predictions")
    images_path = image_table(project)
    origin = _origin(path, images_path, order)
    n_proposals = project.settings.proposals.n_proposals
    settings = {**origin, "n_proposals": n_proposals}
    # Read the file first: one that does not fit must leave the project as it is.
    rankings = _rankings(project, path, read_source_rows(images_path), order)
    if restart:
        discard_proposals(project)
    is_done = has_proposals(project, settings)
    _keep(project, rankings, origin)
    tell_of_chance_level(project, list(rankings))
    fused = merge_proposals_by_rank(rankings, n_proposals)
    if not is_done:
        write_proposals(project, _groups(fused), fused.models, settings)
    record_skipped(project, ())
    n_images = len(fused.class_index)
    skipped: tuple[SkippedRow, ...] = ()
    notes = []
    if fused.n_images_padded:
        notes.append(f"the models name fewer than {n_proposals} classes for {fused.n_images_padded:,} images")
    return ProposeSummary(
        models=fused.models,
        n_images=n_images,
        n_with_proposals=int((fused.class_index[:, :1] >= 0).sum()),
        n_done_before=n_images if is_done else 0,
        skipped=skipped,
        examples=None if project.examples_path.exists() else pack_examples(project),
        notes=tuple(notes),
    )


def keep_predictions(project: Project, npz_path: str | Path, order: str | None = None) -> list[str]:
    """Keep each model's rankings from a file for evaluation, without making proposals. Return the models' names.

    Raises
    ------
    DatasetError
        If the file cannot be read, or an array does not fit the manifest or the label space.
    """
    path = Path(npz_path)
    if not path.is_file():
        raise DatasetError(f"{path}: no such file of predictions")
    images_path = image_table(project)
    rankings = _rankings(project, path, read_source_rows(images_path), order)
    origin = _origin(path, images_path, order)
    _keep(project, rankings, origin)
    return list(rankings)


def _origin(path: Path, images_path: Path, order: str | None) -> dict[str, Any]:
    origin = {"source": "predictions", "file_sha256": sha256_of(path), "images_sha256": sha256_of(images_path)}
    return origin | ({"order": order} if order else {})


def _rankings(
    project: Project, path: Path, rows: SourceRows, order: str | None
) -> dict[str, npt.NDArray[np.integer[Any]]]:
    """Return the rankings of those manifest rows that became images, under names that are safe as file names."""
    given = None if order is None else as_folder_order(order)
    reordered = reordering(project, rows, given, path)
    image_list = f"the list that {project.root} was made from"
    if rows.skipped:
        image_list += (
            f" ({rows.n_rows - len(rows.skipped):,} became images, {len(rows.skipped):,} were skipped, as "
            f"{project.skipped_path.name} tells: they need their row, too)"
        )
    rankings = read_predictions(path, rows.n_rows, len(project.label_space), image_list)
    rankings = {model: reordered(ranking) for model, ranking in rankings.items()}
    original = original_labels(project)
    is_image = np.delete(np.arange(rows.n_rows), list(rows.skipped))
    has_label = original >= 0
    refuse_shifted(rankings, is_image[has_label], original[has_label], project.label_space, str(path))
    skipped = list(rows.skipped)
    named = {ModelSource(name=model).label: np.delete(ranking, skipped, axis=0) for model, ranking in rankings.items()}
    if len(named) != len(rankings):
        raise DatasetError(f"two of the models {', '.join(rankings)} would share a file name; rename one")
    return named


def _keep(project: Project, rankings: Mapping[str, npt.NDArray[np.integer[Any]]], origin: dict[str, Any]) -> None:
    for model, ranking in tqdm(rankings.items(), desc="predictions", unit=" models"):
        path = predictions_path(project, model)
        settings = {**origin, "model": model}
        if not path.exists() or read_run_settings(path) != settings:
            write_predictions(project, model, ranking, settings)


def _groups(fused: FusedProposals) -> Iterator[pa.Table]:
    n_images = len(fused.class_index)
    for first in range(0, n_images, PROPOSALS_ROW_GROUP):
        rows = slice(first, min(first + PROPOSALS_ROW_GROUP, n_images))
        is_named = fused.class_index[rows] >= 0
        columns = [pa.array(np.arange(rows.start, rows.stop, dtype=np.int32))]
        columns += [
            lists_from_padded(values[rows], is_named) for values in (fused.class_index, fused.score, fused.source)
        ]
        yield pa.table(columns, schema=PROPOSALS)
