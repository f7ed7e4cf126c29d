"""The sealed history of a project: every change of its images, classes and people, in order.

One line of `history.jsonl` is one change: its number, when, by whom, what, and the details. The seal of a line covers
the line and the seal before it, so that a line that is changed, removed or inserted later shows.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.errors import ProjectError

HISTORY_FILE = "history.jsonl"


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Parameters
    ----------
    number
        Counted from 1; the state of the project that the change leads to has the same number.
    at
        ISO 8601 UTC.
    by
        Who made it.
    what
        Its kind, such as ``classes merge``.
    detail
        Plain JSON: what exactly.
    seal
        SHA-256 over the seal before it and all of the above.
    """

    number: int
    at: str
    by: str
    what: str
    detail: Mapping[str, Any]
    seal: str

    @property
    def text(self) -> str:
        """Return what was done, in words."""
        return str(self.detail.get("text", self.what))

    def as_line(self) -> str:
        """Return the change as a line of the file."""
        return json.dumps(asdict(self), ensure_ascii=False)


def is_of_classes(change: Change) -> bool:
    """Tell whether a change changed the classes, so that votes read differently after it."""
    return change.what.startswith("classes")


def read_history(root: Path) -> tuple[Change, ...]:
    """Return a project's changes, the first one first.

    Raise `ProjectError` if a line cannot be read, or a seal does not fit: the message names the line.
    """
    path = root / HISTORY_FILE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    changes: list[Change] = []
    for number, line in enumerate(lines, start=1):
        try:
            change = Change(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise ProjectError(
                f"{path}, line {number}: cannot be read as a change ({error}); restore it from a backup"
            ) from error
        if change != _sealed(changes, change.at, change.by, change.what, change.detail):
            raise ProjectError(
                f"{path}, line {number}: its seal does not fit: this line or one before it was changed, removed or "
                "inserted after it was written; restore the file from a backup"
            )
        changes.append(change)
    return tuple(changes)


def next_change(root: Path, what: str, detail: Mapping[str, Any], by: str = "") -> tuple[Change, str]:
    """Return the change that comes next, and the text of the whole file with it; nothing is written."""
    earlier = list(read_history(root))
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    change = _sealed(earlier, at, by or person(), what, detail)
    return change, "".join(f"{each.as_line()}\n" for each in (*earlier, change))


def earlier_image_tables(root: Path) -> frozenset[str]:
    """Return the SHA-256 of every earlier table of images: each is the beginning of the table as it is now."""
    found = (change.detail.get("images_sha256_before") for change in read_history(root))
    return frozenset(str(digest) for digest in found if digest)


def person() -> str:
    """Return who is at work: the Hub's user in a hub session, otherwise the account on this machine."""
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return str(os.getuid())


def _sealed(earlier: list[Change], at: str, by: str, what: str, detail: Mapping[str, Any]) -> Change:
    number, before = len(earlier) + 1, earlier[-1].seal if earlier else ""
    covered = json.dumps([before, number, at, by, what, dict(detail)], sort_keys=True, separators=(",", ":"))
    return Change(number, at, by, what, detail, hashlib.sha256(covered.encode()).hexdigest())
