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
from pipeline.store.deriving import UNDOING, Kept, Key, carry_on, kept_states, key_of, rows_of
from pipeline.store.records import event_from_row, event_to_row
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
    rows = list(linked(fresh, heads))
    inserted = connection.execute(
        events.insert().returning(events.c.event_id, events.c.seq, sort_by_parameter_order=True), rows
    )
    moved = [{"r": r, "a": a, "n_events": head.n_events, "digest": head.digest} for (r, a), head in heads.items()]
    connection.execute(_KEEP_HEAD, moved)
    seqs = {row.event_id: row.seq for row in inserted}
    last = max(rows, key=lambda row: seqs[row["event_id"]])
    return seqs, Mark(seqs[last["event_id"]], last["digest"])


def _heads(connection: sa.Connection, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], Head]:
    rows = rows_of(connection, chains, sorted(wanted), sa.select(chains), ("round", "annotator"))
    return {(row.round, row.annotator): Head(row.n_events, row.digest) for row in rows}


def _known_events(connection: sa.Connection, candidates: Sequence[tuple[int, Event]]) -> dict[str, Event]:
    ids = {event.event_id for _, event in candidates}
    ids |= {event.payload["target"] for _, event in candidates if event.kind in UNDOING}
    rows = rows_of(connection, events, [(event_id,) for event_id in sorted(ids)], sa.select(events), ("event_id",))
    return {row.event_id: event_from_row(row) for row in rows}


def _owned_images(connection: sa.Connection, candidates: Sequence[tuple[int, Event]]) -> set[Key]:
    wanted = sorted({key_of(event) for _, event in candidates})
    query = sa.select(tasks.c.round, tasks.c.annotator, tasks.c.image_index)
    return {(row.round, row.annotator, row.image_index) for row in rows_of(connection, tasks, wanted, query)}


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


_KEEP_HEAD = sa.text(
    "INSERT INTO chains (round, annotator, n_events, digest) VALUES (:r, :a, :n_events, :digest) "
    "ON CONFLICT (round, annotator) DO UPDATE SET n_events = excluded.n_events, digest = excluded.digest"
)


def _is_same(one: Event, other: Event) -> bool:
    return (key_of(one), one.kind, dict(one.payload)) == (key_of(other), other.kind, dict(other.payload))
