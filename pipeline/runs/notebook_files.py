"""Which notebook runs each stage, and where it is: `notebooks/` in a checkout, or the copy in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ProjectError
from pipeline.project.names import did_you_mean

_PACKAGE = Path(__file__).parents[1]
#: A checkout's folder comes first: whoever edits a notebook there wants to see the edit.
_FOLDERS = (_PACKAGE.parent / "notebooks", _PACKAGE / "notebooks")
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


def notebooks_dir() -> Path:
    """Return the folder that holds the notebooks; raise `ProjectError` if this installation has none."""
    for folder in _FOLDERS:
        if (folder / "1_propose.ipynb").is_file():
            return folder
    raise ProjectError(
        f"this installation has no notebooks (looked in {', '.join(map(str, _FOLDERS))}); install multilabelfy again"
    )


def notebook_path(name: str) -> Path:
    """Return the path of a notebook, given its file name (`1_propose.ipynb`).

    Raise `ProjectError` if there is none of that name; the message lists the existing ones.
    """
    path = notebooks_dir() / name
    if not path.is_file():
        known = ", ".join(sorted(found.name for found in path.parent.glob("*.ipynb")))
        raise ProjectError(f"no notebook is called {name!r}; there are {known}")
    return path


def stage_notebook(stage: str) -> Path:
    """Return the path of a stage's notebook; raise `ProjectError` if there is no such stage."""
    if stage not in STAGE_NOTEBOOKS:
        hint = did_you_mean(stage, STAGE_NOTEBOOKS, f"there are {', '.join(STAGE_NOTEBOOKS)}")
        raise ProjectError(f"no stage is called {stage!r}; {hint}")
    return notebook_path(STAGE_NOTEBOOKS[stage])
