"""Which notebook runs each stage, and which stages make a report."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ProjectError
from pipeline.project.names import did_you_mean
from pipeline.runs.notebook_files import notebook_path

#: From stage to file name, in order; `2_annotate.ipynb` and `4_refine.ipynb` are left out, since people work in them.
STAGE_NOTEBOOKS = {
    "propose": "1_propose.ipynb",
    "analyze": "3_analyze.ipynb",
    "settle": "4_settle.ipynb",
    "evaluate": "5_evaluate.ipynb",
    "improve": "6_improve.ipynb",
}
#: Stages whose HTML is also kept in the project's `reports/`.
REPORT_STAGES = ("analyze", "settle", "evaluate", "improve")


def stage_notebook(stage: str) -> Path:
    """Return the path of a stage's notebook; raise `ProjectError` if there is no such stage."""
    if stage not in STAGE_NOTEBOOKS:
        hint = did_you_mean(stage, STAGE_NOTEBOOKS, f"there are {', '.join(STAGE_NOTEBOOKS)}")
        raise ProjectError(f"no stage is called {stage!r}; {hint}")
    return notebook_path(STAGE_NOTEBOOKS[stage])
