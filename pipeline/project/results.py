"""What stages 3 to 5 leave in a project's `results/`: one summary a stage, and a folder of tables beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from pipeline.errors import DatasetError
from pipeline.project.files import write_table
from pipeline.project.folder import Project

ResultStage = Literal["disagreement", "refinement", "settle", "evaluate"]

_COMMANDS: Mapping[str, str] = {
    "disagreement": "mlf analyze",
    "refinement": "mlf refine --refiners NAME,NAME",
    "settle": "mlf refine",
    "evaluate": "mlf evaluate",
}


def tables_dir(project: Project, stage: ResultStage) -> Path:
    """Return the folder of a stage's tables."""
    return project.results_dir / stage


def summary_path(project: Project, stage: ResultStage) -> Path:
    """Return the path of a stage's summary: plain JSON, undefined figures null."""
    return project.results_dir / f"{stage}.json"


def write_results(
    project: Project, stage: ResultStage, summary: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write a stage's tables, then its summary, each in one step.

    Parameters
    ----------
    project
        Whose results.
    stage
        Names the summary and the folder of tables.
    summary
        Plain values.
    tables
        File name (`.csv` or `.parquet`) to table.
    """
    folder = tables_dir(project, stage)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_table(table, folder / name)
    path = summary_path(project, stage)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(dict(summary), indent=2, allow_nan=False, ensure_ascii=False) + "\n", "utf-8")
    partial.replace(path)


def has_summary(project: Project, stage: ResultStage) -> bool:
    """Return whether a stage has been run."""
    return summary_path(project, stage).exists()


def read_summary(project: Project, stage: ResultStage) -> dict[str, Any]:
    """Return a stage's summary.

    Raises
    ------
    ProjectError
        If the stage has not been run.
    DatasetError
        If the file cannot be read.
    """
    path = project.require(summary_path(project, stage), _COMMANDS[stage])
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"{path}: cannot be read ({error}); run `{_COMMANDS[stage]} {project.root}` again"
        ) from error
    return content
