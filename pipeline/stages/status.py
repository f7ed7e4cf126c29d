"""How far a project is, judging by its folder and its store, and what comes next."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.project.folder import Project
from pipeline.project.history import is_of_classes, read_history
from pipeline.project.result_paths import ResultStage, summary_path
from pipeline.project.results import has_summary
from pipeline.project.wording import so_many
from pipeline.sessions.board import Board

_WORDNET = re.compile(r"n\d{8}")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its name, whether it is done, a few words on how far it is, and what to do where it is not."""

    name: str
    is_done: bool
    detail: str
    next: str = ""


def stages(
    project: Project,
    annotation: Board,
    refinement: Board,
    *,
    n_assigned: int | None = None,
    last_vote: str = "",
    last_annotation: str = "",
) -> tuple[Stage, ...]:
    """Return the stages in order.

    Parameters
    ----------
    annotation, refinement
        The boards of the project's two rounds.
    n_assigned
        Images that are assigned to somebody; None takes all.
    last_vote
        When somebody last worked, ISO 8601 UTC; empty where nobody has.
    last_annotation
        The same for the annotation round alone.
    """
    root = shlex.quote(str(project.root))
    n_images, n_proposed = _n_rows(project.images_path), _n_rows(project.proposals_path)
    n_waiting = 0 if n_assigned is None or not annotation.n_tasks else max(0, n_images - n_assigned)
    changed = max([c.at for c in read_history(project.root) if is_of_classes(c)], default="")
    last = max(last_vote, changed)
    annotate = f"mlf annotate {root} --annotator NAME"
    found = [
        Stage("images", n_images > 0, f"{so_many(n_images, 'image')}", f"mlf init {root} --images …"),
        Stage("proposals", 0 < n_images <= n_proposed, _proposed(n_proposed, n_images), proposing(project, root)),
        Stage(
            "assignment",
            annotation.n_tasks > 0 and not (n_waiting and _is_finished(annotation)),
            f"{so_many(annotation.n_tasks, 'task')}, {so_many(len(annotation.rows), 'annotator')}"
            + (f"; {so_many(n_waiting, 'image waits', 'images wait')} for an assignment" if n_waiting else ""),
            f"mlf assign {root} --annotators {','.join(row.annotator for row in annotation.rows) or 'NAME,NAME'}",
        ),
        Stage(
            "annotation",
            _is_finished(annotation),
            _counts(annotation),
            f"{annotate}, or let everyone work at once: mlf hub {root}",
        ),
        _refining(project, root, refinement, last_annotation, changed),
        _made(project, "settle", "refined labels", project.refined_labels_path, last, f"mlf settle {root}"),
    ]
    settled = time_of(project.refined_labels_path)
    evaluated = summary_path(project, "evaluate")
    found.append(_made(project, "evaluate", "evaluation", evaluated, settled, evaluating(project, root)))
    reports = sorted(path.name for path in project.reports_dir.glob("*.html")) if project.reports_dir.exists() else []
    index = project.reports_dir / "index.html"
    is_newest = index.exists() and time_of(index) >= time_of(evaluated)
    found.append(Stage("reports", is_newest, ", ".join(reports) or "none yet", f"mlf report {root}"))
    return tuple(found)


def next_step(found: Sequence[Stage]) -> str:
    """Return what to do next, as a command where there is one."""
    return next((stage.next for stage in found if not stage.is_done), "all stages are done")


def _proposed(n_proposed: int, n_images: int) -> str:
    if not n_proposed:
        return "none yet"
    return f"for {so_many(n_proposed, 'image')}" + (f" of {n_images:,}" if n_proposed < n_images else "")


def proposing(project: Project, root: str) -> str:
    """Return the command by which a project gets proposals, which depends on its files and its classes."""
    from pipeline.inference.offline import is_of_toybox

    if not _has_files(project):
        return f"mlf propose {root} --from-predictions FILE.npz (no image has a file here)"
    space = project.label_space
    if is_of_toybox(space) or all(_WORDNET.fullmatch(info.key) for info in space if not info.since):
        return f"mlf propose {root} (the best model at hand; name another with --model)"
    return f"mlf propose {root} --from-examples (classes of your own; or a model of them: --checkpoint FILE)"


def evaluating(project: Project, root: str) -> str:
    """Return the command by which the models of a project are scored, which depends on those that it has."""
    has_models = any(project.predictions_dir.glob("*.parquet"))
    if has_models:
        return f"mlf evaluate {root}"
    if not _has_files(project):
        return f"mlf evaluate {root} --predictions FILE.npz"
    return f"mlf evaluate {root} --model NAME"


def _refining(project: Project, root: str, refinement: Board, last_annotation: str, changed: str) -> Stage:
    """Return the stage in which disputes are found, given out and settled by refiners.

    Images that were annotated after the disputes were given out, as after `mlf add`, may be disputed too.
    """
    selected = summary_path(project, "refinement")
    is_given_out = refinement.n_tasks > 0 and (not selected.exists() or time_of(selected) >= last_annotation)
    if is_given_out or (refinement.n_tasks and not _is_finished(refinement)):
        step = f"mlf annotate {root} --annotator NAME --round refinement, or everyone at once: mlf hub {root}"
        return Stage("refinement", _is_finished(refinement), _counts(refinement), step)
    last, analyzed = max(last_annotation, changed), summary_path(project, "analyze")
    if not has_summary(project, "analyze") or time_of(analyzed) < last:
        when = _counts(refinement) + ("; the analysis is older than the newest votes" if analyzed.exists() else "")
        return Stage("refinement", False, when, f"mlf analyze {root}")
    n_disputed = _n_disputed(analyzed)
    if n_disputed == 0:
        return Stage("refinement", True, "nothing is disputed")
    if project.refined_labels_path.exists() and time_of(project.refined_labels_path) >= last:
        kept = f"{_counts(refinement)}; {so_many(n_disputed, 'disputed image')}, settled without refining"
        return Stage("refinement", True, kept)
    if refinement.n_tasks:
        step = f"mlf refine {root} --refiners NAME,NAME (for what has become disputed since the last time)"
        return Stage("refinement", False, f"{_counts(refinement)}; newer votes may be disputed", step)
    step = f"mlf refine {root} --refiners NAME,NAME (or settle by the votes alone: mlf settle {root})"
    return Stage("refinement", False, f"no tasks yet; {so_many(n_disputed, 'disputed image')}", step)


def _made(project: Project, stage: ResultStage, name: str, path: Path, since: str, command: str) -> Stage:
    if not path.exists() or not has_summary(project, stage):
        return Stage(name, False, "none yet", command)
    if time_of(path) < since:
        return Stage(name, False, f"{path}, older than what it rests on", command)
    return Stage(name, True, str(path))


def _n_disputed(path: Path) -> int:
    try:
        return int(json.loads(path.read_text("utf-8"))["n_set_disagreements"])
    except (OSError, ValueError, KeyError, TypeError):
        return -1


def _is_finished(board: Board) -> bool:
    return board.n_tasks > 0 and board.n_done == board.n_tasks


def _counts(board: Board) -> str:
    return f"{board.n_done:,} of {so_many(board.n_tasks, 'task')} done" if board.n_tasks else "no tasks yet"


def _has_files(project: Project) -> bool:
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(project.images_path)
    except FileNotFoundError:
        return True
    column = metadata.schema.to_arrow_schema().get_field_index("path")
    groups = (metadata.row_group(i).column(column).statistics for i in range(metadata.num_row_groups))
    return any(group is None or group.null_count < group.num_values + group.null_count for group in groups)


def _n_rows(path: Path) -> int:
    import pyarrow.parquet as pq

    try:
        n_rows: int = pq.read_metadata(path).num_rows
    except FileNotFoundError:
        return 0
    return n_rows


def time_of(path: Path) -> str:
    """Return when a file was written, as the store writes times; empty where there is none."""
    try:
        seconds = path.stat().st_mtime
    except OSError:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
