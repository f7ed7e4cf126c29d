"""An executed notebook as one self-contained HTML file: no code, no scripts from elsewhere, no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.project.writing import write_text

if TYPE_CHECKING:
    from nbformat import NotebookNode

#: Added to nbconvert's own style, so that the page is comfortable to read and its lines do not get too long.
_STYLE = """
<style>
body.jp-Notebook { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
.jp-InputPrompt, .jp-OutputPrompt, .jp-Collapser { display: none; }
.jp-Cell { padding: 0; }
.jp-OutputArea-output img, .jp-RenderedHTMLCommon img { max-width: 100%; height: auto; }
.jp-RenderedHTMLCommon table { display: block; overflow-x: auto; max-width: 100%; margin-left: 0; }
.jp-RenderedHTMLCommon figure { margin: 1rem 0; }
.jp-RenderedHTMLCommon figcaption { color: var(--jp-content-font-color2); max-width: 45rem; }
@media print { body.jp-Notebook { max-width: none; } }
</style>
"""


def write_html(notebook: NotebookNode, path: Path, title: str) -> None:
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
    """
    from nbconvert.exporters import HTMLExporter
    from traitlets.config import Config

    exporter = HTMLExporter(
        config=Config(
            HTMLExporter={
                "template_name": "lab",
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
    write_text(path, _finish(body))


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


def _finish(body: str) -> str:
    """Drop nbconvert's scripts, none of which a report needs, and add the style."""
    import re

    without_scripts = re.sub(r"<script\b.*?</script>", "", body, flags=re.DOTALL | re.IGNORECASE)
    return without_scripts.replace("</head>", f"{_STYLE}</head>", 1)
