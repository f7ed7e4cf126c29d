"""Stage 1: methods rank each image's classes, their candidates are merged, and the topmost become its proposals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pipeline.errors import ProjectError
from pipeline.examples.pack import pack_examples
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.decoding import AskedDecoding
from pipeline.inference.filling import EngineName, RunOptions, fill_tables, read_failures
from pipeline.inference.offline import best_at_hand
from pipeline.inference.predictions import TOP_K, predictions_path
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.settings import AskedPrecision
from pipeline.project.wording import so_many
from pipeline.proposals.fusion import merge_proposals_by_rank
from pipeline.proposals.merging import Merge, MergedProposals
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
    proposal_groups,
    proposals_begun_anew,
    refuse_other_proposals,
    write_proposals,
)
from pipeline.stages.chance_level import tell_of_chance_level
from pipeline.stages.merged_proposals import Merged, MergeOptions, merged_proposals
from pipeline.stages.predictions_of_files import PredictionsMethod, methods_of_file, refuse_names_of_runs
from pipeline.stages.propose_summary import ProposeSummary, precisions_of, propose_summary, record_skipped

__all__ = ["ProposeSummary", "propose", "propose_from_predictions", "propose_summary"]


def propose(
    project: Project,
    model: str | Sequence[str] | None = None,
    checkpoint: str | Path | Sequence[str | Path] | None = None,
    *,
    from_examples: bool = False,
    learn_from: LearnFrom | None = None,
    zero_shot: str | Sequence[str] | None = None,
    prompts: Sequence[str] = (),
    from_predictions: str | Path | Sequence[str | Path] | None = None,
    order: str | None = None,
    methods: Sequence[str] = (),
    views: int | None = None,
    merge: Merge | None = None,
    settled: str | Path | None = None,
    miss: float | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    n_workers: int | None = None,
    precision: AskedPrecision | None = None,
    engine: EngineName = "local",
    ray_address: str | None = None,
    compiled: bool = False,
    decode: AskedDecoding = "auto",
    include_original: bool = False,
    allow_missing_classes: bool = False,
    restart: bool = False,
) -> ProposeSummary:
    """Make a project's proposals, and pack its examples where that has not been done.

    Parameters
    ----------
    model
        Names that `timm` knows (`resnet50.a1_in1k`, `hf_hub:…`). Next to a checkpoint that does not say what it is, the
        name gives its architecture. Where no model, checkpoint, file or method is given, the best installed model for
        the label space is used.
    checkpoint
        Weights on this machine, with an optional JSON beside them that describes them.
    from_examples
        Propose from examples of each class: models and checkpoints are then backbones that provide features.
    learn_from
        Which examples to use; None takes all there are.
    zero_shot
        Image-text models, which know classes by their words (:func:`pipeline.inference.image_text.load_zero_shot`).
    prompts
        What is said of each class to these models; none takes the usual ones.
    from_predictions
        Files of models that were run elsewhere (:func:`pipeline.stages.predictions_of_files.methods_of_file`); alone,
        they need no images.
    order
        The order of a folder's classes and rows in these files.
    methods
        More methods, each ``METHOD`` or ``METHOD:MODEL`` (:data:`pipeline.proposals.methods.registry.METHODS`).
    views
        How many parts of each image are looked at: 1, 5 or 14. None takes the project's setting; a setting of 0 means
        what the models' descriptions recommend.
    merge
        How several methods are merged: by calibrated ``score``, by ``rank``, or as ``learned`` from settled labels.
        None takes the score, or the rank where a method has no scores.
    settled, miss, at_least, at_most
        As for :class:`pipeline.stages.merged_proposals.MergeOptions`.
    batch_size
        How many views a model sees at once; None chooses by the device and the size of the images.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, …
    n_workers
        How many processes decode images; None chooses by the machine.
    precision
        In which models are computed (:func:`pipeline.inference.precision.precision_for`); None takes the project's
        setting.
    engine, ray_address
        What runs the models: this machine, or those of a Ray cluster
        (:class:`pipeline.inference.filling.RunOptions`). The tables are the same.
    compiled
        Whether `torch.compile` makes classifiers faster, which takes seconds to minutes before the first image; a run
        that was begun so goes on so.
    decode
        What decodes images: ``cpu`` (Pillow), or ``gpu`` where it leaves rankings of a sample of them as they are;
        ``auto`` goes on as a run was begun, else takes Pillow.
    include_original
        Put the original label last where it is not among the proposals. Off by default, as in the published method.
    allow_missing_classes
        Accept a model that does not know every class of the project.
    restart
        Start over where an earlier run left results.

    Raises
    ------
    DatasetError
        If a model or a file cannot be loaded, or none of the images can be decoded. Without a model, if no installed
        one knows the classes.
    ProjectError
        If an earlier run used other settings, or the project lacks what a method needs.
    """
    requests = requests_of_models(_listed(model), [Path(c) for c in _listed(checkpoint)], _kind(from_examples))
    requests += [Request("zero-shot", ModelSource(name)) for name in _listed(zero_shot)]
    requests += [_request(text) for text in methods]
    if prompts and not any(request.method == "zero-shot" for request in requests):
        raise ProjectError("--prompt words the classes for --zero-shot: give a model there, or leave it out")
    notes: list[str] = []
    if from_examples and not _listed(model) and not _listed(checkpoint):
        requests.insert(0, Request("examples"))
    # Files are read first: one that does not fit must leave the project as it is.
    files = [method for path in _listed(from_predictions) for method in methods_of_file(project, Path(path), order)]
    if not requests and not files:
        source, said = best_at_hand(project.label_space)
        requests = [Request("classifier", source)]
        notes.append(f"no model was named, so this took {said}")
    _refuse_without_use([request.method for request in requests], compiled=compiled, decode=decode)
    n_views = views or project.settings.proposals.views or recommended_views(requests)
    n_proposals = project.settings.proposals.n_proposals
    unscored = [method.name for method in files if not method.has_scores]
    if merge == "score" and unscored:
        raise ProjectError(
            f"{unscored[0]} has ranks and no scores, so that it cannot be merged by score; --merge rank or learned does"
        )
    merging = MergeOptions(
        merge or ("rank" if unscored else "score"), Path(settled) if settled else None, miss, at_least, at_most
    ).checked(n_proposals)
    asked = precision or project.settings.proposals.precision
    run = RunOptions(batch_size, device, n_workers, restart, asked, engine, ray_address, compiled, decode)
    options = MethodOptions(n_views, max(TOP_K, n_proposals), run, allow_missing_classes, learn_from, tuple(prompts))
    known = _known(requests, files, n_views, merging, n_proposals, include_original=include_original)
    n_images = pq.read_metadata(project.images_path).num_rows
    with proposals_begun_anew(project) if restart else nullcontext():
        refuse_other_proposals(project, known)
        if not restart:
            refuse_names_of_runs(project, files)
        prepared: list[Method] = [*(prepare(project, request, options) for request in requests), *files]
        names = [method.name for method in prepared]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ProjectError(
                f"two of the methods share a name, {twice}; rename a checkpoint, a file or a model in it"
            )
        fillings = [filling for method in prepared for filling in method.fillings()]
        n_done = min(fill_tables(project, fillings, n_views, run)) if fillings else 0
        found = [method.candidates(run) for method in prepared]
        merged = merged_proposals(project, names, found, n_views, merging)
        settings = {**_settings(prepared, known), **merged.settings}
        if has_proposals(project, settings):
            n_done = n_done if fillings else n_images
        else:
            _write(project, merged, settings, with_views=n_views > 1, include_original=include_original)
    unread = dict.fromkeys(row for filling in fillings for row in read_failures(filling.path))
    skipped = (*unread, *(row for method in files for row in method.skipped))
    record_skipped(project, skipped)
    tell_of_chance_level(project, [name for name in names if predictions_path(project, name).exists()])
    notes += [note for method in prepared for note in method.notes]
    notes += merged.notes
    is_named = merged.proposals.class_index >= 0
    n_short = int((is_named.sum(axis=1) < n_proposals).sum())
    if files and n_short and miss is None:
        notes.append(f"the models name fewer than {n_proposals} classes for {so_many(n_short, 'image')}")
    return ProposeSummary(
        models=merged.names,
        n_images=n_images,
        n_with_proposals=int(is_named.any(axis=1).sum()),
        n_done_before=n_done,
        skipped=skipped,
        examples=None if project.examples_path.exists() else pack_examples(project),
        notes=tuple(notes),
        precisions=precisions_of(project, merged.names),
    )


def propose_from_predictions(
    project: Project, path: str | Path, *, order: str | None = None, restart: bool = False
) -> ProposeSummary:
    """Make a project's proposals from a file of models that were run elsewhere; see :func:`propose`."""
    return propose(project, from_predictions=path, order=order, restart=restart)


def ranked_proposals(
    project: Project, rankings: Mapping[str, npt.NDArray[np.integer[Any]]], settings: dict[str, Any]
) -> None:
    """Write a project's proposals from rankings of all its images, merged by rank.

    Parameters
    ----------
    rankings
        Model name to (n_images, k) class indices, the best first, padded with -1.
    settings
        How they were made, as plain JSON.
    """
    fused = merge_proposals_by_rank(rankings, project.settings.proposals.n_proposals)
    found = MergedProposals(fused.class_index, fused.score, np.zeros_like(fused.class_index, np.int8), fused.source)
    _write(project, Merged(found, fused.models), settings, with_views=False, include_original=False)


def _write(
    project: Project, merged: Merged, settings: dict[str, Any], *, with_views: bool, include_original: bool
) -> None:
    found = merged.proposals
    columns: list[npt.NDArray[Any]] = [found.class_index, found.score, found.source]
    columns += [found.view] if with_views else []
    if include_original:
        columns = _with_originals(columns, original_labels(project), project.settings.proposals.n_proposals)
    write_proposals(project, proposal_groups(columns), merged.names, settings)


def _listed(given: Any) -> list[Any]:
    return [] if given is None else [given] if isinstance(given, (str, Path)) else list(given)


def _kind(from_examples: bool) -> str:
    return "examples" if from_examples else "classifier"


def _request(text: str) -> Request:
    method, _, model = text.partition(":")
    if not model:
        return Request(method)
    if method == "zero-shot":
        return Request(method, ModelSource(model))
    is_file = Path(model).is_file()
    (request,) = requests_of_models([] if is_file else [model], [Path(model)] if is_file else [], method)
    return request


def _refuse_without_use(methods: list[str], *, compiled: bool, decode: AskedDecoding) -> None:
    """Refuse what none of the methods that look at images could do."""
    if compiled and not set(methods) - {"examples"}:
        raise ProjectError("--compile makes classifiers faster, and none is run here; leave it out")
    if decode == "gpu" and "examples" in methods:
        raise ProjectError(
            "--decode gpu: what is learned from examples has no rankings to compare with those of Pillow's pixels "
            "before the run; leave --decode out"
        )
    if decode == "gpu" and not methods:
        raise ProjectError("--decode gpu: --from-predictions looks at no images; leave --decode out")


def _known(
    requests: list[Request],
    files: list[PredictionsMethod],
    n_views: int,
    merging: MergeOptions,
    n_proposals: int,
    *,
    include_original: bool,
) -> dict[str, Any]:
    """Return what is known about a run before its models are loaded."""
    known: dict[str, Any] = {"n_proposals": n_proposals, **merging.settings}
    of_files = {json.dumps(_origin_of(method), sort_keys=True) for method in files}
    if not requests and len(of_files) == 1 and merging.merge == "rank":
        return {**known, **_origin_of(files[0]), **({"include_original": True} if include_original else {})}
    known["include_original"] = include_original
    if n_views > 1 and requests:
        known["n_views"] = n_views
    if not files and merging.merge != "learned" and [request.method for request in requests] == ["classifier"]:
        return {**known, "source": "model", "model": requests[0].source.label}
    return {**known, "source": "methods", "merge": merging.merge}


def _origin_of(method: PredictionsMethod) -> dict[str, Any]:
    return {name: value for name, value in method.settings.items() if name != "model"}


def _settings(methods: list[Method], known: dict[str, Any]) -> dict[str, Any]:
    if known["source"] == "model":
        return {**methods[0].settings, **known}
    if known["source"] == "predictions":
        return known
    return {**known, "methods": {method.name: method.settings for method in methods}}


def _with_originals(
    columns: list[npt.NDArray[Any]], original: npt.NDArray[np.int32], n_proposals: int
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
