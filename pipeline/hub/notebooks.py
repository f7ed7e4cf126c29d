"""The notebooks of a hub's sessions: copies, reduced to the widget where Voilà shows them."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.errors import ProjectError
from pipeline.runs.notebook_files import notebook_path

#: What annotators and refiners land on.
SHOWN = ("2_annotate.ipynb", "4_refine.ipynb")
#: What researchers find in their folder.
FOR_RESEARCHERS = ("progress.ipynb", "explorer.ipynb")


def place_notebooks(folder: Path) -> tuple[str, ...]:
    """Copy the notebooks into a hub's folder, where sessions can read but not change them.

    Parameters
    ----------
    folder
        The folder to copy to.

    Returns
    -------
    tuple of str
        Names of notebooks that this installation lacks.
    """
    missing = []
    for name in (*SHOWN, *FOR_RESEARCHERS):
        try:
            text = notebook_path(name).read_text(encoding="utf-8")
        except ProjectError:
            missing.append(name)
            continue
        target = folder / name
        target.write_text(without_prose(text) if name in SHOWN else text, encoding="utf-8")
        target.chmod(0o644)
    return tuple(missing)


def without_prose(text: str) -> str:
    """Return a notebook's text without its markdown cells: they explain cells that Voilà does not show."""
    notebook = json.loads(text)
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return json.dumps(notebook, indent=1)
