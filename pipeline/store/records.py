"""How events and states are kept in the tables: from values to rows and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.annotation.as_json import event_as_json, state_as_json, state_from_json
from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import ImageState
from pipeline.votes.words import Round

_CHUNK = 400  # rows named in one statement; SQLite takes at most 32,766 variables


def state_to_text(state: ImageState) -> str:
    """Write a state as the store keeps it."""
    content = state_as_json(state)
    for name in ("offered", "open_again"):  # most projects never change their classes
        if not content[name]:
            del content[name]
    return json.dumps(content, separators=(",", ":"))


def state_from_text(text: str) -> ImageState:
    """Read a state as the store keeps it."""
    return state_from_json(json.loads(text))


def event_to_row(event: Event) -> dict[str, Any]:
    """Return the columns of a new event."""
    row = event_as_json(event)
    return row | {
        "payload": json.dumps(row["payload"], separators=(",", ":")),
        "shown": json.dumps(sorted(set(event.shown)), separators=(",", ":")),
        "proposal_order": row.pop("order"),
        "server_time": event.server_time or now(),  # an event from another store keeps its own time
    }


def event_from_row(row: Any) -> Event:
    """Return the event that a row of `events` holds."""
    return Event(
        **_decided(row),
        shown=tuple(json.loads(row.shown)),
        active_ms=row.active_ms,
        order=row.proposal_order,
        client_time=row.client_time,
        server_time=row.server_time,
    )


def action_from_row(row: Any) -> Event:
    """Return what an event decided, from a row of `events` that was read without exposure, times and order."""
    return Event(**_decided(row))


def _decided(row: Any) -> dict[str, Any]:
    return {
        "event_id": row.event_id,
        "round": Round(row.round),
        "annotator": row.annotator,
        "image_index": row.image_index,
        "kind": EventKind(row.kind),
        "payload": json.loads(row.payload),
        "seq": row.seq,
    }


def chunks(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut a sequence into pieces that one statement can name."""
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def now() -> str:
    """Return the time as the store writes it: ISO 8601, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
