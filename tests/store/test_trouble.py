"""What people are told about a database in trouble: real errors, in words that do not say where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.errors import DatasetError, StoreError
from pipeline.store.engine import open_engine
from pipeline.store.trouble import trouble_in_plain_words


def fail(engine: sa.Engine, *statements: str) -> StoreError:
    """Return the error of these statements as a store raises it."""
    try:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
    except sa.exc.SQLAlchemyError as error:
        raised = StoreError(f"the store did not take it: {error}")
        raised.__cause__ = error
        return raised
    raise AssertionError("the database took it")


def read_only(file: Path) -> StoreError:
    open_engine(f"sqlite:///{file}").dispose()
    return fail(sa.create_engine(f"sqlite:///file:{file}?mode=ro&uri=true"), "CREATE TABLE x (y)")


def full(file: Path) -> StoreError:
    fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100) INSERT INTO x "
    engine = sa.create_engine(f"sqlite:///{file}")
    return fail(
        engine, "PRAGMA max_page_count=4", "CREATE TABLE x (y)", f"{fill} SELECT hex(randomblob(2000)) || i FROM n"
    )


def busy(file: Path) -> StoreError:
    open_engine(f"sqlite:///{file}").dispose()
    engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": 0})
    with engine.connect() as holder:
        holder.exec_driver_sql("BEGIN IMMEDIATE")
        return fail(engine, "BEGIN IMMEDIATE")


def away(file: Path) -> StoreError:
    return fail(sa.create_engine(f"sqlite:///{file.parent / 'gone' / 'x.sqlite'}"), "SELECT 1")


def damaged(file: Path) -> StoreError:
    file.write_bytes(b"no database" * 1000)
    return fail(sa.create_engine(f"sqlite:///{file}"), "SELECT * FROM sqlite_master")


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (read_only, "the store is read-only for now"),
        (full, "the store's disk is full"),
        (busy, "the store is busy"),
        (away, "the store cannot be reached"),
        (damaged, "the store could not do this; its log says why"),
    ],
)
def test_each_trouble_of_sqlite_has_its_words(
    tmp_path: Path, break_it: Callable[[Path], StoreError], words: str
) -> None:
    assert trouble_in_plain_words(break_it(tmp_path / "store.sqlite")) == words


@pytest.mark.postgres
def test_a_postgresql_that_nobody_answers_for_cannot_be_reached() -> None:
    engine = sa.create_engine("postgresql+psycopg://secret_owner@127.0.0.1:1/secret_base")
    error = fail(engine, "SELECT 1")
    assert "127.0.0.1" in str(error)
    assert trouble_in_plain_words(error) == "the store cannot be reached"


def test_errors_that_are_not_the_databases_keep_their_own_words() -> None:
    assert trouble_in_plain_words(StoreError("100 tasks asked for at once")) is None
    refusal = DatasetError("no image 9")
    refusal.__cause__ = ValueError("9")
    assert trouble_in_plain_words(refusal) is None
