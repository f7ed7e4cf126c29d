"""Which stages of a project are done, judging by its folder and its store."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.project.folder import Project
from pipeline.sessions.board import Board


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its name, whether it is done, and a few words on how far it is."""

    name: str
    is_done: bool
    detail: str


def stages(project: Project, annotation: Board, refinement: Board) -> tuple[Stage, ...]:
    """Return the stages in order.

    Parameters
    ----------
    project
        An open project.
    annotation, refinement
        The boards of the project's two rounds.
    """
    n_images = _n_rows(project.images_path)
    n_proposed = _n_rows(project.proposals_path)
    has_refined = project.refined_labels_path.exists()
    reports = sorted(path.name for path in project.reports_dir.glob("*.html")) if project.reports_dir.exists() else []
    return (
        Stage("images", n_images > 0, f"{n_images:,} images"),
        Stage("proposals", n_proposed > 0, f"for {n_proposed:,} images" if n_proposed else "none yet"),
        Stage("assignment", annotation.n_tasks > 0, f"{annotation.n_tasks:,} tasks, {len(annotation.rows)} annotators"),
        Stage("annotation", _is_finished(annotation), _counts(annotation)),
        Stage("refinement", _is_finished(refinement), _counts(refinement)),
        Stage("refined labels", has_refined, str(project.refined_labels_path) if has_refined else "none yet"),
        Stage("reports", bool(reports), ", ".join(reports) or "none yet"),
    )


def next_step(project: Project, found: Sequence[Stage]) -> str:
    """Return what to do next, as a command where there is one."""
    root = shlex.quote(str(project.root))
    steps = {
        "images": f"mlf init {root} --images …",
        "proposals": f"mlf propose {root} --model resnet50.a1_in1k",
        "assignment": f"mlf assign {root} --annotators NAME,NAME",
        "annotation": f"mlf annotate {root} --annotator NAME, or let everyone work at once: mlf hub {root}",
        "refinement": f"mlf analyze {root}, then refine what is disputed",
        "refined labels": f"mlf settle {root}",
        "reports": f"mlf report {root}",
    }
    return next((steps[stage.name] for stage in found if not stage.is_done), "all stages are done")


def _is_finished(board: Board) -> bool:
    return board.n_tasks > 0 and board.n_done == board.n_tasks


def _counts(board: Board) -> str:
    return f"{board.n_done:,} of {board.n_tasks:,} tasks done" if board.n_tasks else "no tasks yet"


def _n_rows(path: object) -> int:
    import pyarrow.parquet as pq

    try:
        n_rows: int = pq.read_metadata(path).num_rows
    except FileNotFoundError:
        return 0
    return n_rows
