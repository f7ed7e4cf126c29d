"""The store itself: events in, states out, through SQLAlchemy Core."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from pipeline.annotation.events import OF_CHANGES, Event, EventKind
from pipeline.annotation.folding import ImageState, counted_for_ancestors, undo_stacks
from pipeline.annotation.session import SaveResult
from pipeline.errors import StoreError
from pipeline.store.appending import append_events
from pipeline.store.chain import Head
from pipeline.store.deriving import derive_states, rows_of
from pipeline.store.engine import open_engine
from pipeline.store.news import Action, latest_actions, newer_states
from pipeline.store.records import chunks, event_from_row, state_from_text, state_to_text
from pipeline.store.standing import Mark, check_mark
from pipeline.store.tables import annotators, events, states, tasks
from pipeline.store.task_lists import TaskLists, mine_in
from pipeline.store.transactions import rows_in_parts
from pipeline.store.verification import Verification, lost_heads, verify_log
from pipeline.votes.words import Round

#: How many of the latest events tell how an annotator is getting on.
WORK_DEPTH = 5_000
#: Events that people made; the others come from changes of the project.
_BY_PEOPLE = events.c.kind.not_in([kind.value for kind in OF_CHANGES])


@dataclass(frozen=True, slots=True)
class VoteRow:
    """One annotator's decided state on one image."""

    annotator: str
    image_index: int
    state: ImageState


def open_store(
    url: str, n_classes: int, gone: frozenset[int] = frozenset(), ancestors: Mapping[int, tuple[int, ...]] | None = None
) -> SqlStore:
    """Open the store at a SQLAlchemy URL; the parameters are those of :class:`SqlStore`."""
    return SqlStore(open_engine(url), n_classes, gone, ancestors)


class SqlStore(TaskLists):
    """Events in, states out. It can be shared between threads and processes; a `with` block closes it at the end.

    Parameters
    ----------
    engine
        From :func:`pipeline.store.engine.open_engine`.
    n_classes
        Size of the project's label space.
    gone
        Indices of classes that were merged, split or retired: states are given without them. The log keeps them.
    ancestors
        Class index to the indices of its ancestors, where it has some: where everybody's states are given, a `yes`
        counts for these, too.
    """

    def __init__(
        self,
        engine: sa.Engine,
        n_classes: int,
        gone: frozenset[int] = frozenset(),
        ancestors: Mapping[int, tuple[int, ...]] | None = None,
    ) -> None:
        super().__init__(engine)
        self.know_classes(n_classes, gone, ancestors or {})

    def know_classes(self, n_classes: int, gone: frozenset[int], ancestors: Mapping[int, tuple[int, ...]]) -> None:
        """Take note of a list of classes that has changed; the parameters are those of the class."""
        self._n_classes, self._gone, self._ancestors = n_classes, gone, ancestors

    def _counted(self, state: ImageState) -> ImageState:
        return counted_for_ancestors(state.without(self._gone), self._ancestors)

    def last_times(self, round_: Round) -> dict[str, str]:
        """Return when the store took each annotator's last event of a round: ISO 8601, UTC."""
        latest = (
            sa.select(events.c.annotator, sa.func.max(events.c.seq).label("seq"))
            .where(events.c.round == round_.value, _BY_PEOPLE)
            .group_by(events.c.annotator)
            .subquery()
        )
        query = sa.select(events.c.annotator, events.c.server_time).join(latest, events.c.seq == latest.c.seq)
        with self._read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def states(self, round_: Round, annotator: str, image_indices: Sequence[int]) -> dict[int, ImageState]:
        """Return the states of these images; an image without events has an empty state."""
        found: dict[int, ImageState] = {}
        with self._read() as connection:
            for chunk in chunks(image_indices):
                query = sa.select(states.c.image_index, states.c.state).where(
                    mine_in(states, round_, annotator), states.c.image_index.in_(chunk)
                )
                found |= {row[0]: state_from_text(row[1]).without(self._gone) for row in connection.execute(query)}
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
                    found[row.image_index][row.annotator] = self._counted(state_from_text(row.state))
        return found

    def images_offered(self, round_: Round, annotator: str, class_index: int) -> set[int]:
        """Return the annotator's images on which a change of the classes offers a class."""
        query = sa.select(events.c.image_index, events.c.payload).where(
            mine_in(events, round_, annotator), events.c.kind == EventKind.CLASSES.value
        )
        with self._read() as connection:
            found = [(row[0], json.loads(row[1])["offered"]) for row in connection.execute(query)]
        return {image_index for image_index, offered in found if class_index in offered}

    def last_seq(self, round_: Round, annotator: str) -> int:
        """Return the `seq` of an annotator's last event in a round; 0 if there is none."""
        with self._read() as connection:
            return (
                connection.scalar(sa.select(sa.func.max(events.c.seq)).where(mine_in(events, round_, annotator))) or 0
            )

    def changed_images(self, round_: Round, annotator: str, since_seq: int) -> tuple[int, set[int]]:
        """Return the last `seq`, and the images with events after `since_seq`."""
        query = sa.select(events.c.image_index, sa.func.max(events.c.seq)).where(
            mine_in(events, round_, annotator), events.c.seq > since_seq
        )
        with self._read() as connection:
            rows = connection.execute(query.group_by(events.c.image_index)).all()
        return max((row[1] for row in rows), default=since_seq), {row[0] for row in rows}

    def changes(self, round_: Round, annotator: str, since_seq: int) -> tuple[int, dict[int, ImageState]]:
        """Return the last `seq`, and the states of the tasks with events after `since_seq`, by position."""
        with self._read() as connection:
            rows = list(newer_states(connection, round_, annotator, since_seq))
        found = {p: state_from_text(text) if text else ImageState() for _, p, text in rows if p is not None}
        last_seq = max((seq for seq, _, _ in rows), default=since_seq)
        return last_seq, {position: state.without(self._gone) for position, state in found.items()}

    def undo_stacks(self, round_: Round, annotator: str) -> tuple[list[Action], list[Action]]:
        """Return what the annotator can undo and redo, the next one last, among the last `UNDO_DEPTH` actions."""
        with self._read() as connection:
            return undo_stacks(latest_actions(connection, round_, annotator))

    def latest_image(self, round_: Round, annotator: str) -> int | None:
        """Return the image of an annotator's last event in a round."""
        query = sa.select(events.c.image_index).where(mine_in(events, round_, annotator), _BY_PEOPLE)
        query = query.order_by(events.c.seq.desc())
        with self._read() as connection:
            return connection.scalar(query.limit(1))

    def latest_work(self, round_: Round, annotator: str) -> dict[int, str]:
        """Return the images of an annotator's last `WORK_DEPTH` events, each with when its last came (UTC)."""
        latest = (
            sa.select(events.c.image_index, events.c.server_time)
            .where(mine_in(events, round_, annotator), _BY_PEOPLE)
            .order_by(events.c.seq.desc())
            .limit(WORK_DEPTH)
            .subquery()
        )
        query = sa.select(latest.c.image_index, sa.func.max(latest.c.server_time)).group_by(latest.c.image_index)
        with self._read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def activity(self, round_: Round) -> dict[str, tuple[int, str]]:
        """Return, for everyone with events in a round, how many and when the store took the latest (UTC)."""
        query = (
            sa.select(events.c.annotator, sa.func.count(), sa.func.max(events.c.server_time))
            .where(events.c.round == round_.value)
            .group_by(events.c.annotator)
        )
        with self._read() as connection:
            return {row[0]: (int(row[1]), row[2]) for row in connection.execute(query)}

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
                check_mark(connection, self._newest)
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

    def iter_states(self, round_: Round) -> Iterator[VoteRow]:
        """Yield the state of every (annotator, image) with events, streamed in (image, annotator) order."""
        for row in self.iter_kept_states(round_):
            is_read = self._gone or self._ancestors
            yield VoteRow(row.annotator, row.image_index, self._counted(row.state)) if is_read else row

    def iter_kept_states(self, round_: Round) -> Iterator[VoteRow]:
        """Yield what :meth:`iter_states` does, with the classes that are no longer in the list."""
        query = (
            sa.select(states.c.annotator, states.c.image_index, states.c.state)
            .where(states.c.round == round_.value)
            .order_by(states.c.image_index, states.c.annotator)
        )
        with self._read() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                yield VoteRow(row.annotator, row.image_index, state_from_text(row.state))

    def iter_state_texts(
        self, round_: Round, left_out: Collection[str] = (), half: int | None = None
    ) -> Iterator[tuple[str, int, str]]:
        """Yield annotator, image index and text of every state but those of `left_out`, in no order.

        The states are those of :meth:`iter_states`, written as the store keeps them: what counts millions of votes
        takes from the text what it needs, in a third of the time.

        Parameters
        ----------
        half
            0 for the states on every other image, 1 for those on the others.
        """
        # Compared as an expression, so that the table is read from its beginning to its end. By way of the key's index,
        # each row would be looked for by itself.
        query = sa.select(states.c.annotator, states.c.image_index, states.c.state).where(
            states.c.round + "" == round_.value, states.c.annotator.not_in(left_out)
        )
        if half is not None:
            query = query.where(states.c.image_index.op("&")(1) == half)  # of negative ones, too
        is_read = self._gone or self._ancestors
        with self._read() as connection:
            for some in rows_in_parts(connection, query):
                if not is_read:
                    yield from some
                    continue
                for annotator, image_index, text in some:
                    yield annotator, image_index, state_to_text(self._counted(state_from_text(text)))

    def has_more_states(self, round_: Round, n: int) -> bool:
        """Return whether a round has more states than `n`."""
        query = sa.select(states.c.image_index).where(states.c.round == round_.value).offset(n).limit(1)
        with self._read() as connection:
            return connection.execute(query).first() is not None

    def opened_elsewhere(self) -> Callable[[], SqlStore] | None:
        """Return what opens this store in another process, and can be pickled; None where none but this one sees it."""
        if self._file.path is None:
            return None
        url = self._engine.url.render_as_string(hide_password=False)
        return partial(open_store, url, self._n_classes, self._gone, dict(self._ancestors))

    def presentations(self, round_: Round) -> dict[tuple[str, int], set[str]]:
        """Return how each annotator was shown each image that they decided while something was tried out on it.

        From (annotator, image_index) to the texts of :class:`pipeline.project.presentation.Presentation` with which
        they decided: several, where the settings changed in between.
        """
        of_round, order = events.c.round == round_.value, events.c.proposal_order
        tried = sa.select(events.c.image_index).where(
            of_round, sa.or_(order.contains(" trial="), order.contains(" probe"))
        )
        deciding = [kind.value for kind in (EventKind.VOTE, EventKind.NONE, EventKind.UNSURE)]
        query = (
            sa.select(events.c.annotator, events.c.image_index, order)
            .where(of_round, events.c.kind.in_(deciding), events.c.image_index.in_(tried))
            .distinct()
        )
        found: dict[tuple[str, int], set[str]] = {}
        with self._read() as connection:
            for row in connection.execute(query):
                found.setdefault((row.annotator, row.image_index), set()).add(row.proposal_order)
        return found

    def first_orders(self, round_: Round, annotator: str, image_indices: Sequence[int]) -> dict[int, list[str]]:
        """Return how an annotator was shown images on which they acted: texts, the first one first.

        They are texts of :class:`pipeline.project.presentation.Presentation`, or say that it was no list of proposals.
        """
        found: dict[int, list[str]] = {}
        with self._read() as connection:
            for chunk in chunks(image_indices):
                query = (
                    sa.select(events.c.image_index, events.c.proposal_order)
                    .where(mine_in(events, round_, annotator), events.c.image_index.in_(chunk))
                    .group_by(events.c.image_index, events.c.proposal_order)
                    .order_by(sa.func.min(events.c.seq))
                )
                for row in connection.execute(query):
                    found.setdefault(row.image_index, []).append(row.proposal_order)
        return found

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
            found = [event_from_row(row) for row in rows_of(connection, events, keys, sa.select(events))]
        return sorted(found, key=lambda event: event.seq)
