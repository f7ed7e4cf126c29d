"""An executed notebook as one self-contained HTML file: no code, no scripts from elsewhere, no network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.project.writing import write_text
from pipeline.runs.page import framed

if TYPE_CHECKING:
    from nbformat import NotebookNode


def write_html(notebook: NotebookNode, path: Path, title: str, project: str, *, file: str, state: str = "") -> None:
    """Write an executed notebook as HTML with its code hidden.

    Standard error (progress bars, warnings) is left out except where a cell failed; the notebook keeps it.

    Parameters
    ----------
    notebook
        The executed notebook.
    path
        The file to write, in one step.
    title
        The title of the page.
    project
        The project's name.
    file
        Its name among the project's reports.
    state
        Which state of the project the page shows; written at its end.
    """
    from nbconvert.exporters import HTMLExporter
    from traitlets.config import Config

    exporter = HTMLExporter(
        config=Config(
            HTMLExporter={
                "template_name": "basic",
                "exclude_input": True,
                "exclude_input_prompt": True,
                "exclude_output_prompt": True,
                "embed_images": True,
                # Nothing may be fetched: reports are read offline, and in the Hub in a sandbox without scripts.
                "require_js_url": "",
                "jquery_url": "",
                "mathjax_url": "",
                "sanitize_html": False,
            }
        )
    )
    body, _ = exporter.from_notebook_node(_for_reading(notebook), resources={"metadata": {"name": title}})
    without_scripts = re.sub(r"<(script|style)\b.*?</\1>", "", body, flags=re.DOTALL | re.IGNORECASE)
    write_text(path, framed(title, without_scripts, file=file, project=project, state=state))


def _for_reading(notebook: NotebookNode) -> NotebookNode:
    from copy import deepcopy

    shown = deepcopy(notebook)
    shown.metadata.pop("widgets", None)
    for cell in shown.cells:
        outputs = cell.get("outputs", [])
        if any(output.output_type == "error" for output in outputs):
            continue
        cell_outputs = [o for o in outputs if not (o.output_type == "stream" and o.name == "stderr")]
        if "outputs" in cell:
            cell.outputs = cell_outputs
    return shown
