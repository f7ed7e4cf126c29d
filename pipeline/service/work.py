"""Light sessions: the work of annotators and refiners as a page of the service, without a server or kernel of theirs.

The page shows the same browser halves as a notebook, and they ask the same things. Here each request of theirs is one
HTTP request, answered from the same session as everybody's, within the same limits. A log-in through the Hub opens the
page; the page alone knows the key that its further requests have to show.
"""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.annotation.session import Picture
from pipeline.hub.accounts import Role
from pipeline.service.admission import Refusal, Service
from pipeline.service.class_list import ClassesAnswer
from pipeline.service.identity import Caller
from pipeline.service.logins import BrowserLogins, check_is_page
from pipeline.service.page_requests import ASKING, PageRequests, check_is_light, zipped
from pipeline.service.people import ERRORS
from pipeline.service.pictures import in_turn
from pipeline.service.rounds import MAX_SIDE_PX, ROLE_OF, picture_response
from pipeline.service.serving import ServedSession
from pipeline.service.wire import MAX_INT32
from pipeline.service.work_page import TASK_BLOCK, Opening, built_file, page_html, page_policy
from pipeline.votes.words import Round

_FOR_EVER = "public, max-age=31536000, immutable"

Position = Annotated[int, Query(ge=0, le=MAX_INT32)]


def work_router(  # noqa: C901 - it only lists the routes
    service: Service, logins: BrowserLogins, classes: ClassesAnswer, requests: PageRequests, prefix: str
) -> APIRouter:
    """Return the routes of the pages themselves; those to which they send requests are `requests.routes`."""
    router = APIRouter(prefix="/work", responses=ERRORS, include_in_schema=False)
    at = f"{prefix}/work"

    async def asking(round: Round, request: Request) -> Caller:  # noqa: A002 - the path's name
        return await requests.asking(round, request)

    Asking = Annotated[Caller, Depends(asking)]  # noqa: N806 - a type

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
        check_is_light(service)
        cost = float(service.limits.opening_requests)
        service.charge(caller, cost)
        answers = requests.answers_of(caller, round)

        def opening() -> Opening:
            info, _ = answers.open({})
            first = info["start_position"] // TASK_BLOCK * TASK_BLOCK
            tasks: Any
            tasks, _ = answers.handlers["tasks"]({"positions": list(range(first, first + TASK_BLOCK))})
            return Opening(info, tasks, info["annotation"]["display_px"])

        listed = f"{at}/{round.value}/classes/{classes.tag.strip(chr(34))}"
        key = logins.key_for(ASKING, request)
        host = request.headers.get("x-forwarded-host", request.headers.get("host", ""))
        headers = {"Content-Security-Policy": page_policy(host, at)}
        async with service.turn_of(caller.name):
            opened = await in_turn(opening)
            content = await asyncio.to_thread(lambda: page_html(opened, round, at, key, listed).encode())
            service.charge_bytes(caller, len(content), cost)
            return await asyncio.to_thread(zipped, request, content, "text/html; charset=utf-8", headers)

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

    return router
