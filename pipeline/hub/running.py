"""Changing the people of a hub while it runs: who joins can log in at once, who leaves is logged out at once.

The accounts file is what counts. The Hub has a memory of its own for who exists, who is in which group and whose
log-ins are valid; after the file was written, it is told what differs. If that is cut off, the same command again finds
what still differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Account, Role, home_folder, read_accounts, read_removed, write_accounts
from pipeline.hub.config_file import PEOPLE_FILE
from pipeline.hub.launch import alone
from pipeline.hub.leftovers import LeftServer, end_servers
from pipeline.hub.people import PeopleOfHub, change_accounts, uids_beside
from pipeline.hub.projects import HubProject, group_prefix
from pipeline.hub.sockets import HubSockets

#: Seconds that a session may take to end.
_PATIENCE_S = 60.0
#: People that the Hub names at a time.
_PAGE = 50


def is_running(state: Path) -> bool:
    """Return whether a hub runs that keeps its files in `state`."""
    if not (state / "private" / "hub.json").exists():
        return False
    try:
        with alone(state):
            return False
    except ProjectError:
        return True


def change_people(
    projects: Sequence[HubProject], *, state: Path, renew: Iterable[str] = (), remove: Iterable[str] = ()
) -> PeopleOfHub:
    """Give accounts to those who join a running hub, and take them from those who leave.

    Nobody loses a role by it: whoever is not named keeps theirs, and whoever is gets further ones. Log-ins, tokens and
    sessions of those who are removed or get a new password have ended when this returns.

    Parameters
    ----------
    projects
        The projects that the hub serves, each with the people who have a part in it now.
    state
        The hub's folder.
    renew
        Names that get a new password.
    remove
        Names whose accounts are removed.

    Raises
    ------
    ProjectError
        If the hub serves other projects or is of an earlier version, does not answer, or if a name cannot be renewed
        or removed.
    """
    state = state.resolve()
    private = state / "private"
    hub = json.loads((private / "hub.json").read_text(encoding="utf-8"))
    _check_projects(projects, hub)
    with alone(state, "people"):
        accounts = read_accounts(private / "accounts.json")
        people = {each.key: _with_earlier_roles(each, accounts, set(remove)) for each in projects}
        changes = change_accounts(
            accounts,
            people.pop(""),
            renew=tuple(renew),
            remove=tuple(remove),
            homes=state / "homes",
            others=uids_beside(state),
            further=people,
        )
        with _Hub(hub, private / PEOPLE_FILE) as known:
            removed = {*read_removed(private / "accounts.json"), *changes.removed}
            write_accounts(changes.accounts, private / "accounts.json", removed)  # now old passwords open nothing
            try:
                logged_out = [n for n in known.people() if n in changes.passwords or n not in changes.accounts]
                for name in logged_out:
                    known.forget(name)
                end_servers([LeftServer(name, home_folder(state / "homes", name)) for name in logged_out])
                known.take_in(changes.accounts)
            except ProjectError as error:
                if not changes.passwords:
                    raise
                # They count already, and are kept nowhere else.
                new = ", ".join(f"{name} {password}" for name, password in changes.passwords.items())
                raise ProjectError(f"{error}. These passwords are new, and are shown this once: {new}") from error
    return PeopleOfHub.after(changes, state, use_own_uids=hub["use_own_uids"])


def _check_projects(projects: Sequence[HubProject], hub: Mapping[str, Any]) -> None:
    served = {project["key"]: hub["known_projects"][project["key"]] for project in hub["projects"]}
    if served != {each.key: each.project.settings.project.id for each in projects}:
        names = ", ".join(project["name"] for project in hub["projects"])
        raise ProjectError(
            f"this hub is running, and serves: {names}; name the same projects in the same order to change its people, "
            "or stop it first (Ctrl-C where `mlf hub` runs)"
        )


def _with_earlier_roles(
    project: HubProject, accounts: Mapping[str, Account], leaving: set[str]
) -> dict[str, tuple[Role, ...]]:
    earlier = {name: account.roles_in(project.key) for name, account in accounts.items() if name not in leaving}
    named = {name: tuple(roles) for name, roles in project.people.items()}
    return {
        name: (*earlier.get(name, ()), *named.get(name, ()))
        for name in {**earlier, **named}
        if earlier.get(name) or named.get(name)
    }


class _Hub:
    """The running Hub's memory of people, read and changed through its API, with a token that `private` keeps.

    Parameters
    ----------
    hub
        What is in `private/hub.json`.
    token_path
        Where the token is.

    Raises
    ------
    ProjectError
        If the hub was started by a version that left no token.
    """

    def __init__(self, hub: Mapping[str, Any], token_path: Path) -> None:
        if not token_path.exists():
            raise ProjectError(
                "the running hub was started by an earlier version; stop it (Ctrl-C where `mlf hub` runs) and start it "
                "with these people"
            )
        self._keys = [project["key"] for project in hub["projects"]]
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(HubSockets(Path(hub["sockets_dir"])).hub), retries=3),
            base_url=f"http://hub{hub['base_url']}hub/api/",
            headers={"Authorization": f"token {token_path.read_text(encoding='utf-8').strip()}"},
            timeout=_PATIENCE_S,
        )

    def __enter__(self) -> _Hub:
        self._ask("GET", "")  # before anything is changed
        return self

    def __exit__(self, *_raised: object) -> None:
        self._client.close()

    def people(self) -> list[str]:
        """Return the names that the Hub knows."""
        found: list[str] = []
        while page := self._ask("GET", "users", params={"offset": len(found), "limit": _PAGE}).json():
            found += [user["name"] for user in page]
        return found

    def forget(self, name: str) -> None:
        """End somebody's sessions, log-ins and tokens, and forget them."""
        user = f"users/{quote(name, safe='')}"
        for key in self._keys:
            self._ask("DELETE", f"{user}/servers/{key}" if key else f"{user}/server", allowed=(404,))
        until = time.monotonic() + _PATIENCE_S
        while self._ask("GET", user).json().get("servers") and time.monotonic() < until:
            time.sleep(0.2)
        self._ask("DELETE", user)

    def take_in(self, accounts: Mapping[str, Account]) -> None:
        """Have the Hub know everyone who has an account, in the groups of their roles and in no others."""
        for name in sorted(set(accounts) - set(self.people())):
            self._ask("POST", f"users/{quote(name, safe='')}", allowed=(409,))
        for key in self._keys:
            for role in Role:
                group = f"groups/{group_prefix(key)}{role.value}"
                now = set(self._ask("GET", group).json()["users"])
                wanted = {name for name, account in accounts.items() if role in account.roles_in(key)}
                for method, names in (("POST", wanted - now), ("DELETE", now - wanted)):
                    if names:
                        self._ask(method, f"{group}/users", json={"users": sorted(names)})

    def _ask(self, method: str, path: str, *, allowed: Sequence[int] = (), **content: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **content)
        except httpx.TransportError as error:
            raise ProjectError(f"the running hub does not answer ({error}); give the same command again") from error
        if answer.is_error and answer.status_code not in allowed:
            raise ProjectError(
                f"the running hub refuses {method} {path}: {answer.status_code} {answer.text[:200]}; give the same "
                "command again, or stop the hub and start it with these people"
            )
        return answer
