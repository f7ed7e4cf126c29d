"""Stage 1: methods rank each image's classes, their candidates are merged, and the topmost become its proposals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import ProjectError
from pipeline.examples.pack import pack_examples
from pipeline.inference.filling import RunOptions, fill_tables, read_failures
from pipeline.inference.offline import best_at_hand
from pipeline.inference.predictions import TOP_K, predictions_path
from pipeline.project.folder import Project
from pipeline.project.list_columns import lists_from_padded
from pipeline.project.tables import PROPOSALS, PROPOSALS_ROW_GROUP, PROPOSALS_WITH_VIEWS
from pipeline.proposals.merging import Merge, merge_candidates
from pipeline.proposals.methods.examples import LearnFrom
from pipeline.proposals.methods.registry import (
    MethodOptions,
    Request,
    prepare,
    recommended_views,
    requests_of_models,
)
from pipeline.proposals.methods.seam import Method
from pipeline.proposals.writer import (
    has_proposals,
    proposals_begun_anew,
    refuse_other_proposals,
    write_proposals,
)
from pipeline.stages.chance_level import tell_of_chance_level
from pipeline.stages.propose_from_predictions import propose_from_predictions
from pipeline.stages.propose_summary import ProposeSummary, propose_summary, record_skipped

__all__ = ["ProposeSummary", "propose", "propose_from_predictions", "propose_summary"]


def propose(
    project: Project,
    model: str | Sequence[str] | None = None,
    checkpoint: str | Path | Sequence[str | Path] | None = None,
    *,
    from_examples: bool = False,
    learn_from: LearnFrom | None = None,
    methods: Sequence[str] = (),
    views: int | None = None,
    merge: Merge = "score",
    batch_size: int = 64,
    device: str = "auto",
    n_workers: int | None = None,
    include_original: bool = False,
    allow_missing_classes: bool = False,
    restart: bool = False,
) -> ProposeSummary:
    """Make a project's proposals, and pack its examples where that has not been done.

    Parameters
    ----------
    project
        An initialised project.
    model
        Names that `timm` knows (`resnet50.a1_in1k`, `hf_hub:…`). Next to a checkpoint that does not say what it is, the
        name gives its architecture. Where no model, checkpoint or method is given, the best installed model for the
        label space is used.
    checkpoint
        Weights on this machine, with an optional JSON beside them that describes them.
    from_examples
        Propose from examples of each class: models and checkpoints are then backbones that provide features.
    learn_from
        Which examples to use; None takes all there are.
    methods
        More methods, each ``METHOD`` or ``METHOD:MODEL`` (:data:`pipeline.proposals.methods.registry.METHODS`).
    views
        How many parts of each image are looked at: 1, 5 or 14. None takes the project's setting; a setting of 0 means
        what the models' descriptions recommend.
    merge
        How several methods are merged: by calibrated ``score`` or by ``rank``.
    batch_size
        How many views a model sees at once.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, …
    n_workers
        How many processes decode images; None chooses by the machine.
    include_original
        Put the original label last where it is not among the proposals. Off by default, as in the published method.
    allow_missing_classes
        Accept a model that does not know every class of the project.
    restart
        Start over where an earlier run left results.

    Raises
    ------
    DatasetError
        If a model cannot be loaded, or none of the images can be decoded. Without a model, if no installed one knows
        the classes.
    ProjectError
        If an earlier run used other settings, or the project lacks what a method needs.
    """
    requests = requests_of_models(_listed(model), [Path(c) for c in _listed(checkpoint)], _kind(from_examples))
    requests += [_request(text) for text in methods]
    notes: list[str] = []
    if from_examples and not _listed(model) and not _listed(checkpoint):
        requests.insert(0, Request("examples"))
    if not requests:
        source, said = best_at_hand(project.label_space)
        requests = [Request("classifier", source)]
        notes.append(f"no model was named, so this took {said}")
    n_views = views or project.settings.proposals.views or recommended_views(requests)
    n_proposals = project.settings.proposals.n_proposals
    options = MethodOptions(n_views, max(TOP_K, n_proposals), allow_missing_classes, learn_from)
    known = _known(requests, n_views, merge, n_proposals, include_original=include_original)
    run = RunOptions(batch_size, device, n_workers, restart)
    with proposals_begun_anew(project) if restart else nullcontext():
        refuse_other_proposals(project, known)
        prepared = [prepare(project, request, options) for request in requests]
        names = [method.name for method in prepared]
        if len(set(names)) < len(names):
            raise ProjectError(f"two of the methods {', '.join(names)} share a name; rename a checkpoint")
        fillings = [filling for method in prepared for filling in method.fillings()]
        n_done = min(fill_tables(project, fillings, n_views, run))
        settings = _settings(prepared, known)
        if not has_proposals(project, settings):
            found = [method.candidates(run) for method in prepared]
            original = _original_labels(project)
            merged = merge_candidates(found, n_proposals, merge, original)
            columns: list[npt.NDArray[Any]] = [merged.class_index, merged.score, merged.source]
            columns += [merged.view] if n_views > 1 else []
            if include_original:
                columns = _with_originals(columns, original, n_proposals)
            groups = _groups(columns)
            write_proposals(project, groups, names, settings)
    skipped = tuple(dict.fromkeys(row for filling in fillings for row in read_failures(filling.path)))
    record_skipped(project, skipped)
    tell_of_chance_level(project, [name for name in names if predictions_path(project, name).exists()])
    notes += [note for method in prepared for note in method.notes]
    n_images = pq.read_metadata(project.images_path).num_rows
    return ProposeSummary(
        models=tuple(names),
        n_images=n_images,
        n_with_proposals=n_images - len(skipped),
        n_done_before=n_done,
        skipped=skipped,
        examples=None if project.examples_path.exists() else pack_examples(project),
        notes=tuple(notes),
    )


def _listed(given: Any) -> list[Any]:
    return [] if given is None else [given] if isinstance(given, (str, Path)) else list(given)


def _kind(from_examples: bool) -> str:
    return "examples" if from_examples else "classifier"


def _request(text: str) -> Request:
    method, _, model = text.partition(":")
    if not model:
        return Request(method)
    is_file = Path(model).is_file()
    (request,) = requests_of_models([] if is_file else [model], [Path(model)] if is_file else [], method)
    return request


def _known(
    requests: list[Request], n_views: int, merge: Merge, n_proposals: int, *, include_original: bool
) -> dict[str, Any]:
    """Return what is known about a run before its models are loaded."""
    known: dict[str, Any] = {"n_proposals": n_proposals, "include_original": include_original}
    if n_views > 1:
        known["n_views"] = n_views
    if [request.method for request in requests] == ["classifier"]:
        return {**known, "source": "model", "model": requests[0].source.label}
    return {**known, "source": "methods", "merge": merge}


def _settings(methods: list[Method], known: dict[str, Any]) -> dict[str, Any]:
    if known["source"] == "model":
        return {**methods[0].settings, **known}
    return {**known, "methods": {method.name: method.settings for method in methods}}


def _original_labels(project: Project) -> npt.NDArray[np.int64]:
    column = pq.read_table(project.images_path, columns=["original_label"]).column(0)
    labels: npt.NDArray[np.int64] = column.fill_null(-1).to_numpy().astype(np.int64)
    return labels


def _groups(columns: list[npt.NDArray[Any]]) -> Iterator[pa.Table]:
    """Yield the images' classes, scores, sources and, where there are any, views, one row group at a time."""
    schema = (PROPOSALS, PROPOSALS_WITH_VIEWS)[len(columns) - 3]
    for first in range(0, len(columns[0]), PROPOSALS_ROW_GROUP):
        rows = slice(first, first + PROPOSALS_ROW_GROUP)
        is_named = columns[0][rows] >= 0
        image_index = np.arange(first, first + len(is_named), dtype=np.int32)
        arrays = [pa.array(image_index), *(lists_from_padded(column[rows], is_named) for column in columns)]
        # A class that no model scored gets null as its score, not NaN.
        arrays[2] = pa.ListArray.from_arrays(arrays[1].offsets, pa.array(columns[1][rows][is_named], from_pandas=True))
        yield pa.table(arrays, schema=schema)


def _with_originals(
    columns: list[npt.NDArray[Any]], original: npt.NDArray[np.int64], n_proposals: int
) -> list[npt.NDArray[Any]]:
    """Put the original label last where it is not proposed; where there is no room, it replaces the last proposal."""
    classes = columns[0]
    n_named = (classes >= 0).sum(axis=1)
    is_lacking = (original >= 0) & (n_named > 0) & (classes != original[:, None]).all(axis=1)
    rows = np.flatnonzero(is_lacking)
    padded = [np.pad(column, ((0, 0), (0, 1)), constant_values=-1) for column in columns]
    at = (rows, np.minimum(n_named[rows], n_proposals - 1))
    fillers: tuple[Any, ...] = (original[rows], np.nan, 0, 0)
    for column, filler in zip(padded, fillers, strict=False):
        column[at] = filler
    return padded
