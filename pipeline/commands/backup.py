"""`mlf backup` and `mlf restore`: copy a project, and bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def backup(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    destination: Annotated[Path, typer.Argument(help="A new folder, best on another disk.")],
) -> None:
    """Copy a project while people work on it; every vote shown as saved is in the copy.

    The copy is a project of its own, its store one SQLite file even where the project uses PostgreSQL. Images outside
    the project's folder stay where they are. Bring it back with `mlf restore`, or simply open it.

    Example: mlf backup birds /mnt/backups/birds-2026-05-01
    """
    from pipeline.project.folder import open_project
    from pipeline.store.backup import back_up

    summary = back_up(open_project(project), destination)
    typer.echo(f"{summary.n_events:,} events, {summary.n_bytes / 1e6:,.1f} MB in {summary.folder}")


def restore(
    backup: Annotated[Path, typer.Argument(help="The folder of a backup; it stays as it is.")],
    destination: Annotated[Path, typer.Argument(help="A new folder for the project.")],
    store: Annotated[
        str, typer.Option(help="URL of an empty database for the store; a SQLite file in the folder if left out.")
    ] = "",
) -> None:
    """Make a project from a backup, after checking that the backup's store is whole.

    Example: mlf restore /mnt/backups/birds-2026-05-01 birds
    """
    from pipeline.errors import ProjectError
    from pipeline.store.backup import restore as restore_backup

    if not backup.expanduser().is_dir():
        raise ProjectError(f"{backup}: no such folder of a backup; name one that `mlf backup` made")
    summary = restore_backup(backup, destination, store)
    typer.echo(f"{summary.n_events:,} events restored into {summary.folder}")
