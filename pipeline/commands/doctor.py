"""`mlf doctor`: what is installed, what is missing, and how to mend it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import ProjectError
from pipeline.project.wording import so_many


def doctor(
    project: Annotated[
        Path | None, typer.Argument(help="A project's folder, to look at that as well.", show_default=False)
    ] = None,
) -> object:
    """Look over this machine, and a project: what is there, what is missing, and how to mend it.

    Looked at are Python's packages and the extras, the built widgets, JupyterLab, GPU and models, the browser, what a
    hub needs, and room on the disk; of a project its files' permissions, its history, its store and its hub. Nothing is
    changed. What is missing only rules out what it is for; what is broken ends the command with exit code 2.

    Example: mlf doctor birds
    """
    from pipeline.doctor import State, look_at_machine, look_at_project

    found = look_at_machine() + ([] if project is None else look_at_project(project))
    marks = {
        State.FINE: typer.style("ok", fg="green"),
        State.MISSING: typer.style("--", fg="yellow"),
        State.BROKEN: typer.style("!!", fg="red", bold=True),
    }
    width = max(len(each.subject) for each in found)
    for each in found:
        typer.echo(f"  {marks[each.state]}  {each.subject:<{width}}  {each.told}")
        if each.mend:
            typer.echo(f"      {'':<{width}}  → {each.mend}")
    n_broken = sum(each.state is State.BROKEN for each in found)
    if n_broken:
        raise ProjectError(f"{so_many(n_broken, 'thing')} to mend (marked !! above)").with_figures(found)
    return found
