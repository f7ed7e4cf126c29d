"""What stage 1 came to: counts, what was skipped, what a person should know."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.datasets.records import SkippedRow, read_skipped, write_skipped
from pipeline.examples.pack import ExampleSummary
from pipeline.project.folder import Project
from pipeline.proposals.reader import ProposalReader

#: How the reasons of images that stage 1 skipped begin, in `skipped.parquet`.
SKIPPED_WHILE_PROPOSING = "while proposing: "


@dataclass(frozen=True, slots=True)
class ProposeSummary:
    """What stage 1 came to.

    Parameters
    ----------
    models
        Names of the models the proposals come from.
    n_images
        Images of the project.
    n_with_proposals
        Images that have at least one.
    n_done_before
        Images that were ranked before this run began.
    skipped
        Images without proposals, with the reason.
    examples
        What packing the examples came to; None where they were packed before.
    notes
        What a person should know: classes the model does not know, an assumed order of classes.
    """

    models: tuple[str, ...]
    n_images: int
    n_with_proposals: int
    n_done_before: int
    skipped: tuple[SkippedRow, ...]
    examples: ExampleSummary | None = None
    notes: tuple[str, ...] = ()


def propose_summary(project: Project) -> ProposeSummary:
    """Return what stage 1 came to, from a project's finished tables."""
    reader = ProposalReader(project.require(project.proposals_path, "mlf propose"))
    skipped = [
        SkippedRow(row.image_id, row.path, row.reason.removeprefix(SKIPPED_WHILE_PROPOSING))
        for row in read_skipped(project.skipped_path)
        if row.reason.startswith(SKIPPED_WHILE_PROPOSING)
    ]
    n_empty = sum(int(pc.sum(pc.equal(lengths, 0)).as_py() or 0) for lengths in _lengths(project.proposals_path))
    return ProposeSummary(reader.models, reader.n_images, reader.n_images - n_empty, reader.n_images, tuple(skipped))


def record_skipped(project: Project, rows: tuple[SkippedRow, ...]) -> None:
    """Name the images that stage 1 skipped in `skipped.parquet`, in place of those an earlier run named."""
    earlier = [row for row in read_skipped(project.skipped_path) if not row.reason.startswith(SKIPPED_WHILE_PROPOSING)]
    now = [SkippedRow(row.image_id, row.path, SKIPPED_WHILE_PROPOSING + row.reason) for row in rows]
    write_skipped(earlier + now, project.skipped_path)


def _lengths(path: Path) -> Iterator[pa.Array]:
    for batch in pq.ParquetFile(path).iter_batches(columns=["class_index"]):
        yield batch.column(0).value_lengths()
