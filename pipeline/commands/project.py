"""`mlf project`: what concerns a project as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

project = typer.Typer(no_args_is_help=True, help="What concerns a project as a whole: its upgrade, its history.")

Root = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.")]


@project.command()
def upgrade(
    root: Root,
    backup: Annotated[
        Path | None, typer.Option(help="A new folder for the copy that is made first; left out, beside the project.")
    ] = None,
    by: Annotated[str, typer.Option(help="Who does it; left out, the account that runs the command.")] = "",
) -> None:
    """Bring a project of an older version up to date, after a copy of all of it.

    To go back, use the copy with the older version; votes given since the upgrade are in the project alone.

    Example: mlf project upgrade birds --backup /mnt/backups/birds-before
    """
    from pipeline.project.image_table import open_whole_project
    from pipeline.stages.upgrade import upgrade_project

    outcome = upgrade_project(open_whole_project(root), backup, by=by)
    if outcome.backup is None:
        typer.echo(f"{root} is up to date")
        return
    typer.echo(f"Copied to {outcome.backup} as it was")
    for step in outcome.steps:
        typer.echo(f"  {step}")


@project.command()
def history(root: Root) -> object:
    """Show every change of a project: its number, when, by whom and what; a history that was tampered with is refused.

    Example: mlf project history birds
    """
    from pipeline.project.history import read_history
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.state import project_state

    opened = open_whole_project(root)
    changes = list(read_history(opened.root))
    for change in changes:
        typer.echo(f"{change.number:>5}  {change.at[:16].replace('T', ' ')}  {change.by}: {change.text}")
    typer.echo(str(project_state(opened)))
    return {"changes": changes, "state": project_state(opened)}
