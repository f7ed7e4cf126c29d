"""Who has an account: those who are named and those who have tasks; and who no longer has one."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote

from pipeline.annotation.session import Progress
from pipeline.errors import ProjectError
from pipeline.hub.accounts import FIRST_UID, LAST_UID, Account, Role, home_folder, make_account, read_accounts


@dataclass(frozen=True)
class AccountChanges:
    """The accounts as they will be.

    Attributes
    ----------
    accounts
        All of them, by name.
    passwords
        Name to password of those that are new or renewed; kept nowhere else.
    removed
        Accounts that were taken out, as they were.
    unnamed
        Accounts that nobody named and that stay.
    """

    accounts: Mapping[str, Account]
    passwords: Mapping[str, str]
    removed: Mapping[str, Account]
    unnamed: tuple[str, ...]


@dataclass(frozen=True)
class PeopleOfHub:
    """Who may log in to a hub, and what has just changed.

    Attributes
    ----------
    state
        The folder of the hub's files.
    passwords
        Name to password of the accounts that are new or renewed; kept nowhere else.
    accounts
        Everyone who may log in, by name.
    unnamed
        Those among them who were not named this time.
    removed
        The accounts that were removed, by name.
    kept_homes
        Name to home folder of those among them that have one: what is in it still belongs to its owner.
    use_own_uids
        Each session runs under a uid of its own; False means that all share one, and the store is not protected.
    """

    state: Path
    passwords: Mapping[str, str]
    accounts: Mapping[str, Account]
    unnamed: tuple[str, ...]
    removed: Mapping[str, Account]
    kept_homes: Mapping[str, Path]
    use_own_uids: bool

    @classmethod
    def after(cls, changes: AccountChanges, state: Path, *, use_own_uids: bool) -> PeopleOfHub:
        """Return the people of the hub in `state` after these changes."""
        homes = {name: home_folder(state / "homes", name) for name in changes.removed}
        kept = {name: home for name, home in homes.items() if home.exists()}
        return cls(state, changes.passwords, changes.accounts, changes.unnamed, changes.removed, kept, use_own_uids)


@dataclass(frozen=True, order=True, slots=True)
class SharedUid:
    """One uid that two people share: `name` at this hub, and `other` at the hub whose folder is `state`."""

    uid: int
    name: str
    other: str
    state: Path


def gather_people(
    named: Mapping[Role, Collection[str]],
    tasks: Mapping[Role, Mapping[str, Progress]],
    removed: Collection[str] = (),
) -> dict[str, list[Role]]:
    """Return everyone who should have an account, with their roles.

    Parameters
    ----------
    named
        Role to the names that were given for it.
    tasks
        Annotators and refiners: who has tasks, and their progress.
    removed
        Names whose accounts were removed. Tasks that they had then do not bring an account back. Being named does, and
        so does new work in annotation (they had no undecided tasks then).
    """
    all_named = {name for names in named.values() for name in names}
    at_work = {name for name, progress in tasks.get(Role.ANNOTATORS, {}).items() if n_undecided(progress)}
    gone = set(removed) - all_named - at_work
    people: dict[str, list[Role]] = {}
    for role in Role:
        for name in dict.fromkeys([*tasks.get(role, {}), *named.get(role, ())]):
            if name not in gone:
                people.setdefault(name, []).append(role)
    return people


def check_removal(
    names: Collection[str],
    named: Mapping[Role, Collection[str]],
    tasks: Mapping[Role, Mapping[str, Progress]],
    project: Path,
) -> None:
    """Raise unless these accounts can be removed.

    Raise `ProjectError` if one of these people is also named for a role, or has undecided tasks that others can take
    over.
    """
    for name in names:
        for role in Role:
            if name in named.get(role, ()):
                raise ProjectError(
                    f"{name!r} is named by both --remove and --{role}; leave the name out of one of them "
                    f'(--{role} "" names nobody)'
                )
        progress = tasks.get(Role.ANNOTATORS, {}).get(name)
        if progress and (n := n_undecided(progress)):
            raise ProjectError(
                f"{name!r} cannot be removed yet. Undecided images of theirs: {n:,}; give these to others first: "
                f"mlf assign {shlex.quote(str(project))} --from {shlex.quote(name)} --to NAME,NAME"
            )


def unrefined_of_removed(removed: Collection[str], refiners: Mapping[str, Progress]) -> dict[str, int]:
    """Return who, of those whose accounts are gone, has undecided disputed images, and how many.

    Parameters
    ----------
    removed
        Names without an account. These tasks do not bring an account back, whether given before or after the removal.
    refiners
        Who has refinement tasks, and their progress.
    """
    n_left = {name: n_undecided(refiners[name]) for name in removed if name in refiners}
    return {name: n for name, n in n_left.items() if n}


def change_accounts(
    accounts: Mapping[str, Account],
    people: Mapping[str, Iterable[Role]],
    *,
    renew: Collection[str],
    remove: Collection[str],
    homes: Path,
    others: Collection[int] = (),
    further: Mapping[str, Mapping[str, Iterable[Role]]] | None = None,
) -> AccountChanges:
    """Return the accounts as they will be; write nothing.

    Parameters
    ----------
    accounts
        The accounts as they are now.
    people
        Name to roles. Accounts that exist keep their passwords and get these roles.
    renew, remove
        Names that get a new password, and names whose accounts are removed.
    homes
        Where the home folders lie. A uid that owns one is given to nobody else, even after its account is removed;
        anyone who comes back gets their old uid.
    others
        Uids of people at other hubs.
    further
        Key of each further project of the hub to its people, as for `people`.

    Raises
    ------
    ProjectError
        If a name has no account, is asked both to stay and to go, or cannot be a login name.
    """
    elsewhere = further or {}
    people = {**{name: () for others_ in elsewhere.values() for name in others_}, **people}
    for name in renew:
        if name not in people and name not in accounts:
            raise ProjectError(f"no account {name!r} to give a new password; {_known(accounts)}")
    for name in remove:
        if name in people or name in renew:
            raise ProjectError(f"account {name!r} is to be removed, and to stay; leave the name out of one of them")
        if name not in accounts:
            raise ProjectError(f"no account {name!r} to remove; {_known(accounts)}")
    kept = {name: account for name, account in accounts.items() if name not in remove}
    unnamed = tuple(name for name in kept if name not in people)
    passwords = {}
    owners = _home_owners(homes)
    for name in (*people, *(name for name in unnamed if name in renew)):
        roles = tuple(sorted(set(people[name]))) if name in people else kept[name].roles
        old = kept.get(name)
        in_further = {key: tuple(sorted(set(there[name]))) for key, there in elsewhere.items() if name in there}
        if name not in people and old:
            in_further = dict(old.further)
        if old and name not in renew:
            kept[name] = replace(old, roles=roles, further=in_further)
            continue
        taken = {account.uid for account in kept.values()}
        fresh, passwords[name] = make_account(name, roles, taken | set(owners.values()) | set(others))
        own = owners.get(name)
        uid = own if own is not None and own not in taken else fresh.uid
        kept[name] = replace(fresh, uid=old.uid if old else uid, further=in_further)
    return AccountChanges(
        accounts=kept,
        passwords=passwords,
        removed={name: accounts[name] for name in remove},
        unnamed=unnamed,
    )


def uids_beside(state: Path) -> set[int]:
    """Return the uids of the hubs whose folders lie beside this one: one account for two people protects neither."""
    return {uid for _hub, _name, uid in _people_beside(state)}


def find_shared_uids(accounts: Mapping[str, Account], state: Path) -> list[SharedUid]:
    """Return the accounts whose uid a hub beside this one also uses, from before the hubs knew of each other.

    Nothing is changed, since files and running sessions belong to the uid.

    Parameters
    ----------
    accounts
        This hub's accounts, by name.
    state
        Its folder.
    """
    here = {account.uid: name for name, account in accounts.items()}
    return sorted({SharedUid(uid, here[uid], name, hub) for hub, name, uid in _people_beside(state) if uid in here})


def n_undecided(progress: Progress) -> int:
    """Return how many tasks are not decided."""
    return progress.n_tasks - progress.n_done


def _people_beside(state: Path) -> Iterator[tuple[Path, str, int]]:
    """Yield folder, name and uid of everyone who has an account or a home folder at a hub beside this one."""
    for path in state.resolve().parent.glob("*/private/accounts.json"):
        hub = path.parents[1]
        if hub == state.resolve():
            continue
        with suppress(OSError):  # it is closed to us, or it is no hub
            yield from ((hub, name, uid) for name, uid in _home_owners(hub / "homes").items())
        with suppress(ProjectError):  # the file is damaged: that hub will say so itself
            yield from ((hub, name, account.uid) for name, account in read_accounts(path).items())


def _known(accounts: Mapping[str, Account]) -> str:
    return f"known are {', '.join(accounts)}" if accounts else "there are none yet"


def _home_owners(homes: Path) -> dict[str, int]:
    """Return the names that have a home folder, and its owner's uid; those of the Hub's own account are left out."""
    folders = homes.iterdir() if homes.exists() else ()
    uids = {unquote(folder.name): folder.lstat().st_uid for folder in folders}
    return {name: uid for name, uid in uids.items() if FIRST_UID <= uid <= LAST_UID}
