"""The messages between browser and kernel; `mlf_widgets/frontend/src/shared/messages.ts` has the same shape.

A request is ``{id, kind, params}``. Its reply is ``{id, ok: true, result}``, with pictures as binary buffers beside it,
or ``{id, ok: false, code, message}``. A message that the kernel sends unasked has an empty id and a
``notice``: ``goto`` (with a ``position``), ``undo``, or ``changed`` (something was saved that the browser half did not
send).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

from pipeline.annotation.as_json import state_as_json
from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.session import (
    Changes,
    Evidence,
    GridPage,
    Picture,
    Progress,
    SaveResult,
    SessionInfo,
    Sprite,
    Task,
    Unreadable,
)
from pipeline.errors import MlfError
from pipeline.project.label_space import LabelSpace
from pipeline.project.opaque_ids import N_NUMBERS, ImageNumbers
from pipeline.votes.words import Round

RequestKind = Literal[
    "open",
    "classes",
    "tasks",
    "find",
    "image",
    "sprite",
    "first_examples",
    "example",
    "images",
    "grid",
    "save",
    "changes",
    "guidelines",
    "guideline_picture",
    "own_progress",
    "submit",
    "skip",
    "mark_region",
]


#: How reasons for a refusal name an image.
_INDEX = re.compile(r"\bimage \d+")


class MessageError(MlfError, ValueError):
    """A message from the browser that this version does not understand."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the browser asks for; the fields of `params` are those of the session's method of the same name."""

    id: str
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: object) -> Request:
        """Read a message as it arrives; raise `MessageError` if it is not a request."""
        if not isinstance(content, dict):
            raise MessageError(f"a message must be an object, not {type(content).__name__}")
        request_id, kind, params = content.get("id"), content.get("kind"), content.get("params", {})
        if not (isinstance(request_id, str) and request_id and isinstance(kind, str) and isinstance(params, dict)):
            raise MessageError("a request has a text `id`, a text `kind` and an object `params`")
        return cls(request_id, kind, params)


class Reply(TypedDict):
    """The one shape of every answer."""

    id: str
    ok: bool
    result: NotRequired[Any]
    code: NotRequired[str]
    message: NotRequired[str]


def done(request_id: str, result: object) -> Reply:
    """Return the answer to a request that was carried out."""
    return {"id": request_id, "ok": True, "result": result}


def failed(request_id: str, code: str, message: str) -> Reply:
    """Return the answer to a request that could not be carried out."""
    return {"id": request_id, "ok": False, "code": code, "message": message}


def evidence_message(evidence: Evidence | None) -> dict[str, Any] | None:
    """Return what others said about an image, or None where that is not shown."""
    if evidence is None:
        return None
    return {
        "votes": {str(c): dict(votes) for c, votes in evidence.votes.items()},
        "comments": dict(evidence.comments),
        "regions": {
            voice: {str(c): list(regions) for c, regions in marked.items()}
            for voice, marked in evidence.regions.items()
        },
        "voices": list(evidence.voices),
        "simulated": list(evidence.simulated),
    }


def task_message(task: Task, numbers: ImageNumbers) -> dict[str, Any]:
    """Return a `Task` as the browser reads it: no index, no rank, nothing that tells one proposal from the others."""
    return {
        "position": task.position,
        "image_number": numbers.number(task.image_index),
        "image_id": task.image_id,
        "has_image": task.has_image,
        "proposals": [
            {
                "class_index": proposal.class_index,
                "score": proposal.score,
                "model": proposal.model,
                "view": None if proposal.view is None else list(proposal.view),
            }
            for proposal in task.proposals
        ],
        "state": state_as_json(task.state),
        "evidence": evidence_message(task.evidence),
        "open_labels": list(task.open_labels),
        "order": task.order,
        "is_probe": task.is_probe,
        "example_group": task.example_group,
    }


def session_info_message(info: SessionInfo) -> dict[str, Any]:
    """Return a `SessionInfo` as the browser reads it."""
    return {
        "project_id": info.project_id,
        "project_name": info.project_name,
        "annotator": info.annotator,
        "round": info.round.value,
        "n_classes": info.n_classes,
        "progress": asdict(info.progress),
        "start_position": info.start_position,
        "last_seq": info.last_seq,
        "undo": [list(pair) for pair in info.undo],
        "redo": [list(pair) for pair in info.redo],
        "annotation": asdict(info.annotation),
        "refinement": asdict(info.refinement),
        "is_simulated": info.is_simulated,
        "class_lines": [{"class_indices": list(line.class_indices), "text": line.text} for line in info.class_lines],
    }


def progress_message(progress: Progress) -> dict[str, int]:
    """Return a `Progress` as the browser reads it."""
    return asdict(progress)


def changes_message(changes: Changes) -> dict[str, Any]:
    """Return `Changes` as the browser reads it: positions are text where they are keys."""
    return {
        "last_seq": changes.last_seq,
        "states": {str(position): state_as_json(state) for position, state in changes.states.items()},
        "progress": progress_message(changes.progress),
        "undo": [list(pair) for pair in changes.undo],
        "redo": [list(pair) for pair in changes.redo],
    }


def grid_message(page: GridPage) -> dict[str, Any]:
    """Return a `GridPage` as the browser reads it."""
    return {"class_index": page.class_index, "positions": list(page.positions), "n_total": page.n_total}


def picture_message(picture: Picture) -> dict[str, Any]:
    """Return what goes with a picture's buffer."""
    return {"media_type": picture.media_type, "width_px": picture.width_px, "height_px": picture.height_px}


def small_picture_message(position: int, picture: Picture | Unreadable) -> dict[str, Any]:
    """Return what goes with one of several pictures; `reason` says why it has no bytes."""
    if isinstance(picture, Unreadable):
        return {"position": position, "media_type": "", "width_px": 0, "height_px": 0, "reason": picture.reason}
    return {"position": position, "reason": ""} | picture_message(picture)


def sprite_message(class_index: int, sprite: Sprite, group: str) -> dict[str, Any]:
    """Return what goes with a sprite's buffer."""
    return {
        "class_index": class_index,
        "group": group,
        "media_type": sprite.media_type,
        "n_examples": sprite.n_examples,
        "n_columns": sprite.n_columns,
        "tile_px": sprite.tile_px,
    }


def save_result_message(result: SaveResult) -> dict[str, Any]:
    """Return a `SaveResult` as the browser reads it: no index, which may tell an image's original label."""
    return asdict(result) | {"error": _INDEX.sub("this image", result.error)}


def classes_buffer(space: LabelSpace) -> bytes:
    """Return all classes as one UTF-8 JSON buffer of columns, and the indices of those that are gone.

    In a buffer, twenty thousand classes are parsed once in the browser, and never by the notebook's own message layer.
    """
    columns = {
        "keys": space.keys,
        "names": space.names,
        "synonyms": [list(info.synonyms) for info in space],
        "definitions": [info.definition for info in space],
        "gone": sorted(space.gone),
    }
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":")).encode()


def parse_event(content: object, numbers: ImageNumbers) -> Event:
    """Read an event as the browser made it; the session checks what it says.

    What an earlier version left unsent in a browser's storage names its image by index, and is read as well.

    Raise `MessageError` if a field is missing or of another type.
    """
    if not isinstance(content, dict):
        raise MessageError(f"an event must be an object, not {type(content).__name__}")
    try:
        return Event(
            event_id=text(content, "event_id"),
            round=Round(content["round"]),
            annotator=text(content, "annotator"),
            image_index=_image_index(content, numbers),
            kind=EventKind(content["kind"]),
            payload=dict(content["payload"]),
            shown=tuple(content["shown"]),
            active_ms=whole_number(content, "active_ms"),
            order=text(content, "order"),
            client_time=text(content, "client_time"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MessageError(f"event {content.get('event_id')!r}: {error}") from error


def _image_index(content: Mapping[str, Any], numbers: ImageNumbers) -> int:
    if "image_number" not in content:
        return whole_number(content, "image_index")
    number = whole_number(content, "image_number")
    if not 0 <= number < N_NUMBERS:
        raise MessageError(f"image_number = {number}; no image has this number")
    return numbers.index(number)


def whole_numbers(params: Mapping[str, Any], name: str) -> Sequence[int]:
    """Return a parameter that must be a list of whole numbers; raise `MessageError` if it is not."""
    values = params.get(name)
    if not isinstance(values, list) or not all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        raise MessageError(f"{name} = {values!r}; expected a list of whole numbers")
    return values


def texts(params: Mapping[str, Any], name: str) -> Sequence[str]:
    """Return a parameter that must be a list of texts; raise `MessageError` if it is not."""
    values = params.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise MessageError(f"{name} = {values!r}; expected a list of texts")
    return values


def whole_number(params: Mapping[str, Any], name: str) -> int:
    """Return a parameter that must be a whole number; raise `MessageError` if it is not."""
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise MessageError(f"{name} = {value!r}; expected a whole number")
    return value


def text(params: Mapping[str, Any], name: str) -> str:
    """Return a parameter that must be text; raise `MessageError` if it is not."""
    value = params.get(name)
    if not isinstance(value, str):
        raise MessageError(f"{name} = {value!r}; expected text")
    return value
