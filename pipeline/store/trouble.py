"""What is wrong with a database, in words that are safe to show: drivers' messages name hosts, accounts and folders."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa

_FULL = "the store's disk is full"
_READ_ONLY = "the store is read-only for now"
_BUSY = "the store is busy"
_AWAY = "the store cannot be reached"
_OTHER = "the store could not do this; its log says why"

#: SQLite's primary result codes (https://www.sqlite.org/rescode.html).
_SQLITE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CANTOPEN: _AWAY,
    sqlite3.SQLITE_IOERR: _AWAY,
}
#: PostgreSQL's SQLSTATE codes, or their first characters (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_SQLSTATES = (
    ("53100", _FULL),
    ("25006", _READ_ONLY),
    ("40", _BUSY),  # rolled back because of another transaction
    ("53", _BUSY),  # out of connections or memory
    ("55P03", _BUSY),  # could not get a lock
    ("57014", _BUSY),  # took too long
    ("57P", _AWAY),  # shutting down or starting
    ("08", _AWAY),
    ("28", _AWAY),  # log-in refused
    ("3D", _AWAY),  # no such database
)


def trouble_in_plain_words(error: BaseException) -> str | None:
    """Return what is wrong with the database if that caused an error; None for every other error.

    Parameters
    ----------
    error
        A `StoreError`, or any other error that a database error may have caused.
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sa.exc.SQLAlchemyError | sqlite3.Error):
        cause = cause.__cause__
    if cause is None:
        return None
    told = getattr(cause, "orig", cause)
    sqlite_code = getattr(told, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return _SQLITE.get(sqlite_code & 0xFF, _OTHER)
    sqlstate = getattr(told, "sqlstate", None)
    if sqlstate:
        return next((words for start, words in _SQLSTATES if sqlstate.startswith(start)), _OTHER)
    # No code means that the database never answered: there was no connection, or none was free.
    is_away = isinstance(cause, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.TimeoutError)
    return _AWAY if is_away else _OTHER
