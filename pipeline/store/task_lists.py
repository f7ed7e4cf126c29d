"""People and their lists of tasks, in the store: who works on what, and how far they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from pipeline.annotation.session import Progress, TaskFilter
from pipeline.errors import StoreError
from pipeline.project.names import check_person
from pipeline.store.records import chunks, now
from pipeline.store.tables import annotators, tasks
from pipeline.store.transactions import Transactions, rows_in_parts
from pipeline.votes.words import Round

_MANY_TASKS, _LARGE_CACHE_KB = 50_000, 262_144


@dataclass(frozen=True, slots=True)
class Assignment:
    """One image for one annotator."""

    annotator: str
    image_index: int
    is_gold: bool = False


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One task as the store knows it."""

    position: int
    image_index: int
    is_gold: bool
    is_decided: bool


class TaskLists(Transactions):
    """The people of a project, and each one's numbered list of tasks in each round."""

    def add_annotators(self, names: Iterable[str], *, kind: str = "human") -> None:
        """Add annotators. One who is already known becomes active again and keeps their kind."""
        with self._write() as connection:
            known = {row.name for row in connection.execute(sa.select(annotators.c.name))}
            for name in names:
                check_person(name)
                if name in known:
                    connection.execute(annotators.update().where(annotators.c.name == name).values(is_active=True))
                else:
                    connection.execute(annotators.insert().values(name=name, kind=kind, created=now()))
                    known.add(name)

    def active_annotators(self) -> set[str]:
        """Return the names of those who have not left."""
        with self._read() as connection:
            query = sa.select(annotators.c.name).where(annotators.c.is_active.is_(sa.true()))
            return set(connection.scalars(query))

    def set_left(self, name: str) -> None:
        """Note that somebody has left: they keep their votes, and get no new work."""
        with self._write() as connection:
            connection.execute(annotators.update().where(annotators.c.name == name).values(is_active=False))

    def annotator_kinds(self) -> dict[str, str]:
        """Return every annotator's name and kind (`human` or `simulated`)."""
        with self._read() as connection:
            return {row.name: row.kind for row in connection.execute(sa.select(annotators).order_by(annotators.c.name))}

    def assign(self, round_: Round, assignments: Sequence[Assignment], known: dict[str, set[int]] | None = None) -> int:
        """Append tasks to the annotators' lists, in this order; tasks that already exist stay as they are.

        Parameters
        ----------
        known
            Whoever appends millions of tasks in parts gives the same dictionary each time, empty at first: from
            annotator to the images that they have. So their lists need not be read again for each part.

        Returns
        -------
        int
            How many tasks are new.

        Raises
        ------
        StoreError
            If an annotator is unknown.
        """
        with self._write() as connection:
            unknown = {a.annotator for a in assignments} - {
                row[0] for row in connection.execute(sa.select(annotators.c.name))
            }
            if unknown:
                raise StoreError(f"unknown annotators {', '.join(sorted(unknown))}; add them first")
            known, next_position = {} if known is None else known, dict[str, int]()
            for name in {a.annotator for a in assignments}:
                mine = mine_in(tasks, round_, name)
                ends = sa.func.max(tasks.c.position), sa.func.sum(tasks.c.image_index)
                top, total = connection.execute(sa.select(*ends).where(mine)).one()
                next_position[name] = 0 if top is None else top + 1
                # Positions have no gaps, so that a list which somebody else has changed differs in one of the two.
                its = known.setdefault(name, set())
                if len(its) != next_position[name] or sum(its) != (total or 0):
                    known[name] = set(connection.scalars(sa.select(tasks.c.image_index).where(mine)))
            rows = []
            for assignment in assignments:
                if assignment.image_index in known[assignment.annotator]:
                    continue
                known[assignment.annotator].add(assignment.image_index)
                rows.append(
                    {
                        "round": round_.value,
                        "annotator": assignment.annotator,
                        "position": next_position[assignment.annotator],
                        "image_index": assignment.image_index,
                        "is_gold": assignment.is_gold,
                    }
                )
                next_position[assignment.annotator] += 1
            if len(rows) >= _MANY_TASKS and connection.dialect.name == "sqlite":
                # Each task lands somewhere in six indexes: with the usual cache, most pages would be read again for it.
                connection.exec_driver_sql(f"PRAGMA cache_size=-{_LARGE_CACHE_KB}")
            if rows:
                connection.execute(tasks.insert(), rows)
            return len(rows)

    def unassign(self, round_: Round, annotator: str, image_indices: Iterable[int]) -> int:
        """Take undecided tasks from an annotator, close the gaps in the positions, and return how many were taken."""
        mine = sa.and_(tasks.c.round == round_.value, tasks.c.annotator == annotator)
        gone = set(image_indices)
        with self._write() as connection:
            rows = [
                row._asdict() for row in connection.execute(sa.select(tasks).where(mine).order_by(tasks.c.position))
            ]
            kept = [row for row in rows if row["is_decided"] or row["image_index"] not in gone]
            if len(kept) < len(rows):
                # Positions are part of the key and must have no gaps, so all of the annotator's rows are written again.
                connection.execute(tasks.delete().where(mine))
                if kept:
                    connection.execute(tasks.insert(), [row | {"position": i} for i, row in enumerate(kept)])
            return len(rows) - len(kept)

    def annotators_of(self, round_: Round) -> dict[str, Progress]:
        """Return everyone with tasks in a round, and their progress."""
        query = (
            sa.select(
                tasks.c.annotator,
                sa.func.count(),
                *(sa.func.sum(sa.cast(flag, sa.Integer)) for flag in _FLAGS),
            )
            .where(tasks.c.round == round_.value)
            .group_by(tasks.c.annotator)
            .order_by(tasks.c.annotator)
        )
        with self._read() as connection:
            return {row[0]: Progress(*(int(n) for n in row[1:])) for row in connection.execute(query)}

    def assignments(self, round_: Round) -> list[Assignment]:
        """Return all tasks of a round, by annotator and position."""
        query = (
            sa.select(tasks.c.annotator, tasks.c.image_index, tasks.c.is_gold)
            .where(tasks.c.round == round_.value)
            .order_by(tasks.c.annotator, tasks.c.position)
        )
        with self._read() as connection:
            return [Assignment(*row) for row in connection.execute(query)]

    def annotators_of_images(self, round_: Round, image_indices: Sequence[int]) -> dict[int, set[str]]:
        """Return who has each of these images in a round, decided or not: from image index to names."""
        found: dict[int, set[str]] = {image_index: set() for image_index in image_indices}
        query = sa.select(tasks.c.image_index, tasks.c.annotator).where(tasks.c.round == round_.value)
        with self._read() as connection:
            parts = (
                rows_in_parts(connection, query)  # sooner read from end to end than looked for one by one
                if len(found) >= _MANY_TASKS
                else (connection.execute(query.where(tasks.c.image_index.in_(some))) for some in chunks(image_indices))
            )
            for part in parts:
                for image_index, annotator in part:
                    if image_index in found:
                        found[image_index].add(annotator)
        return found

    def assigned_images(self, round_: Round) -> set[int]:
        """Return the images that are assigned to somebody in a round."""
        query = sa.select(tasks.c.image_index).where(tasks.c.round == round_.value).distinct()
        with self._read() as connection:
            return set(connection.scalars(query))

    def probe_images(self, round_: Round) -> set[int]:
        """Return the images that are hidden gold for everyone who has them: they only measure people."""
        gold = sa.select(tasks.c.image_index).where(tasks.c.round == round_.value, tasks.c.is_gold.is_(sa.true()))
        ordinary = sa.select(tasks.c.image_index).where(
            tasks.c.round == round_.value, tasks.c.is_gold.is_(sa.false()), tasks.c.image_index.in_(gold)
        )
        with self._read() as connection:
            return set(connection.scalars(gold)) - set(connection.scalars(ordinary))

    def progress(self, round_: Round, annotator: str) -> Progress:
        """Return how far an annotator has come."""
        with self._read() as connection:
            row = connection.execute(_PROGRESS, {"round": round_.value, "annotator": annotator}).one()
            return Progress(*(int(n) for n in row))

    def tasks(self, round_: Round, annotator: str, positions: Sequence[int]) -> list[TaskRow]:
        """Return the tasks at these positions, in this order; positions without a task are left out."""
        found: dict[int, TaskRow] = {}
        columns = (tasks.c.position, tasks.c.image_index, tasks.c.is_gold, tasks.c.is_decided)
        with self._read() as connection:
            for chunk in chunks(positions):
                query = sa.select(*columns).where(mine_in(tasks, round_, annotator), tasks.c.position.in_(chunk))
                found |= {row.position: TaskRow(*row) for row in connection.execute(query)}
        return [found[position] for position in positions if position in found]

    def gold_images(self, round_: Round, annotator: str, before: int) -> list[int]:
        """Return an annotator's hidden gold images at positions below `before`."""
        mine = sa.and_(mine_in(tasks, round_, annotator), tasks.c.is_gold.is_(sa.true()), tasks.c.position < before)
        with self._read() as connection:
            return list(connection.scalars(sa.select(tasks.c.image_index).where(mine)))

    def positions(
        self, round_: Round, annotator: str, image_indices: Sequence[int], which: TaskFilter = TaskFilter.ALL
    ) -> dict[int, int]:
        """Return the positions, by image index, of those images that are the annotator's and pass the filter."""
        found: dict[int, int] = {}
        with self._read() as connection:
            for chunk in chunks(image_indices):
                query = sa.select(tasks.c.image_index, tasks.c.position).where(
                    mine_in(tasks, round_, annotator), tasks.c.image_index.in_(chunk), _FILTERS[which]
                )
                found |= {row[0]: row[1] for row in connection.execute(query)}
        return found

    def passing(
        self, round_: Round, annotator: str, which: TaskFilter, start: int, count: int
    ) -> tuple[list[int], int]:
        """Return `count` positions that pass the filter, from the `start`-th on, and how many pass in all."""
        passes = sa.and_(mine_in(tasks, round_, annotator), _FILTERS[which])
        query = sa.select(tasks.c.position).where(passes).order_by(tasks.c.position).offset(start).limit(count)
        with self._read() as connection:
            n_total = connection.scalar(sa.select(sa.func.count()).select_from(tasks).where(passes)) or 0
            return list(connection.scalars(query)), n_total

    def find(self, round_: Round, annotator: str, which: TaskFilter, start: int, step: int) -> int | None:
        """Return the nearest position from `start` on, forward (`step` 1) or backward (-1), that passes the filter."""
        condition = _FILTERS[which]
        query = sa.select(tasks.c.position).where(mine_in(tasks, round_, annotator), condition).limit(1)
        if step >= 0:
            query = query.where(tasks.c.position >= start).order_by(tasks.c.position)
        else:
            query = query.where(tasks.c.position <= start).order_by(tasks.c.position.desc())
        with self._read() as connection:
            return connection.scalar(query)

    def images_passing(self, round_: Round, which: TaskFilter, annotator: str = "") -> set[int]:
        """Return the images of tasks that pass the filter: of one annotator, or of anybody."""
        query = sa.select(tasks.c.image_index).where(tasks.c.round == round_.value, _FILTERS[which])
        if annotator:
            query = query.where(tasks.c.annotator == annotator)
        with self._read() as connection:
            return set(connection.scalars(query))


_FLAGS = (tasks.c.is_decided, tasks.c.has_unsure, tasks.c.has_comment)
_FILTERS = {
    TaskFilter.ALL: sa.true(),
    TaskFilter.NOT_DONE: tasks.c.is_decided.is_(sa.false()),
    TaskFilter.DONE: tasks.c.is_decided.is_(sa.true()),
    TaskFilter.UNSURE: tasks.c.has_unsure.is_(sa.true()),
    TaskFilter.COMMENTED: tasks.c.has_comment.is_(sa.true()),
}


def bound_to(table: sa.Table) -> sa.ColumnElement[bool]:
    """Return the condition for the rows of a `round` and an `annotator` that are named when it is asked.

    A statement that is asked all the time is written once with it.
    """
    return sa.and_(table.c.round == sa.bindparam("round"), table.c.annotator == sa.bindparam("annotator"))


def _progress() -> sa.Select[Any]:
    # Positions have no gaps, so the last one gives the number of tasks. Only flagged tasks are counted, by index.
    mine = bound_to(tasks)
    n_tasks = sa.select(sa.func.coalesce(sa.func.max(tasks.c.position) + 1, 0)).where(mine)
    flagged = (sa.select(sa.func.count()).select_from(tasks).where(mine, flag.is_(sa.true())) for flag in _FLAGS)
    return sa.select(n_tasks.scalar_subquery(), *(count.scalar_subquery() for count in flagged))


_PROGRESS = _progress()


def mine_in(table: sa.Table, round_: Round, annotator: str) -> sa.ColumnElement[bool]:
    """Return the condition for an annotator's rows of a round."""
    return sa.and_(table.c.round == round_.value, table.c.annotator == annotator)
