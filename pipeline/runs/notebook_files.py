"""Where the stage notebooks are: `notebooks/` in a checkout, or the copy in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import ProjectError

_PACKAGE = Path(__file__).parents[1]
#: A checkout's folder comes first: whoever edits a notebook there wants to see the edit.
_FOLDERS = (_PACKAGE.parent / "notebooks", _PACKAGE / "notebooks")


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
