"""The outcome of stage 1, as tables in its notebook: counts, the ranks of the original labels, what was skipped."""

from __future__ import annotations

from html import escape

import numpy as np

from pipeline.datasets.records import read_skipped
from pipeline.evaluation.shares import Share
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.wording import so_many
from pipeline.proposals.reader import open_proposals
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
        *((f"precision of {escape(model)}", escape(str(found))) for model, found in summary.precisions),
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
                f"{packed.n_examples:,}, of {packed.n_classes_with_examples:,} of {so_many(packed.n_classes, 'class')}",
            )
        )
        if packed.without and packed.n_examples:
            space = project.label_space
            named = ", ".join(space[space.index_of(key)].name for key in packed.without[:_MAX_NAMED])
            more = f" and {len(packed.without) - _MAX_NAMED:,} more" if len(packed.without) > _MAX_NAMED else ""
            rows.append(("classes without any example", escape(f"{len(packed.without):,}: {named}{more}")))
        rows += [("example that cannot be read", escape(name)) for name in packed.unreadable[:_MAX_NAMED]]
    rows += [("note", escape(note)) for note in summary.notes]
    return table(None, rows, caption="What stage 1 came to.", text_columns=(1,))


def original_ranks(project: Project) -> Html:
    """Return the ranks at which original labels are proposed: cumulative counts over images that have both."""
    proposals = open_proposals(project).as_arrays().class_index
    column = image_columns(project, ["original_label"]).column("original_label")
    original = np.array(column.fill_null(-1).to_pylist(), dtype=np.int64)
    is_counted = (original >= 0) & (proposals >= 0).any(axis=1)
    is_hit = proposals[is_counted] == original[is_counted, None]
    depth, n = proposals.shape[1], int(is_counted.sum())
    ranks = [rank for rank in (1, 2, 3, 5, 10) if rank < depth] + [depth]
    rows = [(f"first {rank}" if rank > 1 else "first", _share(is_hit[:, :rank], n)) for rank in ranks if n]
    caption = (
        f"Where the original label is proposed, over {so_many(n, 'image')} that have an original label and proposals."
    )
    return table(("among the", "share"), rows, caption=caption)


def skipped_table(project: Project) -> Html:
    """Return the images and rows that could not be used, naming the first of them."""
    skipped = read_skipped(project.skipped_path)
    if not skipped:
        return Html("<p>None: every image was used.</p>")
    rows = [(escape(row.image_id or row.path or "?"), escape(row.reason)) for row in skipped[:_MAX_NAMED]]
    shown = f"the first {_MAX_NAMED} of {len(skipped):,}" if len(skipped) > _MAX_NAMED else f"all {len(skipped):,}"
    return table(("image", "reason"), rows, caption=f"Skipped: {shown}.", text_columns=(1,))


def _share(is_hit: np.ndarray[tuple[int, int], np.dtype[np.bool_]], n: int) -> str:
    return Share(int(is_hit.any(axis=1).sum()), n).with_interval("images")
