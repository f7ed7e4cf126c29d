"""The projects of one hub: a service, groups and sessions for each, and where people land who are in several.

The first project has the empty key, and the names that the only project of a hub has: the service is `mlf`, the groups
are `annotators` and so on, a session is a person's default server. A further one is called by its folder: the service
`mlf-fish`, the groups `fish-annotators`, the session `/user/NAME/fish/`. A token reaches the services of its owner's
groups alone, and a session's token the service of its own project alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Account, Role
from pipeline.project.folder import Project

_MAX_KEY = 20


@dataclass(frozen=True)
class HubProject:
    """A project that a hub serves.

    Attributes
    ----------
    key
        Empty for the first project of a hub.
    word
        What it is called on the command line, made of its folder's name; the key of a further project.
    project
        The open project.
    people
        Name to roles in this project.
    """

    key: str
    word: str
    project: Project
    people: Mapping[str, Iterable[Role]]


def words_of(projects: Sequence[Project]) -> list[str]:
    """Return what each project is called, from the name of its folder.

    Raise `ProjectError` if two would be called the same, or one has no letter to be called by.
    """
    words: list[str] = []
    for project in projects:
        name = project.root.resolve().name
        word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_MAX_KEY].strip("-")
        if len(projects) > 1 and (not word or word in words):
            raise ProjectError(
                f"{project.root}: projects of one hub are told apart by the names of their folders, and "
                + (f"two are called {word!r}" if word else f"{name!r} has no letter from a to z")
                + "; rename the folder"
            )
        words.append(word)
    return words


def names_by_project(text: str, words: Sequence[str]) -> list[list[str]]:
    """Return the names in a typed list for each project: NAME is in all of them, PROJECT:NAME in one.

    Raise `ProjectError` if a name is given for a project that the hub does not serve.
    """
    from pipeline.project.names import names_in

    named: list[list[str]] = [[] for _ in words]
    for entry in names_in(text):
        word, parted, name = entry.partition(":")
        if parted and word not in words:
            raise ProjectError(f"{entry}: this hub has no project {word!r}; it has {', '.join(words)}")
        for own, names in zip(words, named, strict=True):
            if not parted or own == word:
                names.extend(names_in(name if parted else entry))
    return named


def service_name(key: str) -> str:
    """Return the name of a project's service, as the Hub knows it."""
    return f"mlf-{key}" if key else "mlf"


def group_prefix(key: str) -> str:
    """Return what a project's groups begin with."""
    return f"{key}-" if key else ""


def landing_page(account: Account, key: str, base_url: str, light: Collection[str] = ()) -> str:
    """Return the address where somebody lands in a project; empty for their default server.

    Parameters
    ----------
    account
        Whose.
    key
        The project.
    base_url
        The hub's path.
    light
        The projects with light sessions.
    """
    roles, service = set(account.roles_in(key)), f"{base_url}services/{service_name(key)}/"
    if roles == {Role.REVIEWERS}:
        return service
    if key in light and Role.RESEARCHERS not in roles:
        return f"{service}work"
    return f"{base_url}hub/spawn/{quote(account.name, safe='')}/{key}" if key else ""


def projects_of(
    account: Account | None, names: Mapping[str, str], base_url: str, light: Collection[str] = ()
) -> list[dict[str, object]]:
    """Return the projects that somebody has a role in, with links, for the page on which they choose.

    Parameters
    ----------
    account
        Whose.
    names
        Key to the project's name.
    base_url
        The hub's path.
    light
        The projects with light sessions.
    """
    found: list[dict[str, object]] = []
    for key, name in names.items() if account is not None else ():
        roles = account.roles_in(key) if account is not None else ()
        if account is None or not roles:
            continue
        own = landing_page(account, key, base_url, light) or f"{base_url}hub/spawn/{quote(account.name, safe='')}"
        links = [{"text": name, "url": own}]
        if {Role.REVIEWERS, Role.RESEARCHERS} & set(roles) and set(roles) != {Role.REVIEWERS}:
            links.append({"text": "Reports", "url": f"{base_url}services/{service_name(key)}/"})
        found.append({"name": name, "roles": [role.value for role in roles], "links": links})
    return found
