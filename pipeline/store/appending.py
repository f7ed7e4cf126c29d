"""Append to the log and derive the states that follow from it, inside one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from pipeline.annotation.events import (
    MAX_BYTES_AN_IMAGE,
    MAX_EVENTS_AN_IMAGE,
    UNDOABLE,
    Event,
)
from pipeline.annotation.session import SaveResult
from pipeline.store.chain import Head, linked
from pipeline.store.deriving import UNDOING, Kept, Key, carry_on, kept_states, key_of, matching
from pipeline.store.records import chunks, event_from_row, event_to_row
from pipeline.store.standing import Mark
from pipeline.store.tables import chains, events, tasks


def append_events(
    connection: sa.Connection, candidates: Sequence[tuple[int, Event]]
) -> tuple[dict[int, SaveResult], Mark | None]:
    """Insert the events that are new and acceptable.

    Return a result for each candidate, by its position in the call, and the last event of the log if any were new.

    The cost does not grow with an image's history: the kept state is updated from the new events alone. Only an undo or
    a redo reads that history, and it is limited in size for that reason.
    """
    known = _known_events(connection, candidates)
    owned = _owned_images(connection, candidates)
    kept = kept_states(connection, owned)
    results: dict[int, SaveResult] = {}
    accepted: list[tuple[int, Event]] = []
    rows: dict[str, dict[str, Any]] = {}
    for position, event in candidates:
        twin = known.get(event.event_id)
        refusal = _refusal(event, known, owned)
        if twin is not None and _is_same(twin, event):
            if twin.seq:
                results[position] = SaveResult(event.event_id, twin.seq)
            else:
                accepted.append((position, event))  # the same event twice in one call: both get the same seq below
            continue
        if not refusal:
            row = event_to_row(event)
            refusal = _too_much(event, row, kept[key_of(event)])
        if refusal:
            results[position] = SaveResult(event.event_id, None, refusal)
        else:
            known[event.event_id], rows[event.event_id] = event, row
            accepted.append((position, event))
    last: Mark | None = None
    if rows:
        seqs, last = _insert(connection, list(rows.values()))
        results |= {position: SaveResult(event.event_id, seqs[event.event_id]) for position, event in accepted}
        carry_on(connection, [replace(known[event_id], seq=seqs[event_id]) for event_id in rows], kept)
    return results, last


def _insert(connection: sa.Connection, fresh: Sequence[dict[str, Any]]) -> tuple[dict[str, int], Mark]:
    """Add rows to the log and to the chains of their annotators; return `seq` by event id, and the last event."""
    heads = _heads(connection, {(row["round"], row["annotator"]) for row in fresh})
    started = set(heads)
    rows = list(linked(fresh, heads))
    inserted = connection.execute(
        events.insert().returning(events.c.event_id, events.c.seq, sort_by_parameter_order=True), rows
    )
    moved = [
        {"b_round": r, "b_annotator": a, "n_events": h.n_events, "digest": h.digest} for (r, a), h in heads.items()
    ]
    known = [value for value in moved if (value["b_round"], value["b_annotator"]) in started]
    new = [value for value in moved if (value["b_round"], value["b_annotator"]) not in started]
    if known:
        connection.execute(_UPDATE_CHAIN, known)
    if new:
        connection.execute(_INSERT_CHAIN, new)
    seqs = {row.event_id: row.seq for row in inserted}
    last = max(rows, key=lambda row: seqs[row["event_id"]])
    return seqs, Mark(seqs[last["event_id"]], last["digest"])


def _heads(connection: sa.Connection, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Head]:
    heads: dict[tuple[str, str], Head] = {}
    for round_ in sorted({key[0] for key in wanted}):
        for chunk in chunks(sorted(annotator for r, annotator in wanted if r == round_)):
            query = sa.select(chains).where(chains.c.round == round_, chains.c.annotator.in_(chunk))
            heads |= {(row.round, row.annotator): Head(row.n_events, row.digest) for row in connection.execute(query)}
    return heads


def _known_events(connection: sa.Connection, candidates: Sequence[tuple[int, Event]]) -> dict[str, Event]:
    ids = {event.event_id for _, event in candidates}
    ids |= {event.payload["target"] for _, event in candidates if event.kind in UNDOING}
    known: dict[str, Event] = {}
    for chunk in chunks(sorted(ids)):
        rows = connection.execute(sa.select(events).where(events.c.event_id.in_(chunk)))
        known |= {row.event_id: event_from_row(row) for row in rows}
    return known


def _owned_images(connection: sa.Connection, candidates: Sequence[tuple[int, Event]]) -> set[Key]:
    wanted = sorted({key_of(event) for _, event in candidates})
    owned: set[Key] = set()
    for condition in matching(connection, tasks, wanted):
        query = sa.select(tasks.c.round, tasks.c.annotator, tasks.c.image_index).where(condition)
        owned |= {(row.round, row.annotator, row.image_index) for row in connection.execute(query)}
    return owned


def _refusal(event: Event, known: Mapping[str, Event], owned: set[Key]) -> str:
    if event.event_id in known:
        return f"event id {event.event_id!r} belongs to another event; every event needs an id of its own"
    if key_of(event) not in owned:
        return f"image {event.image_index} is not assigned to {event.annotator!r} in the {event.round.value} round"
    if event.kind in UNDOING:
        target = known.get(event.payload["target"])
        if target is None or key_of(target) != key_of(event) or target.kind not in UNDOABLE:
            return f"event {event.payload['target']!r} is no action of {event.annotator!r} on image {event.image_index}"
    return ""


def _too_much(event: Event, row: Mapping[str, Any], kept: Kept) -> str:
    """Count an event towards its image's limits; return why it is one too many, or an empty string."""
    n_bytes = len(row["payload"]) + len(row["shown"])
    if kept.n_events >= MAX_EVENTS_AN_IMAGE:
        return f"image {event.image_index} has {kept.n_events:,} events of {event.annotator!r}; no more are accepted"
    if kept.n_bytes + n_bytes > MAX_BYTES_AN_IMAGE:
        return (
            f"image {event.image_index}: comments and regions of {event.annotator!r} come to {kept.n_bytes:,} bytes; "
            f"at most {MAX_BYTES_AN_IMAGE:,} are taken for one image"
        )
    kept.n_events += 1
    kept.n_bytes += n_bytes
    return ""


_INSERT_CHAIN = chains.insert().values(
    round=sa.bindparam("b_round"),
    annotator=sa.bindparam("b_annotator"),
    n_events=sa.bindparam("n_events"),
    digest=sa.bindparam("digest"),
)
_UPDATE_CHAIN = (
    chains.update()
    .where(chains.c.round == sa.bindparam("b_round"), chains.c.annotator == sa.bindparam("b_annotator"))
    .values(n_events=sa.bindparam("n_events"), digest=sa.bindparam("digest"))
)


def _is_same(one: Event, other: Event) -> bool:
    return (key_of(one), one.kind, dict(one.payload)) == (key_of(other), other.kind, dict(other.payload))
