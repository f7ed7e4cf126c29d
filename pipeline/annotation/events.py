"""Annotation events: what a widget may send and the store keeps.

The store keeps nothing but these events, in the order in which it received them. What an annotator has decided about an
image is a fold over that image's events (:mod:`pipeline.annotation.folding`); undo and redo are events too, so they
survive whatever happens to a widget.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pipeline.errors import StoreError
from pipeline.votes.words import Round, Vote


class EventKind(StrEnum):
    """What an annotator can do to an image."""

    VOTE = "vote"  # payload: class_index, vote (a `Vote`, or "clear")
    NONE = "none"  # payload: value (bool)
    UNSURE = "unsure"  # payload: value (bool)
    COMMENT = "comment"  # payload: text
    SEARCHED = "searched"  # payload: value (bool)
    REGION = "region"  # payload: class_index, regions (list of {kind, x, y[, width, height]}, in shares of the image)
    FRAMES = "frames"  # no payload: they had the parts of the image shown in which models saw the labels best
    VIEW = "view"  # no payload: more exposure and time on an image that is decided
    CLASSES = "classes"  # payload: change (int), votes ({class_index: `Vote`}), offered (list of class_index)
    UNDO = "undo"  # payload: target (event_id)
    REDO = "redo"  # payload: target (event_id)


#: What only a change of the project may append, never a session.
OF_CHANGES = frozenset({EventKind.CLASSES})
UNDOABLE = frozenset(
    {EventKind.VOTE, EventKind.NONE, EventKind.UNSURE, EventKind.COMMENT, EventKind.REGION, EventKind.SEARCHED}
)
MAX_COMMENT_CHARACTERS = 10_000
#: One annotator's events on one image: far more than work needs, and few enough to fold all of them in milliseconds.
MAX_EVENTS_AN_IMAGE = 2_000
MAX_BYTES_AN_IMAGE = 4_000_000
MAX_REGIONS = 200
MAX_ACTIVE_MS = 24 * 3600 * 1000
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
#: What takes a vote on a class back.
CLEAR = "clear"
_VOTES = frozenset({*Vote, CLEAR})
_MAX_SEED_CHARACTERS = 96
_MAX_IMAGE_INDEX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Event:
    """One thing an annotator did, as made in the browser.

    Parameters
    ----------
    event_id
        Made where the event was made (8–64 letters, digits, ``-`` or ``_``); saving the same one twice changes nothing.
    round, annotator, image_index
        Whose task it belongs to.
    kind, payload
        See :class:`EventKind`.
    shown
        Class indices that had been on screen for this image when the event was made.
    active_ms
        Milliseconds of active work on the image since its previous event.
    order
        How the proposals were offered: the text of a :class:`pipeline.project.presentation.Presentation`.
    client_time
        ISO 8601 time of the annotator's own clock, for the record only.
    seq
        Position in the store's log; 0 until it has one.
    server_time
        ISO 8601 UTC time at which the store accepted it.
    """

    event_id: str
    round: Round
    annotator: str
    image_index: int
    kind: EventKind
    payload: Mapping[str, Any] = field(default_factory=dict)
    shown: tuple[int, ...] = ()
    active_ms: int = 0
    order: str = "score"
    client_time: str = ""
    seq: int = 0
    server_time: str = ""

    def check(self, n_classes: int) -> None:
        """Raise `StoreError` if the event could not have come from a widget of this project."""
        where = f"event {self.event_id[:64]!r} on image {self.image_index}"
        if not _EVENT_ID.fullmatch(self.event_id):
            raise StoreError(f"{where}: the id must be 8–64 letters, digits, '-' or '_'")
        if not 0 <= self.image_index <= _MAX_IMAGE_INDEX:
            raise StoreError(f"{where}: the index must lie between 0 and {_MAX_IMAGE_INDEX}")
        if not 0 <= self.active_ms <= MAX_ACTIVE_MS:
            raise StoreError(f"{where}: active_ms = {self.active_ms}; it must lie between 0 and {MAX_ACTIVE_MS}")
        # A class may be named twice (one that is on screen and was just voted on); the store keeps it once.
        if len(self.shown) > 2 * n_classes:
            raise StoreError(f"{where}: {len(self.shown)} classes shown; the label space has {n_classes}")
        if len(self.order) > _MAX_SEED_CHARACTERS or len(self.client_time) > _MAX_SEED_CHARACTERS:
            raise StoreError(f"{where}: order and client_time take at most {_MAX_SEED_CHARACTERS} characters")
        if not (_is_encodable(self.order) and _is_encodable(self.client_time)):
            raise StoreError(f"{where}: order and client_time must be Unicode text")
        for class_index in self.shown:
            _check_class(class_index, n_classes, where)
        _PAYLOAD_CHECKS[self.kind](self.payload, n_classes, where)


def why_refused(event: Event, gone: Collection[int]) -> str:
    """Return why a session's event is not taken, now that the list of classes lacks some; empty where it is taken.

    Parameters
    ----------
    event
        An event that has been checked.
    gone
        The indices of the classes that were merged, split or retired.
    """
    if event.kind in OF_CHANGES:
        return f"an event of the kind {event.kind.value!r} comes from a change of the project alone"
    class_index = event.payload.get("class_index")
    if isinstance(class_index, int) and class_index in gone:
        return "this class is no longer in the list of classes; reload the page to see the list as it is now"
    return ""


def _check_class(class_index: object, n_classes: int, where: str) -> None:
    if isinstance(class_index, bool) or not isinstance(class_index, int) or not 0 <= class_index < n_classes:
        raise StoreError(f"{where}: no class {class_index!r}; the label space has indices 0 to {n_classes - 1}")


def _check_fields(payload: Mapping[str, Any], names: frozenset[str], where: str) -> None:
    if set(payload) != names:
        raise StoreError(f"{where}: the payload has {sorted(payload)}; it must have {sorted(names)}")


def _check_vote(payload: Mapping[str, Any], n_classes: int, where: str) -> None:
    _check_fields(payload, frozenset({"class_index", "vote"}), where)
    _check_class(payload["class_index"], n_classes, where)
    if payload["vote"] not in _VOTES:
        raise StoreError(f"{where}: vote {payload['vote']!r}; it must be one of {sorted(_VOTES)}")


def _check_flag(payload: Mapping[str, Any], n_classes: int, where: str) -> None:  # noqa: ARG001 - one signature for all
    _check_fields(payload, frozenset({"value"}), where)
    if not isinstance(payload["value"], bool):
        raise StoreError(f"{where}: value {payload['value']!r}; it must be true or false")


def _check_comment(payload: Mapping[str, Any], n_classes: int, where: str) -> None:  # noqa: ARG001
    _check_fields(payload, frozenset({"text"}), where)
    text = payload["text"]
    if not isinstance(text, str) or len(text) > MAX_COMMENT_CHARACTERS or "\x00" in text:
        raise StoreError(f"{where}: a comment is text of at most {MAX_COMMENT_CHARACTERS} characters, without NUL")
    if not _is_encodable(text):
        raise StoreError(f"{where}: the comment holds half a character, which no file can keep; write it again")


def _is_encodable(text: str) -> bool:
    """Return whether text is free of lone surrogates, which a browser's strings can hold and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_region(payload: Mapping[str, Any], n_classes: int, where: str) -> None:
    _check_fields(payload, frozenset({"class_index", "regions"}), where)
    _check_class(payload["class_index"], n_classes, where)
    regions = payload["regions"]
    if not isinstance(regions, list) or len(regions) > MAX_REGIONS:
        raise StoreError(f"{where}: regions must be a list of at most {MAX_REGIONS}")
    for region in regions:
        names = {"box": {"kind", "x", "y", "width", "height"}, "point": {"kind", "x", "y"}}
        if not isinstance(region, dict) or set(region) != names.get(str(region.get("kind"))):
            raise StoreError(f"{where}: region {region!r}; it must be a box (x, y, width, height) or a point (x, y)")
        for name, value in region.items():
            if name != "kind" and (
                isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1
            ):
                raise StoreError(f"{where}: region {name} = {value!r}; it must be a share of the image, from 0 to 1")


def _check_nothing(payload: Mapping[str, Any], n_classes: int, where: str) -> None:  # noqa: ARG001
    _check_fields(payload, frozenset(), where)


def _check_target(payload: Mapping[str, Any], n_classes: int, where: str) -> None:  # noqa: ARG001
    _check_fields(payload, frozenset({"target"}), where)
    if not isinstance(payload["target"], str) or not _EVENT_ID.fullmatch(payload["target"]):
        raise StoreError(f"{where}: the target must be the id of an event")


def _check_classes(payload: Mapping[str, Any], n_classes: int, where: str) -> None:
    _check_fields(payload, frozenset({"change", "votes", "offered"}), where)
    for class_index, vote in payload["votes"].items():
        _check_class(int(class_index), n_classes, where)
        if vote not in set(Vote):
            raise StoreError(f"{where}: vote {vote!r}; it must be one of {sorted(Vote)}")
    for class_index in payload["offered"]:
        _check_class(class_index, n_classes, where)


_PAYLOAD_CHECKS = {
    EventKind.VOTE: _check_vote,
    EventKind.NONE: _check_flag,
    EventKind.UNSURE: _check_flag,
    EventKind.COMMENT: _check_comment,
    EventKind.SEARCHED: _check_flag,
    EventKind.REGION: _check_region,
    EventKind.FRAMES: _check_nothing,
    EventKind.VIEW: _check_nothing,
    EventKind.CLASSES: _check_classes,
    EventKind.UNDO: _check_target,
    EventKind.REDO: _check_target,
}
