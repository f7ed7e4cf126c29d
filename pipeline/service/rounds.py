"""The routes of `AnnotationSession`, one per method: the caller's own tasks in one round, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError

from pipeline.annotation.events import Event, why_refused
from pipeline.annotation.session import (
    MAX_IMAGES_AT_ONCE,
    Changes,
    GridPage,
    OwnProgress,
    Picture,
    SaveResult,
    SessionInfo,
    Task,
    TaskFilter,
)
from pipeline.errors import StoreError
from pipeline.hub.accounts import Role
from pipeline.service.admission import Refusal, Service, refuse_until, require
from pipeline.service.class_list import ClassesAnswer
from pipeline.service.identity import Caller
from pipeline.service.logs import log
from pipeline.service.people import ERRORS, json_response
from pipeline.service.pictures import (
    MANY_PICTURES,
    MAX_SMALL_SIDE_PX,
    PICTURES,
    SEVERAL,
    in_turn,
    placeless,
    several,
)
from pipeline.service.serving import ServedSession
from pipeline.service.wire import (
    CHANGES,
    FOUND,
    GRID,
    HEIGHT_HEADER,
    MAX_INT32,
    MAX_INT64,
    OWN_PROGRESS,
    SAVE_IN,
    SAVE_OUT,
    SESSION_INFO,
    SPRITE_HEADERS,
    TASK,
    WIDTH_HEADER,
    ClassTable,
    EventIn,
    Found,
    SaveIn,
    SaveOut,
    pack_pictures,
    whole_schema,
)
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round

ROLE_OF = {Round.ANNOTATION: Role.ANNOTATORS, Round.REFINEMENT: Role.REFINERS}
MAX_POSITIONS = 500
#: Positions in one answer that together count as one request.
_POSITIONS_A_REQUEST = 1_000
_BODY_TIMEOUT_S = 30.0
MAX_SIDE_PX = 20_000
_PICTURE: dict[int | str, dict[str, object]] = {
    200: {"content": {"image/jpeg": {}, "image/png": {}}, "description": "The picture; its size is in the headers."}
}

_Own = Callable[..., AsyncIterator[LocalSession]]
Position = Annotated[int, Path(ge=0, le=MAX_INT32)]
ClassIndex = Annotated[int, Path(ge=0, le=MAX_INT32)]
Group = Annotated[str, Query(max_length=1)]


def rounds_router(service: Service, classes: ClassesAnswer) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/api/rounds/{round}", responses=ERRORS)
    Known = Annotated[Caller, Depends(service.caller)]  # noqa: N806 - a type

    async def own(round: Round, caller: Known) -> AsyncIterator[LocalSession]:  # noqa: A002 - the path's name
        require(caller, ROLE_OF[round])
        async with service.turn_of(caller.name):
            yield ServedSession(service.tables, service.store, caller.name, round)

    _add_saving(router, service)  # first: it is asked for most, and routes are looked at in turn
    _add_work(router, service, own, classes)
    _add_pictures(router, service, own)
    return router


def _add_work(router: APIRouter, service: Service, own: _Own, classes: ClassesAnswer) -> None:
    Own = Annotated[LocalSession, Depends(own)]  # noqa: N806 - a type
    Known = Annotated[Caller, Depends(service.caller)]  # noqa: N806

    @router.get("/open", response_model=SessionInfo)
    def open_(session: Own, caller: Known) -> Response:
        """Return what a session needs once."""
        service.charge(caller, service.limits.opening_requests)
        return json_response(SESSION_INFO.dump_json(session.open()))

    @router.get("/classes", response_model=ClassTable, dependencies=[Depends(own)])
    def label_space(request: Request) -> Response:
        """Return all classes; send `If-None-Match` to fetch them once."""
        return classes.answer(request)

    @router.get("/tasks", response_model=list[Task])
    def tasks(session: Own, caller: Known, positions: Annotated[str, Query(pattern=SEVERAL)]) -> Response:
        """Return the tasks at these positions, separated by commas; those past the end are left out."""
        wanted = several(positions, MAX_POSITIONS, "tasks")
        service.charge(caller, len(wanted) / service.limits.tasks_a_request)
        found = session.tasks([p for p in wanted if p <= MAX_INT32])
        # One after the other: while all of them are written at once, no other thread of Python's goes on.
        return json_response(b"[" + b",".join(map(TASK.dump_json, found)) + b"]")

    @router.get("/find", response_model=Found)
    def find(
        session: Own,
        which: TaskFilter,
        start: Annotated[int, Query(ge=-MAX_INT32, le=MAX_INT32)],
        step: Annotated[int, Query(ge=-MAX_INT32, le=MAX_INT32)] = 1,
    ) -> Response:
        """Return the nearest position from `start` on that passes the filter."""
        return json_response(FOUND.dump_json(Found(session.find(which, start, step))))

    @router.get("/own-progress", response_model=OwnProgress)
    def own_progress(session: Own, caller: Known) -> Response:
        """Return how you are getting on, where the project shows it."""
        service.charge(caller, service.limits.burst / 4)
        return json_response(OWN_PROGRESS.dump_json(session.own_progress()))

    @router.get("/grid", response_model=GridPage)
    def grid(
        session: Own,
        caller: Known,
        class_index: Annotated[int | None, Query(ge=0, le=MAX_INT32)] = None,
        which: TaskFilter = TaskFilter.ALL,
        start: Annotated[int, Query(ge=0, le=MAX_INT32)] = 0,
        count: Annotated[int, Query(ge=0, le=MAX_INT32)] = 100,
    ) -> Response:
        """Return your tasks that pass a filter; if a class is named, only those for which it is proposed."""
        page = session.grid(class_index, start, count, which)
        service.charge(caller, min(len(page.positions) / _POSITIONS_A_REQUEST, service.limits.burst / 2))
        return json_response(GRID.dump_json(page))

    @router.get("/changes", response_model=Changes)
    def changes(session: Own, since_seq: Annotated[int, Query(ge=0, le=MAX_INT64)]) -> Response:
        """Return what happened to your tasks after `since_seq`."""
        return json_response(CHANGES.dump_json(session.changes(since_seq)))


def _add_pictures(router: APIRouter, service: Service, own: _Own) -> None:
    Own = Annotated[LocalSession, Depends(own)]  # noqa: N806 - a type
    Known = Annotated[Caller, Depends(service.caller)]  # noqa: N806

    @router.get("/images/{position}", responses=_PICTURE, response_class=Response)
    async def image(
        session: Own, position: Position, max_side_px: Annotated[int | None, Query(ge=1, le=MAX_SIDE_PX)] = None
    ) -> Response:
        """Return a task's image, named by its position among your tasks; no path is ever taken from a caller."""
        return picture_response(await in_turn(lambda: session.image(position, max_side_px)))

    @router.get("/pictures", responses=PICTURES, response_class=Response)
    async def pictures(
        session: Own,
        caller: Known,
        positions: Annotated[str, Query(pattern=SEVERAL)],
        max_side_px: Annotated[int, Query(ge=1, le=MAX_SMALL_SIDE_PX)],
    ) -> Response:
        """Return several tasks' images, scaled down, in one body."""
        wanted = [min(position, MAX_INT32) for position in several(positions, MAX_IMAGES_AT_ONCE, "images")]
        service.charge(caller, len(wanted) / service.limits.pictures_a_request)
        found = await in_turn(lambda: session.images(wanted, max_side_px))
        return Response(pack_pictures([placeless(service, one) for one in found]), media_type=MANY_PICTURES)

    @router.get("/sprites/{class_index}", responses=_PICTURE, response_class=Response)
    def sprite(session: Own, class_index: ClassIndex, group: Group = "") -> Response:
        """Return a class's examples in one picture, for tasks of a group."""
        found = session.sprite(class_index, group)
        headers = {header: str(getattr(found, name)) for name, header in SPRITE_HEADERS.items()}
        return Response(found.data, headers=headers, media_type=found.media_type)

    @router.get("/examples/{class_index}/{number}", responses=_PICTURE, response_class=Response)
    async def example(session: Own, class_index: ClassIndex, number: Position, group: Group = "") -> Response:
        """Return one of these examples, enlarged."""
        return picture_response(await in_turn(lambda: session.example(class_index, number, group)))

    @router.get("/guideline-pictures/{number}", responses=_PICTURE, response_class=Response)
    async def guideline_picture(session: Own, number: Position) -> Response:
        """Return a picture of the guidelines, named by its place in them."""
        return picture_response(await in_turn(lambda: session.guideline_picture(number)))


def _add_saving(router: APIRouter, service: Service) -> None:
    Known = Annotated[Caller, Depends(service.caller)]  # noqa: N806 - a type

    @router.post(
        "/events",
        response_model=SaveOut,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": whole_schema(SAVE_IN)}},
            }
        },
    )
    async def save(round: Round, caller: Known, request: Request) -> Response:  # noqa: A002
        """Save events; the answer comes once they are on the disk."""
        require(caller, ROLE_OF[round])
        async with service.turn_of(caller.name, "save"):
            sent = await _read_save(request, service, caller)
            results = await save_events(service, caller, round, sent.events)
        return json_response(SAVE_OUT.dump_json(SaveOut(results)))


async def read_json_body(request: Request, service: Service, caller: Caller) -> bytes:
    """Return the body of a request that is JSON, and count its bytes against the caller."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        # A form on another site can send text/plain and url-encoded bodies unasked, but not JSON.
        raise Refusal(415, "Invalid", "send JSON, as Content-Type: application/json")
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            body = await request.body()
    except TimeoutError:
        raise Refusal(408, "TooSlow", "the events did not arrive in time; send them again") from None
    refuse_until(service.allowances.take_bytes(caller.name, len(body)))
    return body


async def _read_save(request: Request, service: Service, caller: Caller) -> SaveIn:
    body = await read_json_body(request, service, caller)
    try:
        # Parsed from the bytes: Python's own parser accepts lone surrogates, which no database can store.
        sent = SAVE_IN.validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise Refusal(422, "Invalid", f"{where}: {first['msg']}"[:500]) from error
    count_events(service, caller, len(sent.events))
    return sent


def count_events(service: Service, caller: Caller, n_events: int) -> None:
    """Count the events of a save against the caller; raises `Refusal` if they are too many."""
    most = service.limits.max_events
    if n_events > most:
        raise Refusal(413, "TooLarge", f"{n_events} events at once; at most {most} are taken")
    refuse_until(service.allowances.take_events(caller.name, n_events))


async def save_events(service: Service, caller: Caller, round_: Round, sent: Sequence[EventIn]) -> list[SaveResult]:
    """Append a caller's events to the log; return one result each, once they are on the disk."""
    tables = service.tables
    results = await _append(service, caller, round_, sent)
    refused = [i for i, result in enumerate(results) if result.seq is None and result.is_final]
    if refused:
        # A refusal is final, and the sender may have been shown a class that this process has not looked for yet.
        service.refresh()
        if service.tables is not tables:
            again = await _append(service, caller, round_, [sent[i] for i in refused])
            for i, result in zip(refused, again, strict=True):
                results[i] = result
    _count(service, caller, results)
    return results


async def _append(service: Service, caller: Caller, round_: Round, sent: Sequence[EventIn]) -> list[SaveResult]:
    results: list[SaveResult | None] = [None] * len(sent)
    own: dict[int, Event] = {}
    for i, content in enumerate(sent):
        event = content.as_event(caller.name, round_)
        if content.annotator not in {"", caller.name} or content.round not in {None, round_}:
            results[i] = SaveResult(event.event_id, None, f"this session is {caller.name!r}'s {round_.value} round")
        elif refusal := why_refused(event, service.tables.label_space.gone):
            results[i] = SaveResult(event.event_id, None, refusal)
        else:
            own[i] = event
    if own:
        try:
            queued = service.writer.append(list(own.values()), caller.name)
            saved = await asyncio.wrap_future(queued)
        except StoreError:
            service.last_write = "failed"
            raise
        service.last_write = "ok"
        for i, result in zip(own, saved, strict=True):
            results[i] = result
    return [result for result in results if result is not None]


def _count(service: Service, caller: Caller, results: list[SaveResult]) -> None:
    n_taken = sum(result.seq is not None for result in results)
    service.metrics.events.labels("acknowledged").inc(n_taken)
    if n_taken < len(results):
        service.metrics.events.labels("refused").inc(len(results) - n_taken)
        for result in results:
            if result.seq is None:
                log("event refused", user=caller.name, event_id=result.event_id[:64], reason=result.error)


def picture_response(picture: Picture) -> Response:
    """Return a picture; its size is in the headers."""
    headers = {WIDTH_HEADER: str(picture.width_px), HEIGHT_HEADER: str(picture.height_px)}
    return Response(picture.data, headers=headers, media_type=picture.media_type)
