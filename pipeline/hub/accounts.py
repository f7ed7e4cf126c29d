"""The people of a hub: names, roles and scrypt hashes of their passwords, in one file that the Hub alone can read.

The file is the whole user administration: there is no sign-up page, and no password is stored or can be guessed.
Passwords are drawn from 79 bits of randomness, printed once and kept as scrypt hashes (RFC 7914; N = 2^15, r = 8,
p = 1: 32 MiB and about 50 ms per guess).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pipeline.errors import ProjectError
from pipeline.project.names import check_person
from pipeline.project.writing import write_text

#: The first numeric account of a session; systemd takes the same range for its dynamic users.
FIRST_UID = 61_184
LAST_UID = 65_519
#: The Hub's service whose token reads the metrics, and nothing else.
MONITOR = "mlf-monitor"
#: The environment variable that tells a service what its project's groups begin with.
GROUP_PREFIX = "MLF_GROUP_PREFIX"
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 2**20}
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # without letters and digits that look alike


class Role(StrEnum):
    """What somebody may do; the words are also the Hub's group names."""

    ANNOTATORS = "annotators"
    REFINERS = "refiners"
    REVIEWERS = "reviewers"
    RESEARCHERS = "researchers"


@dataclass(frozen=True, slots=True)
class Account:
    """One person: name, roles, the uid their session runs under, and the password's salt and hash, in hex.

    `further` holds the roles in further projects of the hub, by the project's key.
    """

    name: str
    roles: tuple[Role, ...]
    uid: int
    salt: str
    password_hash: str
    further: Mapping[str, tuple[Role, ...]] = field(default_factory=dict)

    def roles_in(self, key: str) -> tuple[Role, ...]:
        """Return the roles in a project of the hub; the first one has the empty key."""
        return self.further.get(key, ()) if key else self.roles

    def accepts(self, password: str) -> bool:
        """Return whether this is the password; takes as long for a wrong one as for the right one."""
        return hmac.compare_digest(_hash(password, self.salt), self.password_hash)


def make_account(name: str, roles: Iterable[Role], taken_uids: Iterable[int]) -> tuple[Account, str]:
    """Make an account with a random password; return it and the password, which is kept nowhere.

    Raise `ProjectError` if the name cannot be a login name, or there are no uids left.
    """
    check_person(name)
    uid = _free_uid(set(taken_uids))
    password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
    salt = secrets.token_hex(16)
    return Account(name, tuple(sorted(set(roles))), uid, salt, _hash(password, salt)), password


def read_accounts(path: Path) -> dict[str, Account]:
    """Read the accounts by name; there are none if there is no file yet.

    Raise `ProjectError` if the file is damaged or holds something else, or if somebody else on the machine could read
    it.
    """
    rows = _read(path)["accounts"]
    try:
        accounts = [
            Account(
                str(row["name"]),
                tuple(map(Role, row["roles"])),
                int(row["uid"]),
                row["salt"],
                row["hash"],
                {str(key): tuple(map(Role, roles)) for key, roles in row.get("further", {}).items()},
            )
            for row in rows
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProjectError(f"{path}: cannot be read as accounts: {error!r} in a row") from error
    return {account.name: account for account in accounts}


def read_removed(path: Path) -> tuple[str, ...]:
    """Read the names whose accounts were removed: tasks from before the removal are no reason to make new accounts.

    Raise `ProjectError` as :func:`read_accounts` does.
    """
    return tuple(_read(path).get("removed", ()))


def write_accounts(accounts: Mapping[str, Account], path: Path, removed: Iterable[str] = ()) -> None:
    """Write the accounts and the names of removed ones in one step; only the owner of the file can read it."""
    rows = []
    for account in accounts.values():
        row = asdict(account)
        row["hash"] = row.pop("password_hash")
        rows.append(row)
    content = {"accounts": rows, "removed": sorted(set(removed) - set(accounts))}
    write_text(path, json.dumps(content, indent=1), mode=0o600)


def home_folder(homes: Path, name: str) -> Path:
    """Return the path of somebody's home folder, below the folder of all homes."""
    return homes / quote(name, safe="")


def _read(path: Path) -> dict[str, Any]:
    try:
        mode = path.stat().st_mode & 0o077
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"accounts": []}
    except (OSError, ValueError) as error:
        raise ProjectError(f"{path}: cannot be read as accounts: {error}") from error
    if mode:
        raise ProjectError(f"{path} can be read by others on this machine; run `chmod 600 {path}`")
    parts = (content.get("accounts"), content.get("removed", [])) if isinstance(content, dict) else ()
    if not parts or not all(isinstance(part, list) for part in parts):
        raise ProjectError(f"{path}: cannot be read as accounts: no list of `accounts` in it, or of those `removed`")
    found: dict[str, Any] = content
    return found


def _hash(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), **_SCRYPT).hex()


def _free_uid(taken: set[int]) -> int:
    import pwd

    known = taken | {entry.pw_uid for entry in pwd.getpwall()} | _running_uids()
    for uid in range(FIRST_UID, LAST_UID + 1):
        if uid not in known:
            return uid
    raise ProjectError(f"all uids from {FIRST_UID} to {LAST_UID} are taken; remove accounts that nobody uses")


def _running_uids() -> set[int]:
    """Return the uids under which something runs now: a session of another hub, or a process left behind."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            found.add(process.stat().st_uid)
    return found
