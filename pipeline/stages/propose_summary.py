"""The outcome of stage 1: counts, what was skipped, and what a person should know."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.datasets.records import SkippedRow, read_skipped, write_skipped
from pipeline.examples.pack import ExampleSummary
from pipeline.inference.precision import RunPrecision, read_precision
from pipeline.inference.predictions import predictions_path
from pipeline.project.folder import Project
from pipeline.proposals.reader import open_proposals

#: How the reasons for images that stage 1 skipped begin in `skipped.parquet`.
SKIPPED_WHILE_PROPOSING = "while proposing: "


@dataclass(frozen=True, slots=True)
class ProposeSummary:
    """The outcome of stage 1.

    Parameters
    ----------
    models
        Names of the models the proposals come from.
    n_images
        Images of the project.
    n_with_proposals
        Images with at least one proposal.
    n_done_before
        Images ranked before this run began.
    skipped
        Images without proposals, each with the reason.
    examples
        The outcome of packing the examples; None where they were packed before.
    notes
        What a person should know: classes the model does not know, an assumed order of classes.
    precisions
        Each model that was run here, with the precision in which it was computed.
    """

    models: tuple[str, ...]
    n_images: int
    n_with_proposals: int
    n_done_before: int
    skipped: tuple[SkippedRow, ...]
    examples: ExampleSummary | None = None
    notes: tuple[str, ...] = ()
    precisions: tuple[tuple[str, RunPrecision], ...] = ()


def propose_summary(project: Project) -> ProposeSummary:
    """Return the outcome of stage 1, from a project's finished tables."""
    reader = open_proposals(project)
    skipped = [
        SkippedRow(row.image_id, row.path, row.reason.removeprefix(SKIPPED_WHILE_PROPOSING))
        for row in read_skipped(project.skipped_path)
        if row.reason.startswith(SKIPPED_WHILE_PROPOSING)
    ]
    n_empty = sum(int(pc.sum(pc.equal(lengths, 0)).as_py() or 0) for lengths in _lengths(project.proposals_path))
    return ProposeSummary(
        models=reader.models,
        n_images=reader.n_images,
        n_with_proposals=reader.n_images - n_empty,
        n_done_before=reader.n_images,
        skipped=tuple(skipped),
        precisions=precisions_of(project, reader.models),
    )


def precisions_of(project: Project, models: Sequence[str]) -> tuple[tuple[str, RunPrecision], ...]:
    """Return the models among these that were run here, each with the precision of its table."""
    found = {model: read_precision(_table_of(project, model)) for model in models}
    return tuple((model, precision) for model, precision in found.items() if precision is not None)


def _table_of(project: Project, method: str) -> Path:
    """Return the table of a method's rankings; of a method that learns from examples, that of its candidates."""
    of_model = predictions_path(project, method)
    if of_model.exists():
        return of_model
    candidates = project.candidates_dir.glob(f"{glob.escape(method)}.*views.parquet")
    return max(candidates, key=lambda path: path.stat().st_mtime_ns, default=of_model)  # of the latest run


def record_skipped(project: Project, rows: tuple[SkippedRow, ...]) -> None:
    """Write the images that stage 1 skipped to `skipped.parquet`, in place of those that an earlier run skipped."""
    earlier = [row for row in read_skipped(project.skipped_path) if not row.reason.startswith(SKIPPED_WHILE_PROPOSING)]
    now = [SkippedRow(row.image_id, row.path, SKIPPED_WHILE_PROPOSING + row.reason) for row in rows]
    write_skipped(earlier + now, project.skipped_path)


def _lengths(path: Path) -> Iterator[pa.Array]:
    for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(columns=["class_index"]):
        yield batch.column(0).value_lengths()
