"""Stage 1: rank each image's classes with a model, and keep the topmost as its proposals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.examples.pack import pack_examples
from pipeline.inference.checkpoint import ModelSource
from pipeline.inference.offline import best_at_hand
from pipeline.inference.predictions import TOP_K, predict, read_run_settings
from pipeline.project.folder import Project
from pipeline.project.tables import PROPOSALS, PROPOSALS_ROW_GROUP
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
    model: str | None = None,
    checkpoint: str | Path | None = None,
    *,
    batch_size: int = 64,
    device: str = "auto",
    n_workers: int | None = None,
    include_original: bool = False,
    allow_missing_classes: bool = False,
    restart: bool = False,
) -> ProposeSummary:
    """Make a project's proposals with one model, and pack its examples where that is not done.

    Parameters
    ----------
    project
        An initialised project.
    model
        A name that `timm` knows (`resnet50.a1_in1k`, `hf_hub:…`); with a checkpoint, its architecture. Without both,
        the best installed model for the label space.
    checkpoint
        Weights on this machine, with an optional JSON beside them that describes them.
    batch_size
        Images the model sees at once.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1``, …
    n_workers
        Processes that decode; chosen from the machine where None.
    include_original
        Put the original label last where it is not among the proposals. Off, as in the published method.
    allow_missing_classes
        Take a model that does not know every class of the project.
    restart
        Start over where an earlier run left something.

    Raises
    ------
    DatasetError
        If the model cannot be loaded, or none of the images can be decoded; without a model, if none that is installed
        knows the classes.
    ProjectError
        If an earlier run used other settings.
    """
    notes = []
    source = ModelSource(model, Path(checkpoint) if checkpoint else None)
    if not (model or checkpoint):
        source, said = best_at_hand(project.label_space)
        notes.append(f"no model was named, so this took {said}")
    n_proposals = project.settings.proposals.n_proposals
    known = {"source": "model", "model": source.label, "n_proposals": n_proposals, "include_original": include_original}
    with proposals_begun_anew(project) if restart else nullcontext():
        refuse_other_proposals(project, known)
        (done,) = predict(
            project,
            [source],
            top_k=max(TOP_K, n_proposals),
            batch_size=batch_size,
            device=device,
            n_workers=n_workers,
            allow_missing_classes=allow_missing_classes,
            restart=restart,
        )
    settings = {**read_run_settings(done.path), **known}
    if not has_proposals(project, settings):
        groups = _topmost(project, done.path, n_proposals, include_original=include_original)
        write_proposals(project, groups, [source.label], settings)
    record_skipped(project, done.skipped)
    tell_of_chance_level(project, [source.label])
    if done.class_order == "assumed":
        notes.append(f"nothing names the outputs of {source.label}: taken to be in the project's order of classes")
    if done.n_missing_classes:
        notes.append(f"{source.label} does not know {done.n_missing_classes} classes; they are never proposed")
    return ProposeSummary(
        models=(source.label,),
        n_images=done.n_images,
        n_with_proposals=done.n_images - len(done.skipped),
        n_done_before=done.n_done_before,
        skipped=done.skipped,
        examples=None if project.examples_path.exists() else pack_examples(project),
        notes=tuple(notes),
    )


def _topmost(project: Project, predictions: Path, n_proposals: int, *, include_original: bool) -> Iterator[pa.Table]:
    ranked = pq.ParquetFile(predictions)
    labels = pq.ParquetFile(project.images_path).iter_batches(PROPOSALS_ROW_GROUP, columns=["original_label"])
    batches = ranked.iter_batches(PROPOSALS_ROW_GROUP)
    for batch, originals in zip(batches, labels, strict=True):
        rows: dict[str, list[Any]] = {"image_index": batch.column("image_index").to_pylist()}
        classes = [row[:n_proposals] for row in batch.column("class_index").to_pylist()]
        scores = [row[:n_proposals] for row in batch.column("score").to_pylist()]
        if include_original:
            for of_image, of_scores, original in zip(classes, scores, originals.column(0).to_pylist(), strict=True):
                _put_last(original, of_image, of_scores, n_proposals)
        rows |= {"class_index": classes, "score": scores, "model": [[0] * len(row) for row in classes]}
        yield pa.table(rows, schema=PROPOSALS)


def _put_last(original: int | None, classes: list[int], scores: list[float | None], n_proposals: int) -> None:
    if original is None or original in classes or not classes:
        return
    del classes[n_proposals - 1 :], scores[n_proposals - 1 :]
    classes.append(original)
    scores.append(None)
