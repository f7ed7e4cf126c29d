"""What goes over the wire: the dataclasses of `pipeline.annotation.session` as JSON, and a few further shapes.

The service writes and :class:`pipeline.service.client.RemoteSession` reads with the same `TypeAdapter` objects, so the
two cannot drift apart. Nothing here imports a web framework, since kernels load this module too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from pipeline.annotation.as_json import event_as_json
from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.explorer import ExplorerInfo, ExplorerPage
from pipeline.annotation.session import (
    Changes,
    GridPage,
    OwnProgress,
    Picture,
    SaveResult,
    SessionInfo,
    Task,
    Unreadable,
)
from pipeline.project.label_space import ClassInfo, LabelSpace
from pipeline.votes.words import Round

#: The largest 32-bit number: what PostgreSQL's `integer` columns hold.
MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1
#: An answer is written in pieces: down to this depth, and so many numbers of a list at a time.
_PIECES_DEEP, _PIECE, _FEW = 6, 500, 4
_json_of = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
#: Headers that describe a picture, whose bytes are the body.
WIDTH_HEADER = "X-MLF-Width-Px"
HEIGHT_HEADER = "X-MLF-Height-Px"
SPRITE_HEADERS = {"n_examples": "X-MLF-N-Examples", "n_columns": "X-MLF-N-Columns", "tile_px": "X-MLF-Tile-Px"}

#: Text that the database and the logs can take unchanged.
_Plain = Annotated[str, Field(max_length=96, pattern=r"^[\x20-\x7e]*$")]


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The shape of every refusal: a word for programs and a sentence for people."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Me:
    """Who the service takes the caller for."""

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A position, or None where no task passes the filter."""

    position: int | None


@dataclass(frozen=True, slots=True)
class PictureHead:
    """What is said about one of several pictures: the size of its bytes, or why there are none."""

    n_bytes: int
    media_type: str = ""
    width_px: int = 0
    height_px: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EventIn:
    """An event as it is sent; `annotator` and `round` are never trusted: they must be the caller's own."""

    event_id: Annotated[str, Field(max_length=200)]
    image_index: Annotated[int, Field(ge=0, le=MAX_INT32, strict=True)]
    kind: EventKind
    payload: dict[str, Any]
    shown: Annotated[list[Any], Field(max_length=30_000)]
    active_ms: Annotated[int, Field(ge=-MAX_INT32, le=MAX_INT32, strict=True)]
    order: _Plain = "score"
    client_time: _Plain = ""
    annotator: Annotated[str, Field(max_length=200)] = ""
    round: Round | None = None

    def as_event(self, annotator: str, round_: Round) -> Event:
        """Return the event, as the work of this annotator in this round."""
        return Event(
            event_id=self.event_id,
            round=round_,
            annotator=annotator,
            image_index=self.image_index,
            kind=self.kind,
            payload=self.payload,
            shown=tuple(self.shown),
            active_ms=self.active_ms,
            order=self.order,
            client_time=self.client_time,
        )


@dataclass(frozen=True, slots=True)
class SaveIn:
    """The events to save."""

    events: list[EventIn]


@dataclass(frozen=True, slots=True)
class SaveOut:
    """One result per event, in the order sent."""

    results: list[SaveResult]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can do its work; `last_write` is ``none`` until somebody has saved."""

    status: str
    store: str
    last_write: str


class RunState(StrEnum):
    """How a stage's last run in this hub stands; `NEVER`: none since the service started."""

    NEVER = "never"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StageRun:
    """A stage's last run.

    Attributes
    ----------
    stage, state, by
        Which stage, how the run stands, and who started it.
    started, finished
        UTC, ISO 8601; empty if it has not.
    lines
        What it printed last.
    report, made
        File name of the stage's report and when it was made, whoever made it; empty if there is none.
    """

    stage: str
    state: RunState = RunState.NEVER
    by: str = ""
    started: str = ""
    finished: str = ""
    lines: tuple[str, ...] = ()
    report: str = ""
    made: str = ""


@dataclass(frozen=True, slots=True)
class StageRuns:
    """The last run of each stage, in the order of the stages."""

    runs: tuple[StageRun, ...]


@dataclass(frozen=True, slots=True)
class ClassTable:
    """A label space as columns."""

    name: str
    keys: list[str]
    names: list[str]
    synonyms: list[list[str]]
    definitions: list[str]
    #: Indices of classes that are no longer in the list.
    gone: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, space: LabelSpace) -> ClassTable:
        """Return a label space's columns."""
        return cls(
            space.name,
            list(space.keys),
            list(space.names),
            [list(info.synonyms) for info in space],
            [info.definition for info in space],
            sorted(space.gone),
        )

    def label_space(self) -> LabelSpace:
        """Return the label space."""
        columns = zip(self.keys, self.names, self.synonyms, self.definitions, strict=True)
        gone = set(self.gone)  # what became of them is the project's business
        classes = tuple(
            ClassInfo(i, k, n, tuple(s), d, fate="retired" if i in gone else "")
            for i, (k, n, s, d) in enumerate(columns)
        )
        return LabelSpace(classes, name=self.name)


def whole_schema(shape: TypeAdapter[Any]) -> dict[str, Any]:
    """Return the JSON schema of a shape in one piece: a route's description has no place for definitions of its own."""
    schema = shape.json_schema()
    definitions = schema.pop("$defs", {})

    def in_place(part: Any) -> Any:
        if isinstance(part, list):
            return [in_place(one) for one in part]
        if not isinstance(part, dict):
            return part
        named = str(part.get("$ref", "")).removeprefix("#/$defs/")
        beside = {key: in_place(value) for key, value in part.items() if key != "$ref"}
        return (in_place(definitions[named]) | beside) if named else beside

    whole: dict[str, Any] = in_place(schema)
    return whole


def pack_pictures(pictures: Sequence[Picture | Unreadable]) -> bytes:
    """Return several pictures as one body: the length of the heads (4 bytes), the heads as JSON, the bytes."""
    heads = [
        PictureHead(0, reason=picture.reason)
        if isinstance(picture, Unreadable)
        else PictureHead(len(picture.data), picture.media_type, picture.width_px, picture.height_px)
        for picture in pictures
    ]
    described = HEADS.dump_json(heads)
    data = [picture.data for picture in pictures if isinstance(picture, Picture)]
    return b"".join([len(described).to_bytes(4, "big"), described, *data])


def pack_answer(result: object, buffers: Sequence[bytes]) -> bytes:
    """Return what answers a page: the length of the head (4 bytes), the head as JSON, and the buffers, as it says."""
    content = {"result": result, "sizes": [len(buffer) for buffer in buffers]}
    head = b"".join(piece.encode() for piece in json_pieces(content))
    return b"".join([len(head).to_bytes(4, "big"), head, *buffers])


def json_pieces(value: object, deep: int = _PIECES_DEEP) -> Iterator[str]:
    """Yield a value as JSON, piece by piece: while one piece is written, no other thread of Python's goes on."""
    if deep and isinstance(value, dict) and value and all(isinstance(key, str) for key in value):
        for i, (key, part) in enumerate(value.items()):
            yield f"{',' if i else '{'}{_json_of(key)}:"
            yield from json_pieces(part, deep - 1)
        yield "}"
    elif deep and isinstance(value, list):
        yield "["
        for i in range(0, len(value), _PIECE):
            parts = value[i : i + _PIECE]
            if all(map(_is_short, parts)):
                yield f"{',' if i else ''}{_json_of(parts)[1:-1]}"
                continue
            for j, part in enumerate(parts):
                yield "," if i or j else ""
                yield from json_pieces(part, deep - 1)
        yield "]"
    else:
        yield _json_of(value)


def _is_short(value: object) -> bool:
    """Tell whether a value is written in no time: a number, a text, or a few of these."""
    if isinstance(value, list):
        return len(value) <= _FEW and not any(isinstance(part, (dict, list)) for part in value)
    return not isinstance(value, dict)


def unpack_pictures(body: bytes) -> list[Picture | Unreadable]:
    """Return the pictures in a body made by :func:`pack_pictures`; raise `ValueError` if it is not such a body."""
    end = 4 + int.from_bytes(body[:4], "big")
    pictures: list[Picture | Unreadable] = []
    for head in HEADS.validate_json(body[4:end]):
        if head.reason:
            pictures.append(Unreadable(head.reason))
            continue
        data = body[end : end + head.n_bytes]
        end += head.n_bytes
        pictures.append(Picture(data, head.media_type, head.width_px, head.height_px))
    if end != len(body):
        raise ValueError(f"the pictures end at byte {end} of {len(body)}")
    return pictures


ERROR = TypeAdapter(ErrorBody)
HEADS = TypeAdapter(list[PictureHead])
ME = TypeAdapter(Me)
FOUND = TypeAdapter(Found)
EVENT_IN = TypeAdapter(EventIn)
SAVE_IN = TypeAdapter(SaveIn)
SAVE_OUT = TypeAdapter(SaveOut)
SESSION_INFO = TypeAdapter(SessionInfo)
TASK = TypeAdapter(Task)
TASKS = TypeAdapter(list[Task])
CHANGES = TypeAdapter(Changes)
GRID = TypeAdapter(GridPage)
CLASSES = TypeAdapter(ClassTable)
HEALTH = TypeAdapter(Health)
OWN_PROGRESS = TypeAdapter(OwnProgress)
RUN = TypeAdapter(StageRun)
RUNS = TypeAdapter(StageRuns)
EXPLORER_INFO = TypeAdapter(ExplorerInfo)
EXPLORER_PAGE = TypeAdapter(ExplorerPage)


def save_body(events: list[Event]) -> bytes:
    """Return the body of a request that saves these events."""
    return json.dumps({"events": [event_as_json(event) for event in events]}, separators=(",", ":")).encode()
