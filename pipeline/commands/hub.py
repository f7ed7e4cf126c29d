"""`mlf hub`: a JupyterHub for the people of a project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def hub(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where people log in, on 127.0.0.1; 0: a free one.")
    ] = 8000,
    researchers: Annotated[str, typer.Option(help="Names, separated by commas: JupyterLab, progress.")] = "researcher",
    reviewers: Annotated[str, typer.Option(help="Names, separated by commas: they read the reports.")] = "reviewer",
    refiners: Annotated[str, typer.Option(help="Names beside those who have refinement tasks already.")] = "",
    annotators: Annotated[str, typer.Option(help="Names beside those who have annotation tasks already.")] = "",
    new_password: Annotated[str, typer.Option(help="Names that are to get a new password.")] = "",
    state: Annotated[Path | None, typer.Option(help="Folder for the hub's own files, outside the project.")] = None,
    session_python: Annotated[
        str | None, typer.Option(help="Python of the sessions, where the Hub's own is closed to other accounts.")
    ] = None,
    share_account: Annotated[
        bool, typer.Option(help="As root: run all sessions under root itself. The store is then NOT protected.")
    ] = False,
) -> None:
    """Start a JupyterHub in which everyone with tasks works in a session of their own.

    Makes an account with a random password for each person and prints it once; a forgotten one is replaced with
    --new-password NAME. Annotators land on their own work, refiners on theirs, researchers in JupyterLab, reviewers on
    the reports. Votes go through a service that alone opens the store. Ctrl-C stops everything; nothing is lost by it.

    Example: sudo mlf hub birds --researchers maria --reviewers tom
    """
    from pipeline.assignment.apply import open_project_store
    from pipeline.events import Round
    from pipeline.hub.accounts import Role
    from pipeline.hub.launch import default_state_dir, hub_log, prepare_hub, run_hub
    from pipeline.project import open_project

    opened = open_project(project)
    store = open_project_store(opened)
    given = {
        Role.ANNOTATORS: [*store.annotators_of(Round.ANNOTATION), *_names(annotators)],
        Role.REFINERS: [*store.annotators_of(Round.REFINEMENT), *_names(refiners)],
        Role.RESEARCHERS: _names(researchers),
        Role.REVIEWERS: _names(reviewers),
    }
    store.close()
    people: dict[str, list[Role]] = {}
    for role, names in given.items():
        for name in names:
            people.setdefault(name, []).append(role)
    prepared = prepare_hub(
        opened,
        people,
        state=state or default_state_dir(opened),
        port=port,
        session_python=session_python or "",
        share_account=share_account,
        renew=_names(new_password),
    )
    if prepared.passwords:
        typer.echo("New accounts; the passwords are shown this once:")
        width = max(map(len, prepared.passwords))
        for name, password in prepared.passwords.items():
            roles = ", ".join(prepared.accounts[name].roles)
            typer.echo(f"  {name:<{width}}  {password}  ({roles})")
    for name in prepared.missing_notebooks:
        typer.echo(f"Warning: no {name}; copy it from the source code's notebooks/ to {prepared.state / 'notebooks'}")
    if not prepared.use_own_uids:
        typer.echo(
            "Warning: all sessions run under one account, so a kernel can open the project folder and the store: they "
            "are not protected from the people who log in. Run as root to give every session an account of its own."
        )
    typer.echo(f"Log in at {prepared.url}   (Ctrl-C stops the hub; its files are in {prepared.state})")
    code = run_hub(prepared)
    if code:
        typer.echo(f"The hub does not start (code {code}); its log is {hub_log(prepared.state)}", err=True)
        raise typer.Exit(1)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
