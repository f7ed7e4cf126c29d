"""`mlf backup` and `mlf restore`: copy a project, and bring it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.project.wording import so_many


def backup(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    destination: Annotated[Path, typer.Argument(help="A new folder, best on another disk.")],
    hub: Annotated[
        Path | None, typer.Option(help="Folder of the project's hub, if it was started with --state.")
    ] = None,
) -> object:
    """Copy a project and its hub while people work on it; every vote shown as saved is in the copy.

    The copy is a project of its own, its store one SQLite file even where the project uses PostgreSQL. Images outside
    the project's folder stay where they are. The hub's accounts, log-ins, configuration and home folders are in its
    folder hub-state. Bring everything back with `mlf restore`, or simply open the copy.

    Example: mlf backup birds /mnt/backups/birds-2026-05-01
    """
    from pipeline.errors import ProjectError
    from pipeline.hub.backup import back_up_hub, has_hub
    from pipeline.hub.launch import default_state_dir
    from pipeline.project.folder import open_project
    from pipeline.store.backup import HUB_FOLDER, back_up

    opened = open_project(project)
    state = hub or default_state_dir(opened)
    if hub and not has_hub(hub):
        raise ProjectError(f"--hub {hub}: no hub's state there, or none that this account may read")
    summary = back_up(opened, destination)
    typer.echo(f"{so_many(summary.n_events, 'event')}, {summary.n_bytes / 1e6:,.1f} MB in {summary.folder}")
    if has_hub(state):
        back_up_hub(state, summary.folder / HUB_FOLDER)
        typer.echo(f"the hub's state ({state}) in {summary.folder / HUB_FOLDER}")
    return summary


def restore(
    backup: Annotated[Path, typer.Argument(help="The folder of a backup; it stays as it is.")],
    destination: Annotated[Path, typer.Argument(help="A new folder for the project.")],
    store: Annotated[
        str, typer.Option(help="URL of an empty database for the store; a SQLite file in the folder if left out.")
    ] = "",
    hub: Annotated[
        Path | None, typer.Option(help="A new folder for the hub's state; its usual place if left out.")
    ] = None,
) -> object:
    """Make a project from a backup, after checking that the backup's store is whole; its hub's state, too.

    Example: mlf restore /mnt/backups/birds-2026-05-01 birds
    """
    from pipeline.errors import ProjectError
    from pipeline.hub.backup import restore_hub
    from pipeline.hub.launch import default_state_dir
    from pipeline.project.folder import open_project
    from pipeline.store.backup import HUB_FOLDER
    from pipeline.store.backup import restore as restore_backup

    if not backup.expanduser().is_dir():
        raise ProjectError(f"{backup}: no such folder of a backup; name one that `mlf backup` made")
    summary = restore_backup(backup, destination, store)
    typer.echo(f"{so_many(summary.n_events, 'event')} restored into {summary.folder}")
    copy = backup.expanduser() / HUB_FOLDER
    if not copy.is_dir():
        return summary
    state = hub or default_state_dir(open_project(summary.folder))
    if state.exists() and not hub:
        typer.echo(f"The hub's state in {state} is left as it is; to take the backup's, move it away and give --hub")
        return summary
    restore_hub(copy, state)
    usual = "" if state == default_state_dir(open_project(summary.folder)) else f" --state {state}"
    typer.echo(f"the hub's state restored into {state}; start it with: mlf hub {summary.folder}{usual}")
    return summary
