"""`mlf store`: looking after the log of events in which a project keeps everyone's work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

store = typer.Typer(no_args_is_help=True, help="Look after the store, the log of everyone's work.")


@store.callback()
def _group() -> None:
    """Keep `rebuild` a word of its own: typer makes a group with one command into that command."""


@store.command()
def rebuild(project: Annotated[Path, typer.Argument(help="The project's folder.")]) -> None:
    """Derive every image's current state from the log of events again.

    The log alone is the truth; the states and the lists of what is done are kept beside it so that sessions open
    quickly. If the two ever differ, after a repair by hand or a mistake in the program, this puts the states right.
    No event changes. All of it is one transaction: stopped half-way, nothing has changed. Saving waits while it runs,
    and widgets send what waited.

    Example: mlf store rebuild birds
    """
    from tqdm.auto import tqdm

    from pipeline.project.folder import open_project
    from pipeline.store import open_project_store

    with open_project_store(open_project(project)) as opened, tqdm(unit=" states") as bar:

        def show(n_done: int, n_states: int) -> None:
            bar.total = n_states
            bar.update(n_done - bar.n)

        n_states = opened.rebuild(show)
    typer.echo(f"{n_states:,} states derived from the log")
