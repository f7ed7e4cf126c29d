"""`mlf hub`: a JupyterHub for the people of a project."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.hub.launch import PreparedHub


def hub(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where people log in, on 127.0.0.1; 0: a free one.")
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(
            help="Address by which people come, as https://hub.example.org: each session then is an origin of its own, "
            "NAME.hub.example.org, which names and certificate must cover."
        ),
    ] = "",
    researchers: Annotated[str, typer.Option(help="Names, separated by commas: JupyterLab, progress.")] = "researcher",
    reviewers: Annotated[str, typer.Option(help="Names, separated by commas: they read the reports.")] = "reviewer",
    refiners: Annotated[str, typer.Option(help="More names, besides those who have refinement tasks already.")] = "",
    annotators: Annotated[str, typer.Option(help="More names, besides those who have annotation tasks already.")] = "",
    new_password: Annotated[
        str, typer.Option(help="Names that get a new password; their log-ins, tokens and sessions end.")
    ] = "",
    remove: Annotated[
        str, typer.Option(help="Names whose account goes, with its log-ins, tokens and session; votes and home stay.")
    ] = "",
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

    An account that nobody names any more stays, and is told of at the start, until --remove NAME takes it away.
    Undecided images of somebody who leaves go to others before: mlf assign birds --from ben --to ada,cleo

    Example: sudo mlf hub birds --researchers maria --reviewers tom
    """
    from pipeline.hub.accounts import Role, read_removed
    from pipeline.hub.exposed import exposed_folders
    from pipeline.hub.launch import default_state_dir, hub_log, prepare_hub, run_hub
    from pipeline.hub.people import check_removal, gather_people, unrefined_of_removed
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.names import names_in
    from pipeline.store import open_project_store
    from pipeline.votes.words import Round

    opened = open_whole_project(project)
    state = state or default_state_dir(opened)
    with open_project_store(opened) as store:
        tasks = {
            Role.ANNOTATORS: store.annotators_of(Round.ANNOTATION),
            Role.REFINERS: store.annotators_of(Round.REFINEMENT),
        }
    named = {
        Role.ANNOTATORS: names_in(annotators),
        Role.REFINERS: names_in(refiners),
        Role.RESEARCHERS: names_in(researchers),
        Role.REVIEWERS: names_in(reviewers),
    }
    leaving = names_in(remove)
    check_removal(leaving, named, tasks, project)
    gone = read_removed(state / "private" / "accounts.json")
    now_leaving = [name for name in leaving if name not in gone]
    prepared = prepare_hub(
        opened,
        gather_people(named, tasks, [*gone, *leaving]),
        state=state,
        port=port,
        host=host,
        session_python=session_python or "",
        share_account=share_account,
        renew=names_in(new_password),
        remove=now_leaving,
    )
    refiners_tasks = tasks[Role.REFINERS]
    _tell_of_accounts(prepared, now_leaving, unrefined_of_removed(now_leaving, refiners_tasks))
    still_gone = [name for name in gone if name not in prepared.accounts]
    _tell_of_the_gone(still_gone, leaving, unrefined_of_removed(still_gone, refiners_tasks), named[Role.REFINERS])
    _tell_of_shared_uids(prepared)
    for name in prepared.missing_notebooks:
        typer.echo(f"Warning: no {name}; copy it from the source code's notebooks/ to {prepared.state / 'notebooks'}")
    if not prepared.use_own_uids:
        typer.echo(
            "Warning: all sessions run under one account, so a kernel can open the project folder and the store: they "
            "are not protected from the people who log in. Run as root to give every session an account of its own."
        )
    elif exposed := exposed_folders(opened):
        typer.echo(
            f"Warning: every account of this machine can read {' and '.join(map(str, exposed))}, and with it images of "
            "others' tasks and, where folders are named after classes, their original labels. The hub does not need "
            f"that: chmod o-rx {shlex.join(map(str, exposed))}"
        )
    scientists = [name for name, account in prepared.accounts.items() if Role.RESEARCHERS in account.roles]
    if scientists and not host:
        typer.echo(
            f"Note: researchers ({', '.join(scientists)}) run code, at the same web address as all others: a page of "
            "theirs that somebody opens can act as that person. Give --host to part them, or name only whom all trust."
        )
    typer.echo(f"Log in at {prepared.url}   (Ctrl-C stops the hub; its files are in {prepared.state})")
    code = run_hub(prepared)
    if code:
        typer.echo(f"The hub does not start (code {code}); its log is {hub_log(prepared.state)}", err=True)
        raise typer.Exit(1)


def _tell_of_accounts(prepared: PreparedHub, removed: Sequence[str], n_unrefined: Mapping[str, int]) -> None:
    if prepared.passwords:
        typer.echo("New passwords; they are shown this once:")
        width = max(map(len, prepared.passwords))
        for name, password in prepared.passwords.items():
            roles = ", ".join(prepared.accounts[name].roles)
            typer.echo(f"  {name:<{width}}  {password}  ({roles})")
    for name in removed:
        home, n = prepared.kept_homes.get(name), n_unrefined.get(name)
        typer.echo(
            f"Removed: {name}. Votes stay in the store"
            + (f", the home folder at {home}; delete it before somebody else gets this name" if home else "")
            + (f". Disputed images that they leave undecided: {n:,}; the votes settle these" if n else "")
        )
    if prepared.unnamed:
        names = ", ".join(f"{name} ({', '.join(prepared.accounts[name].roles)})" for name in prepared.unnamed)
        option = shlex.quote(",".join(prepared.unnamed))
        typer.echo(
            f"Nobody named these this time, and they can still log in: {names}; to end that, add --remove {option}"
        )


def _tell_of_the_gone(
    gone: Sequence[str], leaving: Collection[str], n_unrefined: Mapping[str, int], refiners: Sequence[str]
) -> None:
    if again := [name for name in gone if name in leaving]:
        typer.echo(f"Removed already, by an earlier command: {', '.join(again)}; nothing was left to change")
    if n_unrefined:
        names = ", ".join(f"{name} ({n:,})" for name, n in n_unrefined.items())
        option = shlex.quote(",".join([*refiners, *n_unrefined]))
        typer.echo(
            f"Removed, with disputed images that they have not decided: {names}. They cannot log in, and the votes "
            f"settle these; to bring them back, start with --refiners {option}"
        )


def _tell_of_shared_uids(prepared: PreparedHub) -> None:
    from pipeline.hub.people import find_shared_uids

    for shared in find_shared_uids(prepared.accounts, prepared.state) if prepared.use_own_uids else ():
        typer.echo(
            f"Warning: the numeric account {shared.uid} is {shared.name} here and {shared.other} at the hub in "
            f"{shared.state}, from before: each can open what the other has in their home folder. To separate them, "
            "remove one of the two with --remove, delete their home folder, and name them again"
        )
