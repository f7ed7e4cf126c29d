"""The outcome of stage 1, as tables in its notebook: counts, the ranks of the original labels, what was skipped."""

from __future__ import annotations

from html import escape

import numpy as np

from pipeline.datasets.records import read_skipped
from pipeline.evaluation.shares import Share
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.proposals.reader import ProposalReader
from pipeline.reports.html import Html, table
from pipeline.stages.propose_summary import ProposeSummary

_MAX_NAMED = 50


def summary_table(project: Project, summary: ProposeSummary) -> Html:
    """Return the counts from a run of stage 1, and what a person should know."""
    models = ", ".join(summary.models[:5])
    if len(summary.models) > 5:
        models += f" and {len(summary.models) - 5:,} more"
    rows = [
        ("models", models),
        ("images", f"{summary.n_images:,}"),
        ("with proposals", str(Share(summary.n_with_proposals, summary.n_images))),
        ("ranked before this run", f"{summary.n_done_before:,}"),
        ("skipped", f"{len(summary.skipped):,}"),
        ("proposals an image", f"up to {project.settings.proposals.n_proposals}"),
    ]
    if summary.examples is None:
        rows.append(("examples", "packed before"))
    else:
        packed = summary.examples
        rows.append(
            (
                "examples",
                f"{packed.n_examples:,}, of {packed.n_classes_with_examples:,} of {packed.n_classes:,} classes",
            )
        )
        rows += [("example that cannot be read", escape(name)) for name in packed.unreadable[:_MAX_NAMED]]
    rows += [("note", escape(note)) for note in summary.notes]
    return table(None, rows, caption="What stage 1 came to.", text_columns=(1,))


def original_ranks(project: Project) -> Html:
    """Return the ranks at which original labels are proposed: cumulative counts over images that have both."""
    proposals = ProposalReader(project.require(project.proposals_path, "mlf propose")).as_arrays().class_index
    column = image_columns(project, ["original_label"]).column("original_label")
    original = np.array(column.fill_null(-1).to_pylist(), dtype=np.int64)
    is_counted = (original >= 0) & (proposals >= 0).any(axis=1)
    is_hit = proposals[is_counted] == original[is_counted, None]
    depth, n = proposals.shape[1], int(is_counted.sum())
    ranks = [rank for rank in (1, 2, 3, 5, 10) if rank < depth] + [depth]
    rows = [(f"first {rank}" if rank > 1 else "first", _share(is_hit[:, :rank], n)) for rank in ranks if n]
    caption = f"Where the original label is proposed, over {n:,} images that have an original label and proposals."
    return table(("among the", "images (95% interval)"), rows, caption=caption)


def skipped_table(project: Project) -> Html:
    """Return the images and rows that could not be used, naming the first of them."""
    skipped = read_skipped(project.skipped_path)
    if not skipped:
        return Html("<p>None: every image was used.</p>")
    rows = [(escape(row.image_id or row.path or "?"), escape(row.reason)) for row in skipped[:_MAX_NAMED]]
    shown = f"the first {_MAX_NAMED} of {len(skipped):,}" if len(skipped) > _MAX_NAMED else f"all {len(skipped):,}"
    return table(("image", "reason"), rows, caption=f"Skipped: {shown}.", text_columns=(1,))


def _share(is_hit: np.ndarray[tuple[int, int], np.dtype[np.bool_]], n: int) -> str:
    share = Share(int(is_hit.any(axis=1).sum()), n)
    low, high = share.interval or (0.0, 0.0)
    return f"{share} ({low:.1%} to {high:.1%})"
