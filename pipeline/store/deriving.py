"""What the log amounts to: each annotator's state on each image, updated by new events or folded from the start."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from operator import eq
from typing import Any

import sqlalchemy as sa

from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import ImageState, fold, fold_onto
from pipeline.store.records import action_from_row, chunks, event_from_row, state_from_text, state_to_text
from pipeline.store.tables import events, states, tasks

#: (round, annotator, image index)
Key = tuple[str, str, int]
KEY = ("round", "annotator", "image_index")
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
    for row in rows_of(connection, states, sorted(keys), sa.select(states)):
        key = (row.round, row.annotator, row.image_index)
        kept[key] = Kept(state_from_text(row.state), row.n_events, row.n_bytes)
    return kept


def carry_on(connection: sa.Connection, fresh: Sequence[Event], kept: dict[Key, Kept]) -> None:
    """Bring the states of the images of new events up to date."""
    grouped: dict[Key, list[Event]] = {}
    for event in fresh:
        grouped.setdefault(key_of(event), []).append(event)
    reaching_back = sorted(key for key, new in grouped.items() if any(event.kind in UNDOING for event in new))
    histories = _actions(connection, reaching_back) if reaching_back else {}
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
    for row in rows_of(connection, events, keys, query):
        found[row.round, row.annotator, row.image_index].append(action_from_row(row))
    return found


def derive_states(connection: sa.Connection, keys: Sequence[Key]) -> None:
    """Fold all events of these (round, annotator, image) into `states` and the flags of `tasks`, from the first on."""
    grouped: dict[Key, list[Event]] = {}
    sizes: dict[Key, int] = {}
    for row in rows_of(connection, events, keys, sa.select(events)):
        key = (row.round, row.annotator, row.image_index)
        grouped.setdefault(key, []).append(event_from_row(row))
        sizes[key] = sizes.get(key, 0) + len(row.payload) + len(row.shown)
    _write_states(connection, {key: Kept(fold(found), len(found), sizes[key]) for key, found in grouped.items()})


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
    connection.execute(_KEEP_STATE, values)
    flags = [
        value
        | {"is_decided": state.is_done, "has_unsure": state.has_unsure, "has_comment": bool(state.comment.strip())}
        for value, state in zip(values, (kept.state for kept in changed.values()), strict=True)
    ]
    connection.execute(_UPDATE_TASK, flags)


def rows_of(
    connection: sa.Connection,
    table: sa.Table,
    keys: Sequence[tuple[str | int, ...]],
    query: sa.Select[Any],
    names: tuple[str, ...] = KEY,
) -> Iterator[sa.Row[Any]]:
    """Yield what a query gives of the rows of a table that belong to these keys; an index answers for each key.

    The keys are joined like a table of their own. So a statement is the same however many they are: it is neither
    written nor read anew for each person, and for a database on another machine it is one round trip.

    Parameters
    ----------
    connection
        To the store.
    table, query
        The table, and what is asked of it.
    keys
        Each has a value for each of `names`.
    names
        The columns that make a key.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    keyed = query.select_from(_beside_keys(table, names, is_sqlite))
    for chunk in chunks(keys):
        lists = map(list, zip(*chunk, strict=True))
        named = {"keys": json.dumps(chunk)} if is_sqlite else dict(zip(names, lists, strict=True))
        yield from connection.execute(keyed, named)


@cache
def _beside_keys(table: sa.Table, names: tuple[str, ...], is_sqlite: bool) -> sa.Join:
    values: list[sa.ColumnElement[Any]]
    if is_sqlite:
        each = sa.func.json_each(sa.bindparam("keys", type_=sa.Text)).table_valued("value", name="k")
        values = [sa.func.json_extract(each.c.value, f"$[{place}]") for place in range(len(names))]
    else:
        lists = [sa.cast(sa.bindparam(name), sa.ARRAY(table.c[name].type)) for name in names]
        each = sa.func.unnest(*lists).table_valued(*names, name="k").render_derived()
        values = list(each.c)
    return sa.join(each, table, sa.and_(*map(eq, (table.c[name] for name in names), values)))


_KEEP_STATE = sa.text(
    "INSERT INTO states (round, annotator, image_index, state, last_seq, n_events, n_bytes) "
    "VALUES (:b_round, :b_annotator, :b_image, :state, :last_seq, :n_events, :n_bytes) "
    "ON CONFLICT (round, annotator, image_index) DO UPDATE SET state = excluded.state, "
    "last_seq = excluded.last_seq, n_events = excluded.n_events, n_bytes = excluded.n_bytes"
)
_UPDATE_TASK = (
    tasks.update()
    .where(
        tasks.c.round == sa.bindparam("b_round"),
        tasks.c.annotator == sa.bindparam("b_annotator"),
        tasks.c.image_index == sa.bindparam("b_image"),
    )
    .values(
        is_decided=sa.bindparam("is_decided"),
        has_unsure=sa.bindparam("has_unsure"),
        has_comment=sa.bindparam("has_comment"),
    )
)


def key_of(event: Event) -> Key:
    """Return the task that an event belongs to, as the tables name it."""
    return event.round.value, event.annotator, event.image_index
