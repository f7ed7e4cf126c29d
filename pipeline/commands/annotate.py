"""`mlf annotate`: stage 2 on one machine, and the work of refiners in stage 4."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.project.wording import so_many


class RoundName(StrEnum):
    """Which work is opened (the words of :class:`pipeline.votes.words.Round`, without loading it)."""

    ANNOTATION = "annotation"
    REFINEMENT = "refinement"


def annotate(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    annotator: Annotated[str, typer.Option(help="Whose tasks; may be left out where only one person has any.")] = "",
    round_: Annotated[
        RoundName, typer.Option("--round", help="`refinement` opens what `mlf refine --refiners` gave out.")
    ] = RoundName.ANNOTATION,
    port: Annotated[int | None, typer.Option(help="Port on this machine; the first free one from 8888 on.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the browser, where there is one.")] = True,
) -> None:
    """Open the page that one annotator, or refiner, works on; JupyterLab is one click away.

    For one person at a time at one machine. Several people at once each need a session of their own: mlf hub PROJECT.

    Example: mlf annotate birds --annotator ada

    mlf annotate birds --annotator dora --round refinement            (dora decides disputed images)
    """
    from pipeline.project.image_table import open_whole_project
    from pipeline.runs.jupyterlab import annotation_notebook, running_laboratory, wait_for_the_end
    from pipeline.sessions.guidelines import check_guidelines
    from pipeline.stages.annotators import choose_annotator
    from pipeline.votes.words import Round

    opened = open_whole_project(project)
    check_guidelines(opened)
    chosen = Round(round_.value)
    name, progress = choose_annotator(opened, annotator, chosen)
    notebook = annotation_notebook(opened, name, chosen)
    typer.echo(f"{name}: {progress.n_done:,} of {so_many(progress.n_tasks, 'image')} done. Starting …")
    with running_laboratory(opened.root, notebook, port=port, open_browser=browser) as laboratory:
        verb = "Refine" if chosen is Round.REFINEMENT else "Annotate"
        typer.echo(f"{verb} at {laboratory.url}   (Ctrl-C stops it; what was saved is saved)")
        typer.echo(f"The notebook behind it: {laboratory.notebook_url}")
        wait_for_the_end(laboratory)
    typer.echo(f"Stopped. Next: mlf status {shlex.quote(str(project))}")
