"""What the Hub remembers of people in a database of its own, and making it forget; only while it does not run.

The names of tables and columns are JupyterHub's (`jupyterhub/orm.py`).
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.errors import ProjectError

#: What holds a log-in; a server that has ended leaves no address or number for the Hub to look for.
_LOG_INS = (
    "DELETE FROM api_tokens WHERE user_id = ?",
    "DELETE FROM oauth_codes WHERE user_id = ?",
    "DELETE FROM servers WHERE id IN (SELECT server_id FROM spawners WHERE user_id = ?)",
    "UPDATE spawners SET server_id = NULL, state = NULL WHERE user_id = ?",
)
#: A user goes with all that refers to it; what it refers to goes before.
_USER = (
    "DELETE FROM oauth_clients WHERE identifier IN (SELECT oauth_client_id FROM spawners WHERE user_id = ?)",
    "DELETE FROM users WHERE id = ?",
)


def server_pids(database: Path, name: str) -> list[int]:
    """Return the processes that the Hub's records name as somebody's server; the numbers may be others' by now.

    Raises
    ------
    ProjectError
        If the records cannot be read.
    """
    query = "SELECT spawners.state FROM spawners JOIN users ON users.id = user_id WHERE users.name = ?"
    with _opened(database) as hub:
        states = [json.loads(state) for (state,) in hub.execute(query, (name,)) if state] if hub else []
    return [state["pid"] for state in states if isinstance(state, dict) and isinstance(state.get("pid"), int)]


def forget(database: Path, *, log_ins: Iterable[str] = (), people: Iterable[str] = ()) -> None:
    """Have the Hub forget what it would hold against the accounts.

    Always who is in which group: its configuration fills the groups at the start, and never empties them.

    Parameters
    ----------
    database
        The Hub's records; nothing is done where there are none yet.
    log_ins
        Whose log-ins, tokens of whatever kind, and sessions are no longer known. Their owner can give a token any note,
        so none is spared; a session is one by its token, and must have been ended.
    people
        People who are no longer known at all.

    Raises
    ------
    ProjectError
        If the records cannot be changed.
    """
    with _opened(database) as hub:
        if hub is None:
            return
        hub.execute("DELETE FROM user_group_map")
        for names, statements in ((log_ins, _LOG_INS), (people, (*_LOG_INS, *_USER))):
            for name in names:
                hub.execute("UPDATE users SET cookie_id = ? WHERE name = ?", (secrets.token_hex(16), name))
                for (user_id,) in hub.execute("SELECT id FROM users WHERE name = ?", (name,)).fetchall():
                    for statement in statements:
                        hub.execute(statement, (user_id,))


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection | None]:
    if not database.exists():
        yield None
        return
    try:
        with closing(sqlite3.connect(database, timeout=10)) as hub, hub:
            hub.execute("PRAGMA foreign_keys = ON")
            is_made = hub.execute("SELECT 1 FROM sqlite_master WHERE name = 'user_group_map'").fetchone()
            yield hub if is_made else None
    except (sqlite3.Error, ValueError) as error:
        raise ProjectError(f"{database}: the Hub's records of people cannot be read or changed: {error}") from error
