"""How the store is opened, read and written: in transactions, and only to the very file that was opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import sqlalchemy as sa

from pipeline.errors import StoreError
from pipeline.store.engine import first_line
from pipeline.store.standing import Mark, StandingFile, check_mark
from pipeline.store.tables import annotators

_ROWS_AT_ONCE = 5_000


class Transactions:
    """An open database. It can be shared between threads and processes; a `with` block closes it at the end.

    Parameters
    ----------
    engine
        From :func:`pipeline.store.engine.open_engine`.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(mlf_reader=True)
        self._file = StandingFile(engine)
        self._last = self._expected = Mark()
        self._doubt: StoreError | None = None

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def last(self) -> Mark:
        """Return the mark of the last event that was appended here; an empty mark if there was none."""
        return self._last

    def expect(self, mark: Mark) -> None:
        """Take note of an event that another process appended: from now on the log must hold it."""
        self._expected = mark

    @property
    def _newest(self) -> Mark:
        """Return the newest event that is known to have been acknowledged, here or by another process."""
        return max(self._expected, self._last, key=lambda mark: mark.seq)

    def close(self) -> None:
        """Close all connections."""
        self._file.release()
        self._engine.dispose()

    def check_readable(self) -> None:
        """Raise `StoreError` unless the store can be read now."""
        with self._read() as connection:
            connection.execute(sa.select(annotators.c.name).limit(1)).all()

    def check_standing(self, mark: Mark | None = None) -> None:
        """Check that the store is whole and is the one that was opened. After a failure, nothing more is written.

        Parameters
        ----------
        mark
            An event that must be in its log.

        Raises
        ------
        StoreError
            If the file was replaced or is damaged, or the log lacks an event that was acknowledged.
        """
        try:
            self._file.hold()
            self._file.check()
            self._file.check_pages()
            with self._read() as connection:
                check_mark(connection, mark or self._newest)
        except sqlite3.Error as error:
            raise StoreError(f"the store cannot be read: {first_line(error)}") from error
        except StoreError as error:
            self._doubt = error
            raise

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        if self._doubt is not None:
            raise StoreError(str(self._doubt))
        try:
            self._file.hold()
            with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    # One writer at a time, as in SQLite. So `seq` order is commit order and no reader skips an event,
                    # and no task is removed or rewritten while a vote on it arrives.
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(727002)"))
                yield connection
            self._file.check()  # after the commit, before it is acknowledged: it may have gone to a replaced file
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            raise StoreError(f"the store did not take it: {first_line(error)}; nothing was written") from error

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        try:
            with self._reader.connect() as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as error:
            raise StoreError(f"the store cannot be read: {first_line(error)}") from error


def rows_in_parts(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[Sequence[Any]]:
    """Yield the rows that a query finds, some at a time, so that they are never in memory together."""
    if connection.dialect.name != "sqlite":
        yield from connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(query).partitions()
        return
    # The driver's own rows: to make SQLAlchemy's of them takes longer than to read them.
    cursor = connection.connection.cursor()
    cursor.execute(str(query.compile(connection, compile_kwargs={"literal_binds": True})))
    while some := cursor.fetchmany(_ROWS_AT_ONCE):
        yield some
