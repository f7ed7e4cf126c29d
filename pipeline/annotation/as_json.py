"""Events and states as plain JSON values: what the store keeps, what the service sends, what the browser has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.annotation.events import Event
from pipeline.annotation.folding import ImageState
from pipeline.votes.words import Vote

#: A look-up, many times as fast as `Vote(word)`: whole rounds are read through it.
_VOTES = {vote.value: vote for vote in Vote}


def event_as_json(event: Event) -> dict[str, Any]:
    """Return an event as the browser makes it, without what the store adds (`seq`, `server_time`)."""
    return {
        "event_id": event.event_id,
        "round": event.round.value,
        "annotator": event.annotator,
        "image_index": event.image_index,
        "kind": event.kind.value,
        "payload": dict(event.payload),
        "shown": list(event.shown),
        "active_ms": event.active_ms,
        "order": event.order,
        "client_time": event.client_time,
    }


def state_as_json(state: ImageState) -> dict[str, Any]:
    """Return a state; class indices are text where they are keys."""
    return {
        "votes": {str(c): vote for c, vote in state.votes.items()},
        "none": state.none,
        "unsure": state.unsure,
        "comment": state.comment,
        "regions": {str(c): list(marked) for c, marked in state.regions.items()},
        "shown": list(state.shown),
        "searched": state.searched,
        "active_ms": state.active_ms,
        "last_seq": state.last_seq,
        "offered": list(state.offered),
        "open_again": list(state.open_again),
        "saw_frames": state.saw_frames,
    }


def state_from_json(content: Mapping[str, Any]) -> ImageState:
    """Return the state of which :func:`state_as_json` gave `content`."""
    return ImageState(
        votes={int(c): _VOTES[vote] for c, vote in content["votes"].items()},
        none=content["none"],
        unsure=content["unsure"],
        comment=content["comment"],
        regions={int(c): marked for c, marked in content["regions"].items()},
        shown=tuple(content["shown"]),
        searched=content.get("searched", False),  # states kept by an earlier version have none
        active_ms=content["active_ms"],
        last_seq=content["last_seq"],
        offered=tuple(content.get("offered", ())),  # absent in states that an older version kept
        open_again=tuple(content.get("open_again", ())),
        saw_frames=content.get("saw_frames", False),
    )
