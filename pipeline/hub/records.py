"""What the Hub remembers about people in its own database, and making it forget; only while it is not running.

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

#: What keeps a log-in alive; a server that has ended must leave no address or pid for the Hub to look for.
_LOG_INS = (
    "DELETE FROM api_tokens WHERE user_id = ?",
    "DELETE FROM oauth_codes WHERE user_id = ?",
    "DELETE FROM servers WHERE id IN (SELECT server_id FROM spawners WHERE user_id = ?)",
    "UPDATE spawners SET server_id = NULL, state = NULL WHERE user_id = ?",
)
#: A user is deleted with everything that refers to it; what it refers to is deleted first.
_USER = (
    "DELETE FROM oauth_clients WHERE identifier IN (SELECT oauth_client_id FROM spawners WHERE user_id = ?)",
    "DELETE FROM users WHERE id = ?",
)


def server_pids(database: Path, name: str) -> list[int]:
    """Return the pids that the Hub's records list as somebody's server; other processes may have them by now.

    Raise `ProjectError` if the records cannot be read.
    """
    query = "SELECT spawners.state FROM spawners JOIN users ON users.id = user_id WHERE users.name = ?"
    with _opened(database) as hub:
        states = [json.loads(state) for (state,) in hub.execute(query, (name,)) if state] if hub else []
    return [state["pid"] for state in states if isinstance(state, dict) and isinstance(state.get("pid"), int)]


def forget(database: Path, *, log_ins: Iterable[str] = (), people: Iterable[str] = ()) -> None:
    """Make the Hub forget what no longer agrees with the accounts.

    It always forgets who is in which group: its configuration fills the groups at the start, and never empties them.

    Parameters
    ----------
    database
        The Hub's records; nothing is done if there are none yet.
    log_ins
        People whose log-ins, sessions and tokens of every kind are forgotten. An owner can give a token any note, so
        none is spared; sessions have tokens too, and must have been ended before.
    people
        People who are forgotten altogether.

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


def forget_servers(database: Path) -> None:
    """Make the Hub forget which servers run; log-ins stay.

    Raise `ProjectError` if the records cannot be changed.
    """
    with _opened(database) as hub:
        if hub is not None:
            hub.execute("UPDATE spawners SET server_id = NULL, state = NULL")
            hub.execute("DELETE FROM servers")


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
