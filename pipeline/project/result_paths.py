"""Where stages 3 to 6 leave what they found: names of files and folders, those of older versions too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pipeline.project.folder import Project

ResultStage = Literal["analyze", "refinement", "settle", "evaluate", "improve"]
#: What a stage was called in older versions.
EARLIER_NAMES: Mapping[str, str] = {"analyze": "disagreement"}


def tables_dir(project: Project, stage: ResultStage) -> Path:
    """Return the folder of a stage's tables."""
    return project.results_dir / stage


def summary_path(project: Project, stage: ResultStage) -> Path:
    """Return the path of a stage's summary: plain JSON, undefined figures null.

    In an older project it still has the stage's former name.
    """
    return _newest(project.results_dir, stage, ".json")


def report_path(project: Project, stage: ResultStage) -> Path:
    """Return the path of a stage's report; in an older project, it has the stage's former name."""
    return _newest(project.reports_dir, stage, ".html")


def take_earlier_names(folder: Path, stage: str, *endings: str) -> None:
    """Rename what an older version of a stage left in a folder: two results of one stage could contradict each other.

    Parameters
    ----------
    folder
        The project's `results/` or `reports/`.
    stage
        The stage that is about to write there.
    endings
        Endings of the names, such as `.json`; empty for the folder of tables.
    """
    for ending in endings:
        path = _newest(folder, stage, ending)
        if path.exists():
            path.rename(folder / f"{stage}{ending}")


def _newest(folder: Path, stage: str, ending: str) -> Path:
    path = folder / f"{stage}{ending}"
    earlier = folder / f"{EARLIER_NAMES.get(stage, stage)}{ending}"
    return earlier if earlier.exists() and not path.exists() else path
