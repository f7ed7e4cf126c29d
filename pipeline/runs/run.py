"""Running a stage: its notebook is run with parameters, and the executed copy and its HTML are kept in the project."""

from __future__ import annotations

import builtins
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import errors
from pipeline.errors import MlfError, ProjectError, in_plain_words
from pipeline.project.folder import Project
from pipeline.project.result_paths import take_earlier_names
from pipeline.project.writing import whole_file
from pipeline.runs.notebook_files import REPORT_STAGES, stage_notebook
from pipeline.runs.page import join_pages, page_title, pages_in
from pipeline.runs.parameters import check_parameters, declared_parameters

if TYPE_CHECKING:
    from nbformat import NotebookNode


class StageError(MlfError, RuntimeError):
    """A stage's notebook stopped for an unexpected reason."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """A finished run: the executed notebook, its HTML, and the copy in `reports/` if the stage makes a report."""

    stage: str
    folder: Path
    notebook: Path
    html: Path
    report: Path | None


def run_stage(
    project: Project, stage: str, parameters: Mapping[str, object] | None = None, *, report: bool = False
) -> StageRun:
    """Run a stage's notebook on a project and keep the executed copy in `runs/<time>-<stage>/`.

    The executed notebook is saved as it runs, so a run that fails or is stopped with Ctrl-C can be inspected. Its
    metadata (under `mlf`) record the parameters, the versions, and the hashes of code and data. Progress bars appear on
    the terminal.

    Parameters
    ----------
    project
        An open project; its folder becomes the notebook's parameter `project`.
    stage
        One of :data:`pipeline.runs.STAGE_NOTEBOOKS`.
    parameters
        Values (None, text, numbers or truth values) for names that the notebook's `parameters` cell assigns.
    report
        Also put the HTML into `reports/<stage>.html`; stages that make reports always do so.

    Raises
    ------
    ProjectError
        If there is no such stage or parameter, or the notebook has no `parameters` cell.
    MlfError
        If a cell raised one: it has the same type and message.
    StageError
        If a cell raised anything else, or the kernel died.
    """
    import nbformat

    path = stage_notebook(stage)
    notebook = nbformat.read(path, as_version=4)
    declared = declared_parameters(notebook, path.name)
    checked = check_parameters({"project": str(project.root.resolve()), **(parameters or {})}, declared, path.name)
    folder = _new_folder(project, stage)
    executed = folder / path.name
    _execute(project, stage, notebook, executed, checked)
    html = _write_html(executed, stage, project)
    kept = None
    if report or stage in REPORT_STAGES:
        project.reports_dir.mkdir(exist_ok=True)
        take_earlier_names(project.reports_dir, stage, ".html")
        kept = project.reports_dir / f"{stage}.html"
        with whole_file(kept) as unfinished:
            shutil.copyfile(html, unfinished)
        pages = pages_in(project.reports_dir)
        into = [page for page in pages if page.file == kept.name]
        name = project.settings.project.name
        join_pages(project.reports_dir, pages, into=into, project=name, with_script=False)
    return StageRun(stage, folder, executed, html, kept)


def _execute(
    project: Project, stage: str, notebook: NotebookNode, executed: Path, parameters: Mapping[str, Any]
) -> None:
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from pipeline.runs.execution import execute
    from pipeline.runs.record import run_record

    started = datetime.now(UTC)
    notebook.metadata["mlf"] = run_record(project, stage, notebook, parameters) | {"started": _iso(started)}
    outcome = "failed"
    try:
        execute(notebook, executed, parameters, project.root.resolve(), sys.stderr)
        outcome = "done"
    except PapermillExecutionError as error:
        if error.ename == "KeyboardInterrupt":
            outcome = "interrupted"
            raise KeyboardInterrupt from error
        raise _as_ours(error, stage, executed) from error
    except OSError as error:
        raise ProjectError(in_plain_words(error, executed.parent)) from error
    except DeadKernelError as error:
        raise StageError(
            f"stage {stage}: its kernel died, usually because it ran out of memory; what it did is in {executed}"
        ) from error
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise
    finally:
        if outcome != "done":
            _keep_what_there_is(executed, outcome, started, stage, project)
    _close_record(executed, outcome, started)


def _keep_what_there_is(executed: Path, outcome: str, started: datetime, stage: str, project: Project) -> None:
    """Close the record of a failed run; a file that a full disk left half-written is removed."""
    try:
        _close_record(executed, outcome, started)
        _write_html(executed, stage, project)
    except (OSError, ValueError):
        executed.unlink(missing_ok=True)
        with suppress(OSError):
            executed.parent.rmdir()


def _as_ours(error: Any, stage: str, executed: Path) -> MlfError:
    kind = getattr(errors, error.ename, None)
    if isinstance(kind, type) and issubclass(kind, MlfError):
        return kind(f"{error.evalue} (the run is kept in {executed})")
    builtin = getattr(builtins, error.ename, None)
    if isinstance(builtin, type) and issubclass(builtin, OSError | UnicodeError):
        return ProjectError(f"{in_plain_words(error.evalue, executed.parent)} (the run is kept in {executed})")
    return StageError(f"stage {stage} stopped with an unexpected {error.ename}: {error.evalue}; see {executed}")


def _close_record(executed: Path, outcome: str, started: datetime) -> None:
    """Add how the run ended; a run that ended before its first save has no notebook to add it to."""
    import nbformat

    if not executed.exists():
        return
    finished = datetime.now(UTC)
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata["mlf"] |= {
        "outcome": outcome,
        "finished": _iso(finished),
        "duration_s": round((finished - started).total_seconds(), 3),
    }
    with whole_file(executed) as unfinished:
        nbformat.write(notebook, unfinished)


def _write_html(executed: Path, stage: str, project: Project) -> Path:
    import nbformat

    from pipeline.runs.html_report import write_html

    path = executed.with_suffix(".html")
    if executed.exists():
        notebook = nbformat.read(executed, as_version=4)
        state = notebook.metadata.get("mlf", {}).get("state", {}).get("text", "")
        write_html(notebook, path, page_title(stage), project.settings.project.name, file=f"{stage}.html", state=state)
    return path


def _new_folder(project: Project, stage: str) -> Path:
    stamp = datetime.now().astimezone().strftime("%Y-%m-%dT%H-%M-%S")
    for attempt in range(1, 1000):
        folder = project.runs_dir / f"{stamp}-{stage}{'' if attempt == 1 else f'-{attempt}'}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise StageError(f"{project.runs_dir}: no free name for a run of {stage}")


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")
