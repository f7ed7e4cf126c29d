"""Open the database with durable settings, and bring the schema up to date.

SQLite runs in WAL mode with `synchronous=FULL`: a commit that has returned is on the disk, even if the power is cut
(https://www.sqlite.org/pragma.html#pragma_synchronous). A transaction that writes begins as a writer (`BEGIN
IMMEDIATE`), so two processes wait for each other instead of failing half-way.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pipeline.errors import StoreError

SCHEMA_REVISION = "0002"
_BUSY_TIMEOUT_MS = 30_000
_CONNECT_TIMEOUT_S = 5
#: A service reads from 16 threads and writes from one more.
_POOL: dict[str, Any] = {"pool_size": 20, "max_overflow": 10}
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_engine(url: str) -> sa.Engine:
    """Open the database at a SQLAlchemy URL, and create or upgrade its schema.

    Raise `StoreError` if the database cannot be opened, or was written by a newer version of this software.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            engine = sa.create_engine(parsed, connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000}, **_POOL)
            sa.event.listen(engine, "connect", _configure_sqlite)
            sa.event.listen(engine, "begin", _begin_as_writer)
        else:
            engine = sa.create_engine(
                parsed,
                pool_pre_ping=True,
                isolation_level="READ COMMITTED",
                connect_args={"connect_timeout": _CONNECT_TIMEOUT_S},
                **_POOL,
            )
        migrate(engine)
    except (sa.exc.SQLAlchemyError, ImportError) as error:
        shown = sa.make_url(url).render_as_string(hide_password=True) if "://" in url else url
        hint = "; its file and folder must be open to you for writing, on a disk with room" if "sqlite" in url else ""
        raise StoreError(f"cannot open the store at {shown}: {first_line(error)}{hint}") from error
    return engine


def schema_revision(url: str) -> str | None:
    """Return the schema of the database at a SQLAlchemy URL, without changing it; None where there is none yet."""
    engine = sa.create_engine(sa.make_url(url))
    try:
        with engine.connect() as connection:
            return _revision(connection)
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(f"the store cannot be read: {first_line(error)}") from error
    finally:
        engine.dispose()


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to `SCHEMA_REVISION`; several processes may do so at once."""
    with engine.connect() as connection:
        if _revision(connection) == SCHEMA_REVISION:
            return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(727001)"))
        if _revision(connection) == SCHEMA_REVISION:
            return
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, SCHEMA_REVISION)
        except CommandError as error:
            raise StoreError(
                f"the store has schema {_revision(connection)!r}, this software knows {SCHEMA_REVISION!r}: {error}; "
                "upgrade multilabelfy"
            ) from error


def first_line(error: BaseException) -> str:
    """Return what went wrong in one line, without the SQL and its values."""
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _configure_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's `begin` event sends BEGIN IMMEDIATE itself
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-16384",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_as_writer(connection: sa.Connection) -> None:
    is_reader = connection.get_execution_options().get("mlf_reader", False)
    connection.exec_driver_sql("BEGIN" if is_reader else "BEGIN IMMEDIATE")
