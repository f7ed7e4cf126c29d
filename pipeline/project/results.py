"""What stages 3 to 6 leave in a project's `results/`: one summary per stage, and a folder of tables beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import DatasetError
from pipeline.project.files import write_table
from pipeline.project.folder import Project
from pipeline.project.result_paths import ResultStage, summary_path, tables_dir, take_earlier_names
from pipeline.project.writing import write_text

Summary = TypeVar("Summary")

_COMMANDS: Mapping[str, str] = {
    "analyze": "mlf analyze",
    "refinement": "mlf refine --refiners NAME,NAME",
    "settle": "mlf settle",
    "evaluate": "mlf evaluate",
    "improve": "mlf improve",
}


def write_results(
    project: Project, stage: ResultStage, summary: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write a stage's tables, then its summary, each in one step.

    Parameters
    ----------
    project
        The project that the results belong to.
    stage
        Names the summary and the folder of tables.
    summary
        Plain values.
    tables
        From file name (`.csv` or `.parquet`) to table.
    """
    take_earlier_names(project.results_dir, stage, "", ".json")
    folder = tables_dir(project, stage)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_table(table, folder / name)
    text = json.dumps(dict(summary), indent=2, allow_nan=False, ensure_ascii=False)
    write_text(summary_path(project, stage), text + "\n")


def has_summary(project: Project, stage: ResultStage) -> bool:
    """Return whether a stage has been run."""
    return summary_path(project, stage).exists()


def read_summary_if_any(project: Project, stage: ResultStage, kind: type[Summary]) -> Summary | None:
    """Return what :func:`read_summary` does, or None if the stage has not been run."""
    return read_summary(project, stage, kind) if has_summary(project, stage) else None


def read_summary(project: Project, stage: ResultStage, kind: type[Summary]) -> Summary:
    """Return a stage's summary.

    Parameters
    ----------
    project
        The project that the results belong to.
    kind
        The dataclass whose fields name the keys to read from the file; further keys are ignored.

    Raises
    ------
    ProjectError
        If the stage has not been run.
    DatasetError
        If the file cannot be read or lacks a figure, as a file from an older version may.
    """
    path = project.require(summary_path(project, stage), _COMMANDS[stage])
    try:
        return TypeAdapter(kind).validate_json(path.read_text("utf-8"))
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise DatasetError(
            f"{path}: {where or 'the file'}: {error.errors()[0]['msg']}; run `{_COMMANDS[stage]} {project.root}` again"
        ) from error
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path}: cannot be read ({error}); run `{_COMMANDS[stage]} {project.root}` again"
        ) from error
