"""Annotation events, and the state of an image that follows from them.

The store keeps nothing but these events, in the order in which it received them. What an annotator has decided about an
image is a fold over that image's events; undo and redo are events too, so they survive whatever happens to a widget.

Rules of the fold (:func:`fold`):

- events count in the order of their `seq`, never by a clock;
- an event whose latest `undo`/`redo` is an `undo` does not count, except that its exposure and time stay: they
  happened;
- `vote` sets or clears one class; a `yes` takes *none of these* back;
- `none` clears every vote and says that no class applies; `unsure` flags the whole image; `comment` replaces the text;
- an image is *decided* once it has a vote, *none of these*, or the image's *unsure*; a comment alone decides nothing;
- on a decided image, a class that was shown and has no vote of its own counts as `no` (as `unsure`, where the image is
  flagged unsure). A class that was not shown has no vote at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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
    REGION = "region"  # payload: class_index, regions (list of {kind, x, y[, width, height]}, in shares of the image)
    VIEW = "view"  # no payload: more exposure and time on an image that is decided
    UNDO = "undo"  # payload: target (event_id)
    REDO = "redo"  # payload: target (event_id)


UNDOABLE = frozenset({EventKind.VOTE, EventKind.NONE, EventKind.UNSURE, EventKind.COMMENT, EventKind.REGION})
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
_MAX_SEED_CHARACTERS = 64
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
        The order in which the proposals were offered: ``score``, or ``shuffled:<seed>``.
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


@dataclass(frozen=True, slots=True)
class ImageState:
    """What one annotator has said about one image so far, as their events imply it.

    Parameters
    ----------
    votes
        The votes given one by one, by class index.
    none, unsure
        *None of these*; the image as a whole is unsure.
    comment
        Free text.
    regions
        Class index to the regions marked for it.
    shown
        Class indices that have been on screen, ascending.
    active_ms
        Active work on the image.
    last_seq
        The last event that this state includes.
    """

    votes: Mapping[int, Vote] = field(default_factory=dict)
    none: bool = False
    unsure: bool = False
    comment: str = ""
    regions: Mapping[int, list[dict[str, Any]]] = field(default_factory=dict)
    shown: tuple[int, ...] = ()
    active_ms: int = 0
    last_seq: int = 0

    @property
    def is_decided(self) -> bool:
        """Return whether the annotator has decided anything about the labels."""
        return bool(self.votes) or self.none or self.unsure

    @property
    def has_unsure(self) -> bool:
        """Return whether the image or one of its labels is flagged unsure."""
        return self.unsure or Vote.UNSURE in self.votes.values()

    @property
    def label_set(self) -> tuple[int, ...]:
        """Return the classes voted `yes`, ascending."""
        return tuple(sorted(c for c, vote in self.votes.items() if vote == Vote.YES))

    def exposed_votes(self) -> dict[int, Vote]:
        """Return the vote on every exposed class, by class index; empty if undecided."""
        if not self.is_decided:
            return {}
        unticked = Vote.UNSURE if self.unsure else Vote.NO
        return dict.fromkeys(self.shown, unticked) | dict(self.votes)


def fold(events: Iterable[Event]) -> ImageState:
    """Return the state of one image for one annotator that its events imply.

    Parameters
    ----------
    events
        All events of one (round, annotator, image), in any order; each has its `seq`.
    """
    ordered = sorted(events, key=lambda event: event.seq)
    undone = undone_ids(ordered)
    draft = _Draft()
    for event in ordered:
        if event.event_id not in undone:
            draft.apply(event)
    return replace(
        draft.as_state(),
        shown=tuple(sorted({c for event in ordered for c in event.shown})),
        active_ms=sum(event.active_ms for event in ordered),
        last_seq=ordered[-1].seq if ordered else 0,
    )


def fold_onto(state: ImageState, new: Iterable[Event]) -> ImageState:
    """Return the state after further events, from the state before them: the same as :func:`fold` over all of them.

    The work does not grow with what happened before, so that one image with a long history slows nobody.

    Parameters
    ----------
    state
        What the earlier events of one (round, annotator, image) imply.
    new
        Later events of the same, each with its `seq`; no undo and no redo among them, since these reach back into the
        history that a state does not hold.

    Raises
    ------
    ValueError
        If there is an undo or a redo.
    """
    ordered = sorted(new, key=lambda event: event.seq)
    draft = _Draft(dict(state.votes), dict(state.regions), state.none, state.unsure, state.comment)
    for event in ordered:
        if event.kind in {EventKind.UNDO, EventKind.REDO}:
            raise ValueError(f"event {event.event_id!r} is an {event.kind.value}; fold the whole history")
        draft.apply(event)
    return replace(
        draft.as_state(),
        shown=tuple(sorted({*state.shown, *(c for event in ordered for c in event.shown)})),
        active_ms=state.active_ms + sum(event.active_ms for event in ordered),
        last_seq=max((event.seq for event in ordered), default=state.last_seq),
    )


def undone_ids(ordered: Iterable[Event]) -> set[str]:
    """Return the ids of the actions that stand undone, from one (round, annotator, image)'s events in order."""
    latest = {
        event.payload["target"]: event.kind for event in ordered if event.kind in {EventKind.UNDO, EventKind.REDO}
    }
    return {target for target, kind in latest.items() if kind is EventKind.UNDO}


@dataclass
class _Draft:
    votes: dict[int, Vote] = field(default_factory=dict)
    regions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    none: bool = False
    unsure: bool = False
    comment: str = ""

    def apply(self, event: Event) -> None:
        match event.kind:
            case EventKind.VOTE:
                self._vote(event.payload["class_index"], event.payload["vote"])
            case EventKind.NONE:
                self.none = event.payload["value"]
                if self.none:
                    self.votes.clear()
            case EventKind.UNSURE:
                self.unsure = event.payload["value"]
            case EventKind.COMMENT:
                self.comment = event.payload["text"]
            case EventKind.REGION:
                self.regions[event.payload["class_index"]] = list(event.payload["regions"])
            case _:
                pass

    def as_state(self) -> ImageState:
        """Return what was decided, without exposure and time."""
        regions = {c: marked for c, marked in self.regions.items() if marked}
        return ImageState(self.votes, self.none, self.unsure, self.comment, regions)

    def _vote(self, class_index: int, vote: str) -> None:
        self.votes.pop(class_index, None)
        if vote != CLEAR:
            self.votes[class_index] = Vote(vote)
        self.none = self.none and vote != Vote.YES


def undo_stacks(events: Iterable[Event]) -> tuple[list[Event], list[Event]]:
    """Return what can be undone and what can be redone, the next one last.

    A new action after an undo empties the redo stack, as in every editor.

    Parameters
    ----------
    events
        Events of one annotator in one round, over all images, in any order; each has its `seq`.
    """
    undo: list[Event] = []
    redo: list[Event] = []
    known: dict[str, Event] = {}
    for event in sorted(events, key=lambda event: event.seq):
        if event.kind in UNDOABLE:
            known[event.event_id] = event
            undo.append(event)
            redo.clear()
        elif event.kind in {EventKind.UNDO, EventKind.REDO}:
            target = known.get(event.payload["target"])
            source, sink = (undo, redo) if event.kind is EventKind.UNDO else (redo, undo)
            if target is not None and target in source:
                source.remove(target)
                sink.append(target)
    return undo, redo


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


_PAYLOAD_CHECKS = {
    EventKind.VOTE: _check_vote,
    EventKind.NONE: _check_flag,
    EventKind.UNSURE: _check_flag,
    EventKind.COMMENT: _check_comment,
    EventKind.REGION: _check_region,
    EventKind.VIEW: _check_nothing,
    EventKind.UNDO: _check_target,
    EventKind.REDO: _check_target,
}
