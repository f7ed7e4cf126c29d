"""What the log amounts to: each annotator's state on each image, updated by new events or folded from the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import ImageState, fold, fold_onto
from pipeline.store.records import action_from_row, chunks, event_from_row, state_from_text, state_to_text
from pipeline.store.tables import events, states, tasks

#: (round, annotator, image index)
Key = tuple[str, str, int]
UNDOING = frozenset({EventKind.UNDO, EventKind.REDO})


@dataclass(slots=True)
class Kept:
    """What is kept of one annotator's work on one image: its state, and the number and size of its events."""

    state: ImageState = field(default_factory=ImageState)
    n_events: int = 0
    n_bytes: int = 0


def kept_states(connection: sa.Connection, keys: set[Key]) -> dict[Key, Kept]:
    """Return what is kept for these keys; an empty entry where there are no events yet."""
    kept = {key: Kept() for key in keys}
    for condition in matching(connection, states, sorted(keys)):
        for row in connection.execute(sa.select(states).where(condition)):
            key = (row.round, row.annotator, row.image_index)
            kept[key] = Kept(state_from_text(row.state), row.n_events, row.n_bytes)
    return kept


def carry_on(connection: sa.Connection, fresh: Sequence[Event], kept: dict[Key, Kept]) -> None:
    """Bring the states of the images of new events up to date."""
    grouped: dict[Key, list[Event]] = {}
    for event in fresh:
        grouped.setdefault(key_of(event), []).append(event)
    reaching_back = sorted(key for key, new in grouped.items() if any(event.kind in UNDOING for event in new))
    histories = _actions(connection, reaching_back)
    changed: dict[Key, Kept] = {}
    for key, new in grouped.items():
        before = kept[key].state
        if key in histories:
            # What was seen and how long it took stay, whatever is undone. So only the decisions are folded again.
            seen = fold_onto(before, [replace(event, kind=EventKind.VIEW, payload={}) for event in new])
            decided = fold(histories[key])
            state = replace(
                decided,
                shown=seen.shown,
                active_ms=seen.active_ms,
                last_seq=seen.last_seq,
                open_again=seen.open_again,
            )
        else:
            state = fold_onto(before, new)
        changed[key] = replace(kept[key], state=state)
    _write_states(connection, changed)


def _actions(connection: sa.Connection, keys: Sequence[Key]) -> dict[Key, list[Event]]:
    """Return the decisions, undos and redos of these images, without what was shown with each."""
    found: dict[Key, list[Event]] = {key: [] for key in keys}
    columns = (events.c.seq, events.c.event_id, events.c.round, events.c.annotator, events.c.image_index)
    query = sa.select(*columns, events.c.kind, events.c.payload).where(events.c.kind != EventKind.VIEW.value)
    for condition in matching(connection, events, keys):
        for row in connection.execute(query.where(condition)):
            found[row.round, row.annotator, row.image_index].append(action_from_row(row))
    return found


def derive_states(connection: sa.Connection, keys: Sequence[Key]) -> None:
    """Fold all events of these (round, annotator, image) into `states` and the flags of `tasks`, from the first on."""
    derived: dict[Key, Kept] = {}
    for condition in matching(connection, events, keys):
        grouped: dict[Key, list[Event]] = {}
        sizes: dict[Key, int] = {}
        for row in connection.execute(sa.select(events).where(condition)):
            key = (row.round, row.annotator, row.image_index)
            grouped.setdefault(key, []).append(event_from_row(row))
            sizes[key] = sizes.get(key, 0) + len(row.payload) + len(row.shown)
        derived |= {key: Kept(fold(found), len(found), sizes[key]) for key, found in grouped.items()}
    _write_states(connection, derived)


def _write_states(connection: sa.Connection, changed: Mapping[Key, Kept]) -> None:
    if not changed:
        return
    values = [
        {
            "b_round": r,
            "b_annotator": a,
            "b_image": i,
            "state": state_to_text(kept.state),
            "last_seq": kept.state.last_seq,
            "n_events": kept.n_events,
            "n_bytes": kept.n_bytes,
        }
        for (r, a, i), kept in changed.items()
    ]
    connection.execute(_DELETE_STATE, values)
    connection.execute(_INSERT_STATE, values)
    flags = [
        value
        | {"is_decided": state.is_done, "has_unsure": state.has_unsure, "has_comment": bool(state.comment.strip())}
        for value, state in zip(values, (kept.state for kept in changed.values()), strict=True)
    ]
    connection.execute(_UPDATE_TASK, flags)


def matching(connection: sa.Connection, table: sa.Table, keys: Sequence[Key]) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions that together match the rows of these keys; an index answers each of them.

    SQLite gets one condition per annotator: for ``OR`` and for ``(a, b, c) IN (VALUES …)`` it may read the whole round,
    while another statement takes only microseconds. For PostgreSQL each statement is a round trip over the network, so
    it gets one condition for many annotators.
    """
    images: dict[tuple[str, str], list[int]] = {}
    for round_, annotator, image_index in keys:
        images.setdefault((round_, annotator), []).append(image_index)
    own = [
        sa.and_(table.c.round == round_, table.c.annotator == annotator, table.c.image_index.in_(chunk))
        for (round_, annotator), indices in images.items()
        for chunk in chunks(indices)
    ]
    if connection.dialect.name == "sqlite":
        yield from own
    else:
        yield from (sa.or_(*some) for some in chunks(own))


def _bound(table: sa.Table) -> sa.ColumnElement[bool]:
    return sa.and_(
        table.c.round == sa.bindparam("b_round"),
        table.c.annotator == sa.bindparam("b_annotator"),
        table.c.image_index == sa.bindparam("b_image"),
    )


_DELETE_STATE = states.delete().where(_bound(states))
_INSERT_STATE = states.insert().values(
    round=sa.bindparam("b_round"),
    annotator=sa.bindparam("b_annotator"),
    image_index=sa.bindparam("b_image"),
    state=sa.bindparam("state"),
    last_seq=sa.bindparam("last_seq"),
    n_events=sa.bindparam("n_events"),
    n_bytes=sa.bindparam("n_bytes"),
)
_UPDATE_TASK = (
    tasks.update()
    .where(_bound(tasks))
    .values(
        is_decided=sa.bindparam("is_decided"),
        has_unsure=sa.bindparam("has_unsure"),
        has_comment=sa.bindparam("has_comment"),
    )
)


def key_of(event: Event) -> Key:
    """Return the task that an event belongs to, as the tables name it."""
    return event.round.value, event.annotator, event.image_index
