"""The store itself: events in, states out, through SQLAlchemy Core."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import sqlalchemy as sa

from pipeline.annotation.events import UNDOABLE, Event, EventKind, ImageState, undo_stacks
from pipeline.annotation.session import Progress, SaveResult, TaskFilter
from pipeline.errors import StoreError
from pipeline.project.folder import Project
from pipeline.project.names import check_person
from pipeline.store.appending import append_events
from pipeline.store.chain import Head
from pipeline.store.deriving import derive_states, matching
from pipeline.store.engine import first_line, open_engine
from pipeline.store.records import chunks, event_from_row, now, state_from_text
from pipeline.store.standing import Mark, StandingFile, check_mark
from pipeline.store.tables import annotators, events, states, tasks
from pipeline.store.verification import Verification, lost_heads, verify_log
from pipeline.votes.words import Round

#: How many of the latest actions can be undone.
UNDO_DEPTH = 500


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


@dataclass(frozen=True, slots=True)
class VoteRow:
    """One annotator's decided state on one image."""

    annotator: str
    image_index: int
    state: ImageState


def open_store(url: str, n_classes: int) -> SqlStore:
    """Open the store at a SQLAlchemy URL; it accepts class indices below `n_classes`."""
    return SqlStore(open_engine(url), n_classes)


def open_project_store(project: Project) -> SqlStore:
    """Open the store that a project's settings name: ``with open_project_store(project) as store: …``."""
    return open_store(project.store_url, len(project.label_space))


class SqlStore:
    """Events in, states out. It can be shared between threads and processes; a `with` block closes it at the end.

    Parameters
    ----------
    engine
        From :func:`pipeline.store.engine.open_engine`.
    n_classes
        Size of the project's label space.
    """

    def __init__(self, engine: sa.Engine, n_classes: int) -> None:
        self._engine = engine
        self._reader = engine.execution_options(mlf_reader=True)
        self._n_classes = n_classes
        self._file = StandingFile(engine)
        self._last = Mark()
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

    def close(self) -> None:
        """Close all connections."""
        self._file.release()
        self._engine.dispose()

    # ---------------------------------------------------------------- people and tasks

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

    def annotator_kinds(self) -> dict[str, str]:
        """Return every annotator's name and kind (`human` or `simulated`)."""
        with self._read() as connection:
            return {row.name: row.kind for row in connection.execute(sa.select(annotators).order_by(annotators.c.name))}

    def assign(self, round_: Round, assignments: Sequence[Assignment]) -> int:
        """Append tasks to the annotators' lists, in this order; tasks that already exist stay as they are.

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
            known: dict[str, set[int]] = {}
            next_position: dict[str, int] = {}
            for name in {a.annotator for a in assignments}:
                mine = sa.and_(tasks.c.round == round_.value, tasks.c.annotator == name)
                known[name] = set(connection.scalars(sa.select(tasks.c.image_index).where(mine)))
                top = connection.scalar(sa.select(sa.func.max(tasks.c.position)).where(mine))
                next_position[name] = 0 if top is None else top + 1
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

    def last_times(self, round_: Round) -> dict[str, str]:
        """Return when the store took each annotator's last event of a round: ISO 8601, UTC."""
        latest = (
            sa.select(events.c.annotator, sa.func.max(events.c.seq).label("seq"))
            .where(events.c.round == round_.value)
            .group_by(events.c.annotator)
            .subquery()
        )
        query = sa.select(events.c.annotator, events.c.server_time).join(latest, events.c.seq == latest.c.seq)
        with self._read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

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
        with self._read() as connection:
            for chunk in chunks(image_indices):
                query = sa.select(tasks.c.image_index, tasks.c.annotator).where(
                    tasks.c.round == round_.value, tasks.c.image_index.in_(chunk)
                )
                for image_index, annotator in connection.execute(query):
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

    # ---------------------------------------------------------------- one annotator's view

    def progress(self, round_: Round, annotator: str) -> Progress:
        """Return how far an annotator has come."""
        mine = _mine(tasks, round_, annotator)
        # Positions have no gaps, so the last one gives the number of tasks. Only flagged tasks are counted, by index.
        n_tasks = sa.select(sa.func.coalesce(sa.func.max(tasks.c.position) + 1, 0)).where(mine)
        flagged = (sa.select(sa.func.count()).select_from(tasks).where(mine, flag.is_(sa.true())) for flag in _FLAGS)
        query = sa.select(n_tasks.scalar_subquery(), *(count.scalar_subquery() for count in flagged))
        with self._read() as connection:
            return Progress(*(int(n) for n in connection.execute(query).one()))

    def tasks(self, round_: Round, annotator: str, positions: Sequence[int]) -> list[TaskRow]:
        """Return the tasks at these positions, in this order; positions without a task are left out."""
        found: dict[int, TaskRow] = {}
        columns = (tasks.c.position, tasks.c.image_index, tasks.c.is_gold, tasks.c.is_decided)
        with self._read() as connection:
            for chunk in chunks(positions):
                query = sa.select(*columns).where(_mine(tasks, round_, annotator), tasks.c.position.in_(chunk))
                found |= {row.position: TaskRow(*row) for row in connection.execute(query)}
        return [found[position] for position in positions if position in found]

    def positions(
        self, round_: Round, annotator: str, image_indices: Sequence[int], which: TaskFilter = TaskFilter.ALL
    ) -> dict[int, int]:
        """Return the positions, by image index, of those images that are the annotator's and pass the filter."""
        found: dict[int, int] = {}
        with self._read() as connection:
            for chunk in chunks(image_indices):
                query = sa.select(tasks.c.image_index, tasks.c.position).where(
                    _mine(tasks, round_, annotator), tasks.c.image_index.in_(chunk), _FILTERS[which]
                )
                found |= {row[0]: row[1] for row in connection.execute(query)}
        return found

    def passing(
        self, round_: Round, annotator: str, which: TaskFilter, start: int, count: int
    ) -> tuple[list[int], int]:
        """Return `count` positions that pass the filter, from the `start`-th on, and how many pass in all."""
        passes = sa.and_(_mine(tasks, round_, annotator), _FILTERS[which])
        query = sa.select(tasks.c.position).where(passes).order_by(tasks.c.position).offset(start).limit(count)
        with self._read() as connection:
            n_total = connection.scalar(sa.select(sa.func.count()).select_from(tasks).where(passes)) or 0
            return list(connection.scalars(query)), n_total

    def find(self, round_: Round, annotator: str, which: TaskFilter, start: int, step: int) -> int | None:
        """Return the nearest position from `start` on, forward (`step` 1) or backward (-1), that passes the filter."""
        condition = _FILTERS[which]
        query = sa.select(tasks.c.position).where(_mine(tasks, round_, annotator), condition).limit(1)
        if step >= 0:
            query = query.where(tasks.c.position >= start).order_by(tasks.c.position)
        else:
            query = query.where(tasks.c.position <= start).order_by(tasks.c.position.desc())
        with self._read() as connection:
            return connection.scalar(query)

    def states(self, round_: Round, annotator: str, image_indices: Sequence[int]) -> dict[int, ImageState]:
        """Return the states of these images; an image without events has an empty state."""
        found: dict[int, ImageState] = {}
        with self._read() as connection:
            for chunk in chunks(image_indices):
                query = sa.select(states.c.image_index, states.c.state).where(
                    _mine(states, round_, annotator), states.c.image_index.in_(chunk)
                )
                found |= {row[0]: state_from_text(row[1]) for row in connection.execute(query)}
        return {image_index: found.get(image_index, ImageState()) for image_index in image_indices}

    def states_of_images(self, round_: Round, image_indices: Sequence[int]) -> dict[int, dict[str, ImageState]]:
        """Return everyone's states on these images: by image index, then by annotator."""
        found: dict[int, dict[str, ImageState]] = {image_index: {} for image_index in image_indices}
        columns = (states.c.image_index, states.c.annotator, states.c.state)
        with self._read() as connection:
            for chunk in chunks(image_indices):
                # The key is `round`, `annotator`, `image_index`: it helps only if the annotators are named, too.
                query = sa.select(*columns).where(
                    states.c.round == round_.value,
                    states.c.annotator.in_(sa.select(annotators.c.name)),
                    states.c.image_index.in_(chunk),
                )
                for row in connection.execute(query):
                    found[row.image_index][row.annotator] = state_from_text(row.state)
        return found

    def images_passing(self, round_: Round, which: TaskFilter, annotator: str = "") -> set[int]:
        """Return the images of tasks that pass the filter: of one annotator, or of anybody."""
        query = sa.select(tasks.c.image_index).where(tasks.c.round == round_.value, _FILTERS[which])
        if annotator:
            query = query.where(tasks.c.annotator == annotator)
        with self._read() as connection:
            return set(connection.scalars(query))

    def last_seq(self, round_: Round, annotator: str) -> int:
        """Return the `seq` of an annotator's last event in a round; 0 if there is none."""
        with self._read() as connection:
            return connection.scalar(sa.select(sa.func.max(events.c.seq)).where(_mine(events, round_, annotator))) or 0

    def changed_images(self, round_: Round, annotator: str, since_seq: int) -> tuple[int, set[int]]:
        """Return the last `seq`, and the images with events after `since_seq`."""
        query = sa.select(events.c.image_index, sa.func.max(events.c.seq)).where(
            _mine(events, round_, annotator), events.c.seq > since_seq
        )
        with self._read() as connection:
            rows = connection.execute(query.group_by(events.c.image_index)).all()
        return max((row[1] for row in rows), default=since_seq), {row[0] for row in rows}

    def undo_stacks(self, round_: Round, annotator: str) -> tuple[list[Event], list[Event]]:
        """Return what the annotator can undo and redo, the next one last, among the last `UNDO_DEPTH` actions."""
        kinds = [kind.value for kind in (*UNDOABLE, EventKind.UNDO, EventKind.REDO)]
        query = (
            sa.select(events)
            .where(_mine(events, round_, annotator), events.c.kind.in_(kinds))
            .order_by(events.c.seq.desc())
            .limit(UNDO_DEPTH)
        )
        with self._read() as connection:
            return undo_stacks(event_from_row(row) for row in connection.execute(query))

    def latest_image(self, round_: Round, annotator: str) -> int | None:
        """Return the image of an annotator's last event in a round."""
        query = sa.select(events.c.image_index).where(_mine(events, round_, annotator)).order_by(events.c.seq.desc())
        with self._read() as connection:
            return connection.scalar(query.limit(1))

    def activity(self, round_: Round) -> dict[str, tuple[int, str]]:
        """Return, for everyone with events in a round, how many and when the store took the latest (UTC)."""
        query = (
            sa.select(events.c.annotator, sa.func.count(), sa.func.max(events.c.server_time))
            .where(events.c.round == round_.value)
            .group_by(events.c.annotator)
        )
        with self._read() as connection:
            return {row[0]: (int(row[1]), row[2]) for row in connection.execute(query)}

    def check_readable(self) -> None:
        """Raise `StoreError` unless the store can be read now."""
        with self._read() as connection:
            connection.execute(sa.select(annotators.c.name).limit(1)).all()

    # ---------------------------------------------------------------- writing

    def append(self, new: Sequence[Event]) -> list[SaveResult]:
        """Append events to the log in one transaction, each exactly once.

        An event that is already in the log is acknowledged again. An event is refused if it is malformed, names an
        image that is not the annotator's, undoes an action that is not theirs, or carries another event's id. The other
        events are still taken.

        Returns
        -------
        list of SaveResult
            One per event, in the same order. When this returns, every event with a `seq` is on the disk.

        Raises
        ------
        StoreError
            If the store is away, full or read-only. Then nothing from this call was taken, and it is safe to try again.
        """
        results: dict[int, SaveResult] = {}
        candidates: list[tuple[int, Event]] = []
        for position, event in enumerate(new):
            try:
                event.check(self._n_classes)
            except (StoreError, KeyError, TypeError) as error:
                results[position] = SaveResult(event.event_id, None, str(error))
            else:
                candidates.append((position, event))
        if candidates:
            with self._write() as connection:
                check_mark(connection, self._last)
                appended, last = append_events(connection, candidates)
            results |= appended
            self._last = last or self._last
        return [results[position] for position in range(len(new))]

    def rebuild(self, progress: Callable[[int, int], object] | None = None) -> int:
        """Derive all states and task flags from the log again, in one transaction; return how many states there are.

        Parameters
        ----------
        progress
            Called with the number of states derived so far, and the number in all.
        """
        with self._write() as connection:
            connection.execute(states.delete())
            connection.execute(tasks.update().values(is_decided=False, has_unsure=False, has_comment=False))
            keys = connection.execute(
                sa.select(events.c.round, events.c.annotator, events.c.image_index).distinct()
            ).all()
            done = 0
            for chunk in chunks(keys):
                derive_states(connection, [(key[0], key[1], key[2]) for key in chunk])
                done += len(chunk)
                if progress is not None:
                    progress(done, len(keys))
            return len(keys)

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
                check_mark(connection, mark or self._last)
        except sqlite3.Error as error:
            raise StoreError(f"the store cannot be read: {first_line(error)}") from error
        except StoreError as error:
            self._doubt = error
            raise

    def verify(self, progress: Callable[[int], None] = lambda _n: None) -> Verification:
        """Verify the chain through each annotator's events, and the states that follow from them.

        Parameters
        ----------
        progress
            Called with the number of events read since the last call.
        """
        with self._read() as connection:
            return verify_log(connection, progress)

    def lost_heads(self, kept: dict[tuple[str, str], Head]) -> list[str]:
        """Return, in words, each chain that no longer contains a head that was kept elsewhere."""
        with self._read() as connection:
            return lost_heads(connection, kept)

    def end_of_log(self) -> Mark:
        """Return the last event of the log, whoever wrote it."""
        query = sa.select(events.c.seq, events.c.digest).order_by(events.c.seq.desc()).limit(1)
        with self._read() as connection:
            row = connection.execute(query).first()
        return Mark() if row is None else Mark(row.seq, row.digest)

    # ---------------------------------------------------------------- the whole log, for analysis

    def iter_states(self, round_: Round) -> Iterator[VoteRow]:
        """Yield the state of every (annotator, image) with events, streamed in (image, annotator) order."""
        query = (
            sa.select(states.c.annotator, states.c.image_index, states.c.state)
            .where(states.c.round == round_.value)
            .order_by(states.c.image_index, states.c.annotator)
        )
        with self._read() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                yield VoteRow(row.annotator, row.image_index, state_from_text(row.state))

    def iter_events(self, round_: Round | None = None, annotator: str | None = None) -> Iterator[Event]:
        """Yield events in the order of the log."""
        query = sa.select(events).order_by(events.c.seq)
        if round_ is not None:
            query = query.where(events.c.round == round_.value)
        if annotator is not None:
            query = query.where(events.c.annotator == annotator)
        with self._read() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                yield event_from_row(row)

    def events_of_image(self, image_index: int) -> list[Event]:
        """Return everyone's events on an image, in the order of the log."""
        with self._read() as connection:
            everyone = connection.scalars(sa.select(annotators.c.name)).all()
            keys = [(round_.value, name, image_index) for round_ in Round for name in everyone]
            rows = [
                row
                for condition in matching(connection, events, keys)
                for row in connection.execute(sa.select(events).where(condition))
            ]
        return sorted((event_from_row(row) for row in rows), key=lambda event: event.seq)

    # ---------------------------------------------------------------- transactions

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
        except sa.exc.SQLAlchemyError as error:
            raise StoreError(f"the store cannot be read: {first_line(error)}") from error


_FLAGS = (tasks.c.is_decided, tasks.c.has_unsure, tasks.c.has_comment)
_FILTERS = {
    TaskFilter.ALL: sa.true(),
    TaskFilter.NOT_DONE: tasks.c.is_decided.is_(sa.false()),
    TaskFilter.DONE: tasks.c.is_decided.is_(sa.true()),
    TaskFilter.UNSURE: tasks.c.has_unsure.is_(sa.true()),
    TaskFilter.COMMENTED: tasks.c.has_comment.is_(sa.true()),
}


def _mine(table: sa.Table, round_: Round, annotator: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.round == round_.value, table.c.annotator == annotator)
