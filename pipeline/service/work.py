"""Light sessions: the work of annotators and refiners as a page of the service, without a server or kernel of theirs.

The page shows the same browser halves as a notebook, and they ask the same things. Here each request of theirs is one
HTTP request, answered from the same session as everybody's, within the same limits. A log-in through the Hub opens the
page; the page alone knows the key that its further requests have to show.
"""

import asyncio
import gzip
import json
import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from pipeline.annotation.as_json import event_as_json
from pipeline.annotation.session import MAX_IMAGES_AT_ONCE, Picture, SaveResult
from pipeline.errors import MlfError
from pipeline.hub.accounts import Role
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.service.admission import Refusal, Service
from pipeline.service.class_list import ClassesAnswer
from pipeline.service.identity import Caller
from pipeline.service.logins import BrowserLogins, check_is_page
from pipeline.service.people import ERRORS
from pipeline.service.pictures import MAX_SMALL_SIDE_PX, in_turn
from pipeline.service.rounds import (
    MAX_POSITIONS,
    MAX_SIDE_PX,
    ROLE_OF,
    count_events,
    picture_response,
    read_json_body,
    save_events,
)
from pipeline.service.serving import ServedSession
from pipeline.service.wire import EVENT_IN, MAX_INT32, MAX_INT64, EventIn, pack_answer
from pipeline.service.work_page import TASK_BLOCK, Opening, built_file, page_html, page_policy
from pipeline.sessions.answers import SessionAnswers
from pipeline.sessions.messages import MessageError, parse_event, save_result_message
from pipeline.votes.words import Round

_KEY_HEADER = "x-mlf-key"
_PACKED = "application/vnd.mlf.answer"
#: The purpose of the secret that a page shows with each request.
_ASKING = "requests of a page"
_FOR_EVER = "public, max-age=31536000, immutable"
_MAX_SPRITES = 100
#: Answers that are shorter are sent as they are.
_WORTH_ZIPPING = 1_000
#: What pages ask for by POST; saving, the classes and images have routes of their own.
_ASKED = frozenset(
    {
        "open",
        "tasks",
        "find",
        "sprite",
        "example",
        "images",
        "grid",
        "changes",
        "guidelines",
        "guideline_picture",
        "own_progress",
    }
)
_MOST_OF = {"positions": MAX_POSITIONS, "class_indices": _MAX_SPRITES}
_HIGHEST = {"since_seq": MAX_INT64, "max_side_px": MAX_SMALL_SIDE_PX, "count": 100_000}

Position = Annotated[int, Query(ge=0, le=MAX_INT32)]


def work_router(  # noqa: C901 - it only lists the routes
    service: Service, logins: BrowserLogins, classes: ClassesAnswer, prefix: str
) -> APIRouter:
    """Return the routes."""
    router = APIRouter(prefix="/work", responses=ERRORS, include_in_schema=False)
    at = f"{prefix}/work"

    async def asking(round: Round, request: Request) -> Caller:  # noqa: A002 - the path's name
        """Return who asks from an open page."""
        caller = await logins.known(request, ROLE_OF[round])
        _check_is_light(service)
        if caller is None:
            raise Refusal(401, "Unauthorized", "your log-in has ended; open the page again", "no log-in")
        if "authorization" not in request.headers:
            if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
                raise Refusal(403, "CrossSite", "another site's page sent this; it is not accepted")
            shown = request.headers.get(_KEY_HEADER, "").encode()
            if not shown and request.method == "POST":
                raise Refusal(403, "CrossSite", "no page of yours sent this; open the page again", "no key")
            if shown and not secrets.compare_digest(shown, logins.key_for(_ASKING, request).encode()):
                # Another tab has logged in anew: a page that hears this is opened again.
                raise Refusal(401, "Unauthorized", "you have logged in anew; open the page again", "wrong key")
        return caller

    Asking = Annotated[Caller, Depends(asking)]  # noqa: N806 - a type

    def answers_of(caller: Caller, round_: Round) -> SessionAnswers:
        session = ServedSession(service.tables, service.store, caller.name, round_)
        return SessionAnswers(session, ImageNumbers.of(service.project.secret))

    @router.get("")
    async def landing(request: Request) -> Response:
        """Lead to the page of the round that the person works in."""
        check_is_page(request)
        caller = await logins.known(request, Role.REFINERS, Role.ANNOTATORS)
        if caller is None:
            return logins.log_in(request)
        round_ = Round.ANNOTATION
        if caller.is_in(Role.REFINERS):
            left = await asyncio.to_thread(service.store.progress, Round.REFINEMENT, caller.name)
            if left.n_done < left.n_tasks or not caller.is_in(Role.ANNOTATORS):
                round_ = Round.REFINEMENT
        return RedirectResponse(f"{at}/{round_.value}", 302)

    @router.get("/{round}", response_class=HTMLResponse)
    async def page(round: Round, request: Request) -> Response:  # noqa: A002
        """Return the page on which a person works."""
        check_is_page(request)
        caller = await logins.known(request, ROLE_OF[round])
        if caller is None:
            return logins.log_in(request)
        _check_is_light(service)
        cost = float(service.limits.opening_requests)
        service.charge(caller, cost)
        answers = answers_of(caller, round)

        def opening() -> Opening:
            info, _ = answers.open({})
            first = info["start_position"] // TASK_BLOCK * TASK_BLOCK
            tasks: Any
            tasks, _ = answers.handlers["tasks"]({"positions": list(range(first, first + TASK_BLOCK))})
            return Opening(info, tasks, info["annotation"]["display_px"])

        listed = f"{at}/{round.value}/classes/{classes.tag.strip(chr(34))}"
        key = logins.key_for(_ASKING, request)
        host = request.headers.get("x-forwarded-host", request.headers.get("host", ""))
        headers = {"Content-Security-Policy": page_policy(host, at)}
        async with service.turn_of(caller.name):
            opened = await in_turn(opening)
            content = await asyncio.to_thread(lambda: page_html(opened, round, at, key, listed).encode())
            service.charge_bytes(caller, len(content), cost)
            return await asyncio.to_thread(_zipped, request, content, "text/html; charset=utf-8", headers)

    @router.get("/static/{tag}/{name}")
    async def static(tag: str, name: str, request: Request) -> Response:
        """Return a built file of the page."""
        file = built_file(name)
        headers = {"Cache-Control": _FOR_EVER if tag == file.tag else "no-store", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.zipped, headers=headers | {"Content-Encoding": "gzip"}, media_type=file.media_type)
        return Response(file.plain, headers=headers, media_type=file.media_type)

    @router.get("/{round}/state", dependencies=[Depends(asking)])
    async def state() -> Response:
        """Tell a page that nobody answers that its log-in still counts, and that its key is of that log-in."""
        return Response(status_code=204)

    @router.get("/{round}/classes/{tag}", dependencies=[Depends(asking)])
    async def label_space(tag: str, request: Request) -> Response:
        """Return all classes; a list that has changed has another address."""
        is_this = tag == classes.tag.strip('"')
        return classes.answer(request, {"Cache-Control": _FOR_EVER.replace("public", "private")} if is_this else None)

    @router.get("/{round}/image")
    async def image(
        round: Round,  # noqa: A002
        caller: Asking,
        position: Position,
        max_side_px: Annotated[int | None, Query(ge=1, le=MAX_SIDE_PX)] = None,
        image_id: Annotated[str, Query(max_length=64)] = "",
    ) -> Response:
        """Return a task's image, named by its position among the person's tasks.

        With an id it is the image itself that is meant, wherever it stands: browsers may keep it for some minutes.
        """
        session = ServedSession(service.tables, service.store, caller.name, round)

        def picture() -> Picture:
            if image_id and [task.image_id for task in session.tasks([position])] != [image_id]:
                raise Refusal(404, "NotFound", "your list of images has changed; open the page again")
            return session.image(position, max_side_px)

        async with service.turn_of(caller.name):
            answer = picture_response(await in_turn(picture))
        if image_id:
            answer.headers["Cache-Control"] = "private, max-age=300"
        return answer

    @router.post("/{round}/save")
    async def save(round: Round, caller: Asking, request: Request) -> Response:  # noqa: A002
        """Save events; the answer comes once they are on the disk."""
        async with service.turn_of(caller.name, "save"):
            sent = _params(await read_json_body(request, service, caller)).get("events")
            if not isinstance(sent, list):
                raise Refusal(422, "Invalid", "`events` must be a list")
            count_events(service, caller, len(sent))
            read = [_read_event(content, ImageNumbers.of(service.project.secret)) for content in sent]
            saved = iter(await save_events(service, caller, round, [one for one in read if isinstance(one, EventIn)]))
        results = [one if isinstance(one, SaveResult) else next(saved) for one in read]
        body = pack_answer([save_result_message(result) for result in results], [])
        return _zipped(request, body, _PACKED, {})

    @router.post("/{round}/{kind}")
    async def ask(round: Round, kind: str, caller: Asking, request: Request) -> Response:  # noqa: A002
        """Answer a request of the page's browser half."""
        if kind not in _ASKED:
            raise Refusal(404, "NotFound", f"no request is called {kind[:50]!r}")
        async with service.turn_of(caller.name):
            params = _checked(_params(await read_json_body(request, service, caller)), kind)
            cost = _cost(service, kind, params)
            service.charge(caller, cost)
            handler = answers_of(caller, round).handlers[kind]
            try:
                result, buffers = await in_turn(lambda: handler(params))
            except MessageError as error:
                raise Refusal(422, "Invalid", str(error)) from error
            if kind == "images" and isinstance(result, list):
                for head in result:
                    head["reason"] = service.without_places(head["reason"])
            # In a thread, and within the person's turn: what is large keeps nobody else waiting.
            body = await asyncio.to_thread(pack_answer, result, buffers)
            service.charge_bytes(caller, len(body), cost)
            if buffers:
                return Response(body, media_type=_PACKED)
            return await asyncio.to_thread(_zipped, request, body, _PACKED, {})

    return router


def _check_is_light(service: Service) -> None:
    if service.project.settings.hub.sessions != "light":
        raise Refusal(404, "NotFound", "in this project everyone has a server of their own; the Hub leads there")


def _params(body: bytes) -> dict[str, Any]:
    try:
        params = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refusal(422, "Invalid", "a request must be a JSON object") from error
    if not isinstance(params, dict):
        raise Refusal(422, "Invalid", "a request must be a JSON object")
    return params


def _checked(params: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the parameters of a request, if all numbers in them are such as the database and the tables can take."""
    for name, value in params.items():
        if name in _MOST_OF and not isinstance(value, list):
            raise Refusal(422, "Invalid", f"{name}: it must be a list of whole numbers")
        numbers = value if isinstance(value, list) else [value]
        if len(numbers) > _MOST_OF.get(name, 0) and isinstance(value, list):
            raise Refusal(413, "TooLarge", f"{name}: {len(numbers)} at once; at most {_MOST_OF.get(name, 0)} are taken")
        low = -MAX_INT32 if kind == "find" else 1 if name == "max_side_px" else 0
        high = _HIGHEST.get(name, MAX_INT32)
        for number in numbers:
            if isinstance(number, int) and not low <= number <= high:
                raise Refusal(422, "Invalid", f"{name}: {str(number)[:30]}; it must lie between {low} and {high}")
    if len(str(params.get("group", ""))) > 1:
        raise Refusal(422, "Invalid", "group: it is one character")
    if kind == "images" and len(params.get("positions") or ()) > MAX_IMAGES_AT_ONCE:
        raise Refusal(413, "TooLarge", f"at most {MAX_IMAGES_AT_ONCE} images are given at once")
    return params


def _cost(service: Service, kind: str, params: Mapping[str, Any]) -> float:
    """Return how many requests this one counts as."""
    limits = service.limits
    n_positions = len(params.get("positions") or ())
    costs = {
        "open": float(limits.opening_requests),
        "tasks": n_positions / limits.tasks_a_request,
        "images": n_positions / limits.pictures_a_request,
        "sprite": float(len(params.get("class_indices") or ())),
        "own_progress": limits.burst / 4,
        "grid": min((count if isinstance(count := params.get("count"), int) else 0) / 1_000, limits.burst / 2),
    }
    return costs.get(kind, 1.0)


def _read_event(content: object, numbers: ImageNumbers) -> EventIn | SaveResult:
    """Return an event, or the refusal of one that cannot be read: it must not keep the others from the log."""
    try:
        # As JSON once more: half a character passes Python's own parser, and no database takes it.
        return EVENT_IN.validate_json(json.dumps(event_as_json(parse_event(content, numbers))))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        reason = f"{'.'.join(map(str, first['loc'])) or 'event'}: {first['msg']}"
    except (MlfError, ValueError, RecursionError) as error:
        reason = str(error)
    event_id = content.get("event_id", "") if isinstance(content, dict) else ""
    # An answer cannot hold half a character, either.
    return SaveResult(
        event_id.encode(errors="replace").decode() if isinstance(event_id, str) else "", None, reason[:500]
    )


def _zipped(request: Request, body: bytes, media_type: str, headers: dict[str, str]) -> Response:
    if len(body) < _WORTH_ZIPPING or "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(body, headers=headers, media_type=media_type)
    headers = headers | {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(gzip.compress(body, 5), headers=headers, media_type=media_type)
