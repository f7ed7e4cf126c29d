"""`mlf report`: all of a project's reports on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(project: Annotated[Path, typer.Argument(help="The project's folder.")]) -> None:
    """Put a project's reports on one page, with the headline of each.

    Writes `reports/index.html`, which links the reports of stages 3 to 5 that are there. It needs nothing beside that
    folder, which can be copied or sent as it is.

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
