"""Appending to the log, and deriving the states that follow from it, inside one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa

from pipeline.annotation.events import UNDOABLE, Event, EventKind, ImageState, fold
from pipeline.annotation.session import SaveResult
from pipeline.store.records import chunks, event_from_row, event_to_row, state_to_json
from pipeline.store.tables import events, states, tasks
from pipeline.votes.words import Round

_Key = tuple[str, str, int]


def append_events(connection: sa.Connection, candidates: Sequence[tuple[int, Event]]) -> dict[int, SaveResult]:
    """Insert what is new and fit; return a result for each candidate, by its position in the call."""
    known = _known_events(connection, candidates)
    owned = _owned_images(connection, candidates)
    results: dict[int, SaveResult] = {}
    accepted: list[tuple[int, Event]] = []
    for position, event in candidates:
        twin = known.get(event.event_id)
        refusal = _refusal(event, known, owned)
        if twin is not None and _is_same(twin, event):
            if twin.seq:
                results[position] = SaveResult(event.event_id, twin.seq)
            else:
                accepted.append((position, event))  # the same event twice in one call: both get its seq below
        elif refusal:
            results[position] = SaveResult(event.event_id, None, refusal)
        else:
            known[event.event_id] = event
            accepted.append((position, event))
    fresh = list({event.event_id: event for _, event in accepted}.values())
    if fresh:
        rows = connection.execute(
            events.insert().returning(events.c.event_id, events.c.seq, sort_by_parameter_order=True),
            [event_to_row(event) for event in fresh],
        )
        seqs: dict[str, int] = {row.event_id: row.seq for row in rows}
        results |= {position: SaveResult(event.event_id, seqs[event.event_id]) for position, event in accepted}
        derive_states(connection, sorted({(event.round.value, event.annotator, event.image_index) for event in fresh}))
    return results


def _known_events(connection: sa.Connection, candidates: Sequence[tuple[int, Event]]) -> dict[str, Event]:
    ids = {event.event_id for _, event in candidates}
    ids |= {event.payload["target"] for _, event in candidates if event.kind in {EventKind.UNDO, EventKind.REDO}}
    known: dict[str, Event] = {}
    for chunk in chunks(sorted(ids)):
        rows = connection.execute(sa.select(events).where(events.c.event_id.in_(chunk)))
        known |= {row.event_id: event_from_row(row) for row in rows}
    return known


def _owned_images(connection: sa.Connection, candidates: Sequence[tuple[int, Event]]) -> set[_Key]:
    wanted = sorted({(event.round.value, event.annotator, event.image_index) for _, event in candidates})
    owned: set[_Key] = set()
    for condition in matching(connection, tasks, wanted):
        query = sa.select(tasks.c.round, tasks.c.annotator, tasks.c.image_index).where(condition)
        owned |= {(row.round, row.annotator, row.image_index) for row in connection.execute(query)}
    return owned


def _refusal(event: Event, known: Mapping[str, Event], owned: set[_Key]) -> str:
    if event.event_id in known:
        return f"event id {event.event_id!r} belongs to another event; every event needs an id of its own"
    if (event.round.value, event.annotator, event.image_index) not in owned:
        return f"image {event.image_index} is not assigned to {event.annotator!r} in the {event.round.value} round"
    if event.kind in {EventKind.UNDO, EventKind.REDO}:
        target = known.get(event.payload["target"])
        if target is None or _key(target) != _key(event) or target.kind not in UNDOABLE:
            return f"event {event.payload['target']!r} is no action of {event.annotator!r} on image {event.image_index}"
    return ""


def derive_states(connection: sa.Connection, keys: Sequence[_Key]) -> None:
    """Fold the events of these (round, annotator, image) anew into `states` and the flags of `tasks`."""
    folded: dict[_Key, ImageState] = {}
    for condition in matching(connection, events, keys):
        grouped: dict[_Key, list[Event]] = {}
        for row in connection.execute(sa.select(events).where(condition)):
            grouped.setdefault((row.round, row.annotator, row.image_index), []).append(event_from_row(row))
        folded |= {key: fold(found) for key, found in grouped.items()}
    values = [
        {"b_round": r, "b_annotator": a, "b_image": i, "state": state_to_json(state), "last_seq": state.last_seq}
        for (r, a, i), state in folded.items()
    ]
    if not values:
        return
    connection.execute(_DELETE_STATE, values)
    connection.execute(_INSERT_STATE, values)
    flags = [
        value
        | {"is_decided": state.is_decided, "has_unsure": state.has_unsure, "has_comment": bool(state.comment.strip())}
        for value, state in zip(values, folded.values(), strict=True)
    ]
    connection.execute(_UPDATE_TASK, flags)


def matching(connection: sa.Connection, table: sa.Table, keys: Sequence[_Key]) -> Iterator[sa.ColumnElement[bool]]:
    """Yield conditions that together match the rows of these keys, each answered from an index.

    SQLite gets one an annotator: for ``OR`` and for ``(a, b, c) IN (VALUES …)`` it may read the whole round, and a
    statement costs it microseconds. For PostgreSQL each is a round trip, so it gets one for many annotators.
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


def _key(event: Event) -> tuple[Round, str, int]:
    return event.round, event.annotator, event.image_index


def _is_same(one: Event, other: Event) -> bool:
    return (_key(one), one.kind, dict(one.payload)) == (_key(other), other.kind, dict(other.payload))
