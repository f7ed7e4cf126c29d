"""`mlf annotate`: stage 2 on one machine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def annotate(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    annotator: Annotated[str, typer.Option(help="Whose tasks; may be left out where only one person has any.")] = "",
    port: Annotated[int | None, typer.Option(help="Port on this machine; the first free one from 8888 on.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the browser, where there is one.")] = True,
) -> None:
    """Start JupyterLab at the annotation notebook of one annotator.

    For one person at a time at one machine. Several people at once each need a session of their own: mlf hub PROJECT.

    Example: mlf annotate birds --annotator ada
    """
    from pipeline.annotators import choose_annotator
    from pipeline.image_table import open_whole_project
    from pipeline.laboratory import annotation_notebook, running_laboratory, wait_for_the_end

    opened = open_whole_project(project)
    name, progress = choose_annotator(opened, annotator)
    notebook = annotation_notebook(opened, name)
    typer.echo(f"{name}: {progress.n_done:,} of {progress.n_tasks:,} images done. Starting JupyterLab …")
    with running_laboratory(opened.root, notebook, port=port, open_browser=browser) as laboratory:
        typer.echo(f"Annotate at {laboratory.url}   (Ctrl-C stops it; what was saved is saved)")
        wait_for_the_end(laboratory)
    typer.echo(f"Stopped. Next: mlf status {shlex.quote(str(project))}")
