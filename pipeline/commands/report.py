"""`mlf report`: a project's reports as a small site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(project: Annotated[Path, typer.Argument(help="The project's folder.")]) -> None:
    """Build a small site from a project's reports.

    Writes `reports/index.html` and the pages that it links: what came of the project in a few sentences, every stage's
    report, progress, all images to filter and sort, the data card (with `croissant.json`) and the provenance. It needs
    nothing beside that folder and no network; the folder can be copied or sent as it is. The data card's texts stand in
    `datacard.md` in the project, to be edited there; they are kept.

    Example: mlf report birds
    """
    from pipeline.project.folder import open_project
    from pipeline.reports.index import write_index

    opened = open_project(project)
    index = write_index(opened)
    for section in index.sections:
        typer.echo(f"{section.title}: {section.path.name if section.path else 'not made yet'}")
        for line in section.lines[:2]:
            typer.echo(f"  {line}")
    typer.echo(f"Report: {index.path}")
