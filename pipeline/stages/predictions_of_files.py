"""Models that were run elsewhere, as methods: a file has their rankings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.datasets.folder_order import as_folder_order
from pipeline.datasets.records import SkippedRow, SourceRows, read_source_rows
from pipeline.errors import DatasetError, ProjectError
from pipeline.formats.predictions_npz import read_predictions, refuse_shifted
from pipeline.formats.predictions_tsv import is_predictions_tsv
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.filling import Filling, RunOptions
from pipeline.inference.parts import read_run_settings
from pipeline.inference.predictions import predictions_path, write_predictions
from pipeline.project.files import sha256_of
from pipeline.project.folder import Project
from pipeline.project.image_table import image_table, original_labels
from pipeline.project.notices import tell
from pipeline.proposals.methods.seam import Candidates
from pipeline.stages.listed_predictions import paired_predictions
from pipeline.stages.prediction_order import reordering


class PredictionsMethod:
    """A model that was run elsewhere: what a file says that it ranks highest.

    Parameters
    ----------
    project
        The project whose images are ranked.
    name
        The model's name.
    path
        The file.
    ranking
        (n_images, k) class indices, the best first, padded with -1.
    score
        Probabilities of the same shape; None where the file has ranks alone.
    settings
        Where they come from, as plain JSON.
    notes
        What people should know.
    skipped
        Rows of the file that could not be used.
    """

    def __init__(
        self,
        project: Project,
        name: str,
        path: Path,
        ranking: npt.NDArray[np.integer[Any]],
        score: npt.NDArray[np.float32] | None,
        settings: dict[str, Any],
        notes: tuple[str, ...] = (),
        skipped: tuple[SkippedRow, ...] = (),
    ) -> None:
        self.name, self.path, self.settings, self.notes, self.skipped = name, path, settings, notes, skipped
        self.has_scores = score is not None
        self._project, self._ranking, self._score = project, ranking, score

    def fillings(self) -> list[Filling]:
        """Return no table: nothing has to be run."""
        return []

    def candidates(self, options: RunOptions) -> Candidates:  # noqa: ARG002 - part of the seam; nothing is run
        """Return the rankings of the file; they are kept among the project's predictions."""
        self.keep()
        shape = self._ranking.shape
        score = np.broadcast_to(np.float32(np.nan), shape) if self._score is None else self._score
        view = np.broadcast_to(np.int8(0), shape)
        return Candidates(*self._project.current_classes.rankings(self._ranking, (score, np.nan), (view, 0)))

    def keep(self) -> None:
        """Write the rankings to the project's predictions, for evaluation, unless they are there."""
        path = predictions_path(self._project, self.name)
        if not path.exists() or read_run_settings(path) != self.settings:
            write_predictions(self._project, self.name, self._ranking, self.settings, self._score)


def methods_of_file(project: Project, path: Path, order: str | None = None) -> list[PredictionsMethod]:
    """Return the models whose predictions a file holds; nothing is written.

    Parameters
    ----------
    project
        An initialised project; its images need no files.
    path
        An ``.npz`` with one integer array (rows, k) of class indices per model, the best first, whose rows are those of
        the manifest that the project was made from, in its order, including the skipped ones; or a table of lists
        (:mod:`pipeline.formats.predictions_tsv`), which is one model, called as the file is.
    order
        The order of the file's classes and rows where the project was made from a folder: ``natural`` or
        ``torchvision`` (:mod:`pipeline.datasets.folder_order`).

    Raises
    ------
    DatasetError
        If the file cannot be read, does not fit the manifest or the label space, or if no order is given although the
        folder that the project was made from has two customary ones.
    """
    if not path.is_file():
        raise DatasetError(f"{path}: no such file of predictions")
    images_path = image_table(project)
    if is_predictions_tsv(path):
        if order:
            raise DatasetError(f"{path}: names its images, so its lines may come in any order; leave out --order")
        paired = paired_predictions(project, path)
        name = ModelSource(name=path.name.split(".")[0] or path.name).label
        settings = {**_origin(path, images_path, None), "model": name}
        return [
            PredictionsMethod(
                project, name, path, paired.class_index, paired.score, settings, paired.notes, paired.skipped
            )
        ]
    rankings = _rankings(project, path, read_source_rows(images_path), order)
    origin = _origin(path, images_path, order)
    return [
        PredictionsMethod(project, model, path, ranking, None, {**origin, "model": model})
        for model, ranking in rankings.items()
    ]


def keep_predictions(
    project: Project, path: str | Path, order: str | None = None, *, restart: bool = False
) -> list[str]:
    """Keep each model's rankings from a file for evaluation, without making proposals. Return the models' names.

    Parameters
    ----------
    project, path, order
        As for :func:`methods_of_file`.
    restart
        Replace the rankings of a model of the same name that was run here.

    Raises
    ------
    DatasetError
        As :func:`methods_of_file`.
    ProjectError
        If a model of the same name was run here; nothing is replaced then.
    """
    methods = methods_of_file(project, Path(path), order)
    if not restart:
        refuse_names_of_runs(project, methods)
    for method in methods:
        method.keep()
        for note in method.notes:
            tell(note)
    return [method.name for method in methods]


def refuse_names_of_runs(project: Project, methods: Sequence[PredictionsMethod]) -> None:
    """Raise if a model from a file has the name of one that was run in the project.

    Raise `ProjectError` if so; its rankings would be replaced.
    """
    for method in methods:
        table = predictions_path(project, method.name)
        if table.exists() and read_run_settings(table).get("source") != "predictions":
            raise ProjectError(
                f"{method.path}: its model {method.name!r} has the name of one that was run in {project.root}; rename "
                f"that one (`mlf models PROJECT --rename {method.name} NEW`), or replace it with --restart"
            )


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
