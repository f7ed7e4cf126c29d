"""`mlf hub`: a JupyterHub for the people of a project."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipeline.annotation.session import Progress
    from pipeline.hub.accounts import Account, Role
    from pipeline.hub.launch import PreparedHub
    from pipeline.hub.people import PeopleOfHub
    from pipeline.hub.projects import HubProject
    from pipeline.project.folder import Project


def hub(
    projects: Annotated[
        list[Path], typer.Argument(metavar="PROJECT [PROJECT …]", help="The project's folder; several share one hub.")
    ],
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
    path: Annotated[
        str, typer.Option(help="Path below which the hub lies, as /birds/; it stays. Left out: made from the name.")
    ] = "",
    researchers: Annotated[
        str | None,
        typer.Option(help="Names, separated by commas: board, stages, JupyterLab.", show_default="researcher"),
    ] = None,
    reviewers: Annotated[
        str | None, typer.Option(help="Names, separated by commas: they read the reports.", show_default="reviewer")
    ] = None,
    refiners: Annotated[str, typer.Option(help="More names, besides those who have refinement tasks already.")] = "",
    annotators: Annotated[str, typer.Option(help="More names, besides those who have annotation tasks already.")] = "",
    idle_minutes: Annotated[
        float,
        typer.Option(min=0, help="A session of which nobody has a page open for so long ends; 0: none does."),
    ] = 60,
    new_password: Annotated[
        str, typer.Option(help="Names that get a new password; their log-ins, tokens and sessions end.")
    ] = "",
    remove: Annotated[
        str, typer.Option(help="Names whose account goes, with its log-ins, tokens and session; votes and home stay.")
    ] = "",
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Start nothing; print the lines that an existing JupyterHub needs.")
    ] = False,
    print_values: Annotated[
        bool, typer.Option("--print-values", help="The same for the values of Zero to JupyterHub, on Kubernetes.")
    ] = False,
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
    --new-password NAME. Annotators land on their own work, refiners on theirs, researchers on the board, reviewers on
    the reports. Votes go through a service that alone opens the store. Ctrl-C stops everything; nothing is lost by it.

    While it runs, the same command in another terminal changes its people: whoever has got tasks by now, or is named,
    gets an account at once; --remove and --new-password work at once, too.

    An account that nobody names any more stays, and is told of at the start, until --remove NAME takes it away.
    Undecided images of somebody who leaves go to others before: mlf assign birds --from ben --to ada,cleo

    Several projects share one hub: whoever is in more than one lands on a page where they choose. A name is then given
    for all of them, or for one as PROJECT:NAME.

    mlf hub birds fish --researchers maria --reviewers fish:ada

    Example: sudo mlf hub birds --researchers maria --reviewers tom
    """
    from collections import Counter

    from pipeline.errors import ServiceError
    from pipeline.hub.accounts import Role, read_removed
    from pipeline.hub.launch import default_state_dir, hub_log, prepare_hub, run_hub
    from pipeline.hub.people import check_removal, gather_people, unrefined_of_removed
    from pipeline.hub.projects import HubProject, names_by_project, words_of
    from pipeline.hub.running import change_people, is_running
    from pipeline.project.image_table import open_whole_project
    from pipeline.project.names import names_in

    opened = [open_whole_project(project) for project in projects]
    words = words_of(opened)
    first, state = opened[0], state or default_state_dir(opened[0])
    is_up = not (print_config or print_values) and is_running(state)
    given = {
        Role.ANNOTATORS: annotators,
        Role.REFINERS: refiners,
        Role.RESEARCHERS: ("" if is_up else "researcher") if researchers is None else researchers,
        Role.REVIEWERS: ("" if is_up else "reviewer") if reviewers is None else reviewers,
    }
    in_each = {
        role: names_by_project(text, words) if len(words) > 1 else [names_in(text)] for role, text in given.items()
    }
    leaving, is_printed = names_in(remove), print_config or print_values
    gone = read_removed(state / "private" / "accounts.json")
    served, unrefined = [], Counter[str]()
    for number, (each, word) in enumerate(zip(opened, words, strict=True)):
        named = {role: names[number] for role, names in in_each.items()}
        tasks = _tasks(each)
        if not is_printed:
            check_removal(leaving, named, tasks, projects[number])
        people = gather_people(named, tasks, [] if is_printed else [*gone, *leaving])
        served.append(HubProject(word if number else "", word, each, people))
        unrefined.update(unrefined_of_removed([*gone, *leaving], tasks[Role.REFINERS]))
    if is_printed:
        _print_for_another_hub(served, state / "joined", is_config=print_config, is_values=print_values)
        return
    now_leaving = [name for name in leaving if name not in gone]
    n_left = {name: unrefined[name] for name in now_leaving if unrefined[name]}
    if is_up:
        changed = change_people(served, state=state, renew=names_in(new_password), remove=now_leaving)
        _tell_of_accounts(changed, now_leaving, n_left, served)
        _tell_of_the_gone(gone, leaving, {}, [])
        typer.echo("The hub runs on with these people. Its address and other settings change when it is started again.")
        return
    prepared = prepare_hub(
        first,
        served[0].people,
        state=state,
        further=served[1:],
        port=port,
        host=host,
        path=path,
        idle_minutes=idle_minutes,
        session_python=session_python or "",
        share_account=share_account,
        renew=names_in(new_password),
        remove=now_leaving,
    )
    _tell_of_accounts(prepared, now_leaving, n_left, served)
    _tell_of_the_unnamed(prepared, served)
    still_gone = [name for name in gone if name not in prepared.accounts]
    left = {name: unrefined[name] for name in still_gone if unrefined[name]}
    _tell_of_the_gone(still_gone, leaving, left, names_in(refiners))
    _warn(prepared, served, host)
    typer.echo(f"Log in at {prepared.url}   (Ctrl-C stops the hub; its files are in {prepared.state})")
    code = run_hub(prepared)
    if code:
        raise ServiceError(f"the hub does not start (code {code}); its log, {hub_log(prepared.state)}, says why")


def _print_for_another_hub(served: Sequence[HubProject], folder: Path, *, is_config: bool, is_values: bool) -> None:
    from pipeline.errors import ProjectError
    from pipeline.hub.joining import lines_to_add, values_to_add
    from pipeline.hub.launch import service_command

    if len(served) > 1:
        raise ProjectError("--print-config and --print-values print what one project needs; name one")
    [only] = served
    if is_config:
        typer.echo(lines_to_add(only.project, only.people, folder, service_command(only.project)))
    if is_values:
        typer.echo(values_to_add(only.people))


def _warn(prepared: PreparedHub, served: Sequence[HubProject], host: str) -> None:
    """Tell what is missing, or protects less than it could."""
    from pipeline.hub.accounts import Role
    from pipeline.hub.exposed import exposed_folders

    _tell_of_shared_uids(prepared)
    for name in prepared.missing_notebooks:
        typer.echo(f"Warning: no {name}; copy it from the source code's notebooks/ to {prepared.state / 'notebooks'}")
    if not prepared.use_own_uids:
        typer.echo(
            "Warning: all sessions run under one account, so a kernel can open the project folder and the store: they "
            "are not protected from the people who log in. Run as root to give every session an account of its own."
        )
    elif exposed := sorted({folder for each in served for folder in exposed_folders(each.project)}):
        typer.echo(
            f"Warning: every account of this machine can read {' and '.join(map(str, exposed))}, and with it images of "
            "others' tasks and, where folders are named after classes, their original labels. The hub does not need "
            f"that: chmod o-rx {shlex.join(map(str, exposed))}"
        )
    scientists = [
        name
        for name, account in prepared.accounts.items()
        if any(Role.RESEARCHERS in account.roles_in(each.key) for each in served)
    ]
    if scientists and not host:
        typer.echo(
            f"Note: researchers ({', '.join(scientists)}) run code, at the same web address as all others: a page of "
            "theirs that somebody opens can act as that person. Give --host to part them, or name only whom all trust."
        )


def _tasks(project: Project) -> dict[Role, Mapping[str, Progress]]:
    from pipeline.hub.accounts import Role
    from pipeline.store import open_project_store
    from pipeline.votes.words import Round

    with open_project_store(project) as store:
        return {
            Role.ANNOTATORS: store.annotators_of(Round.ANNOTATION),
            Role.REFINERS: store.annotators_of(Round.REFINEMENT),
        }


def _roles(account: Account, served: Sequence[HubProject]) -> str:
    """Return somebody's roles in words, by project where there are several."""
    if len(served) == 1:
        return ", ".join(account.roles)
    own = ((each.word, account.roles_in(each.key)) for each in served)
    return "; ".join(f"{word}: {', '.join(roles)}" for word, roles in own if roles)


def _tell_of_accounts(
    prepared: PeopleOfHub, removed: Sequence[str], n_unrefined: Mapping[str, int], served: Sequence[HubProject]
) -> None:
    if prepared.passwords:
        typer.echo("New passwords; they are shown this once:")
        width = max(map(len, prepared.passwords))
        for name, password in prepared.passwords.items():
            typer.echo(f"  {name:<{width}}  {password}  ({_roles(prepared.accounts[name], served)})")
    for name in removed:
        home, n = prepared.kept_homes.get(name), n_unrefined.get(name)
        typer.echo(
            f"Removed: {name}. Votes stay in the store"
            + (f", the home folder at {home}; delete it before somebody else gets this name" if home else "")
            + (f". Disputed images that they leave undecided: {n:,}; the votes settle these" if n else "")
        )
    _tell_of_what_runs_on(prepared, removed)


def _tell_of_what_runs_on(people: PeopleOfHub, removed: Sequence[str]) -> None:
    """Tell what of those who were removed or got a new password has not ended with their sessions."""
    from itertools import chain

    from pipeline.hub.accounts import Role
    from pipeline.hub.leftovers import left_under
    from pipeline.project.names import first_few, on_one_line

    logged_out = {name: people.accounts[name] for name in people.passwords} | dict(people.removed)
    for name, account in logged_out.items():
        if people.use_own_uids and (left := left_under(account.uid)):
            commands = first_few((f"{pid} {on_one_line(command)[:60]}" for pid, command in left.items()), 3)
            typer.echo(
                f"Still running under the number of {name}'s account, {account.uid}: {commands}. It left its session, "
                f"and has no token; if none of it is another program's: pkill -U {account.uid}"
            )
    parts = {name: {*account.roles, *chain(*account.further.values())} for name, account in people.removed.items()}
    scientists = [name for name in removed if Role.RESEARCHERS in parts.get(name, ())]
    if scientists:
        typer.echo(
            f"A stage that {' or '.join(scientists)} started on the board goes on: the board shows it to the other "
            "researchers, who can stop it"
        )


def _tell_of_the_unnamed(prepared: PreparedHub, served: Sequence[HubProject]) -> None:
    if prepared.unnamed:
        names = ", ".join(f"{name} ({_roles(prepared.accounts[name], served)})" for name in prepared.unnamed)
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
