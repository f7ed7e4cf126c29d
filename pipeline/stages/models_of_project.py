"""The models whose rankings a project keeps: run more of them, list, rename and remove them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import DatasetError, ProjectError
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.filling import RunOptions, read_failures
from pipeline.inference.many_models import NotRun, RanModels, predict_with_many
from pipeline.inference.parts import read_run_settings, settings_of_parts, write_whole
from pipeline.inference.precision import RunPrecision, precision_in, read_precision
from pipeline.inference.predictions import predictions_path
from pipeline.project.folder import Project
from pipeline.project.names import did_you_mean
from pipeline.project.tables import PREDICTIONS, PROPOSALS_ROW_GROUP
from pipeline.stages.model_list import ModelList, read_model_list
from pipeline.stages.predictions_of_files import keep_predictions

_FORMER_NAMES = b"former_names"
_UNFINISHED = ".partial"


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A model with rankings in a project.

    Parameters
    ----------
    name
        What tables and reports call it.
    made_by
        ``run`` here, or read from a file of ``predictions``; ``unknown`` where a damaged file does not say.
    n_images
        Images that it has ranked; those that cannot be decoded are not among them.
    n_skipped
        Images that it could not rank.
    is_complete
        Whether its run came to an end; one that did not is taken up again by the same command.
    former_names
        What it was called before.
    precision
        In which it was computed; None where it was run elsewhere.
    """

    name: str
    made_by: Literal["run", "predictions", "unknown"]
    n_images: int
    n_skipped: int
    is_complete: bool
    former_names: tuple[str, ...] = ()
    precision: RunPrecision | None = None


def add_predictions(
    project: Project,
    model: str | None = None,
    checkpoint: str | None = None,
    predictions: str | None = None,
    *,
    models: str | None = None,
    order: str | None = None,
    options: RunOptions | None = None,
    allow_missing_classes: bool = False,
) -> RanModels:
    """Add models' rankings to the project, so that they are evaluated like the others.

    A model of a list that cannot be run, and a file of predictions that cannot be read, is named in the result; the
    others are run all the same.

    Parameters
    ----------
    model
        A name that `timm` knows; with a checkpoint, the checkpoint's architecture.
    checkpoint
        Weights on this machine.
    predictions
        An ``.npz`` of models that were run elsewhere, with rows in the order of the manifest.
    models
        A text file that lists any number of these (:func:`pipeline.stages.model_list.read_model_list`).
    order
        As for :func:`pipeline.stages.predictions_of_files.methods_of_file`.
    options
        How models are run; `restart` throws away what an earlier run of the same models left.
    allow_missing_classes
        As for :func:`pipeline.inference.predictions.predict`.

    Raises
    ------
    DatasetError
        If the list cannot be read, or not one of the models can be run or read.
    ProjectError
        If that is because an earlier run of the only model used other settings.
    """
    how = options or RunOptions()
    listed = read_model_list(Path(models)) if models else ModelList()
    sources = list(listed.sources)
    if model or checkpoint:
        sources.append(ModelSource(model, Path(checkpoint) if checkpoint else None))
    files = [*listed.predictions, *([Path(predictions)] if predictions else [])]
    if how.restart and not (sources or files):
        raise ProjectError("nothing to start again: name models with --models, --model, --checkpoint or --predictions")
    names: list[str] = []
    not_run: list[NotRun] = []
    errors: list[DatasetError | ProjectError] = []
    for path in files:
        try:
            names += keep_predictions(project, path, order, restart=how.restart)
        except (DatasetError, ProjectError) as error:
            not_run.append(NotRun(path.name, str(error)))
            errors.append(error)
    if sources:
        try:
            ran = predict_with_many(project, sources, how, allow_missing_classes=allow_missing_classes)
            names += ran.names
            not_run += ran.not_run
        except (DatasetError, ProjectError) as error:
            if len(sources) + len(files) == 1:
                raise
            not_run += [NotRun(source.label, str(error)) for source in sources]
            errors.append(error)
    if errors and not names:
        raise errors[0]
    return RanModels(tuple(names), tuple(not_run))


def list_models(project: Project) -> list[KeptModel]:
    """Return every model that has left something in the project's `predictions/`, by name."""
    complete = {path.stem: _complete(path) for path in project.predictions_dir.glob("*.parquet")}
    begun = {
        path.name.removesuffix(_UNFINISHED): path
        for path in project.predictions_dir.glob(f"*{_UNFINISHED}")
        if path.name.removesuffix(_UNFINISHED) not in complete
    }
    found = complete | {name: _begun(name, path) for name, path in begun.items()}
    return [found[name] for name in sorted(found)]


def rename_model(project: Project, name: str, new_name: str) -> KeptModel:
    """Give a model another name; the file remembers the former one, so that what it gave evidence for is still known.

    Raise `ProjectError` if there is no such model, its run is not complete, or the new name is taken or no name.
    """
    _require(project, name)
    path = predictions_path(project, name)
    if not path.exists():
        raise ProjectError(
            f"{name}: its run is not complete; give the command that began it again, or "
            f"remove it: `mlf models PROJECT --remove {name}`"
        )
    if ModelSource(name=new_name).label != new_name:
        raise ProjectError(f"{new_name!r} cannot be a model's name: letters, digits and . _ + - make one")
    target = predictions_path(project, new_name)
    if target.exists() or target.with_suffix(_UNFINISHED).exists():
        raise ProjectError(
            f"{project.root} has a model {new_name!r} already; choose another name, or remove that "
            f"one first: `mlf models PROJECT --remove {new_name}`"
        )
    table = pq.read_table(path)
    metadata: Mapping[bytes, bytes] = table.schema.metadata or {}
    former = [*former_names(path), name]
    kept = {**metadata, b"model": new_name.encode(), _FORMER_NAMES: json.dumps(former).encode()}
    write_whole(table.replace_schema_metadata(kept), target, row_group_size=PROPOSALS_ROW_GROUP)
    path.unlink()
    return _complete(target)


def remove_models(project: Project, names: Sequence[str]) -> None:
    """Remove the rankings of models, and what is left of runs that did not end.

    Raise `ProjectError` if there is no such model; nothing is removed then.
    """
    for name in names:
        _require(project, name)
    for name in names:
        path = predictions_path(project, name)
        path.unlink(missing_ok=True)
        if path.with_suffix(_UNFINISHED).is_dir():
            shutil.rmtree(path.with_suffix(_UNFINISHED))


def former_names(path: Path) -> tuple[str, ...]:
    """Return what the model of a table of predictions was called before."""
    metadata = pq.read_metadata(path).metadata or {}
    return tuple(json.loads(metadata.get(_FORMER_NAMES, b"[]")))


def _require(project: Project, name: str) -> None:
    known = [model.name for model in list_models(project)]
    if name not in known:
        hint = did_you_mean(name, known, f"there are {', '.join(known) or 'none'}")
        raise ProjectError(f"{project.root} has no model {name!r}; {hint}")


def _complete(path: Path) -> KeptModel:
    try:
        settings: dict[str, Any] = read_run_settings(path)
        n_skipped = len(read_failures(path))
        n_rows = pq.read_metadata(path).num_rows
        if pq.read_schema(path).names != PREDICTIONS.names:
            return KeptModel(path.stem, "unknown", 0, 0, False)
        made_by: Literal["run", "predictions"] = "predictions" if settings.get("source") == "predictions" else "run"
        return KeptModel(
            path.stem, made_by, n_rows - n_skipped, n_skipped, True, former_names(path), read_precision(path)
        )
    except (OSError, pa.ArrowException, ValueError):
        return KeptModel(path.stem, "unknown", 0, 0, False)


def _begun(name: str, folder: Path) -> KeptModel:
    settings = settings_of_parts(folder)
    precision = None if settings is None else precision_in(settings)
    return KeptModel(name, "run", _n_rows(folder), 0, False, precision=RunPrecision(precision) if precision else None)


def _n_rows(folder: Path) -> int:
    n_rows = 0
    for part in folder.glob("part-*.parquet"):
        try:
            n_rows += pq.read_metadata(part).num_rows
        except (OSError, pa.ArrowException):
            continue
    return n_rows
