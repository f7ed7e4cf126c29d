"""The routes of `ExplorerSource`: all images and what everybody said about them, for researchers only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from pipeline.annotation.explorer import MAX_EXPLORED_AT_ONCE, Disagreement, ExplorerFilter, ExplorerInfo, ExplorerPage
from pipeline.annotation.session import MAX_IMAGES_AT_ONCE, TaskFilter
from pipeline.service.admission import Service
from pipeline.service.class_list import ClassesAnswer
from pipeline.service.identity import Caller
from pipeline.service.people import ERRORS, json_response, researchers_turn
from pipeline.service.pictures import (
    MANY_PICTURES,
    MAX_SMALL_SIDE_PX,
    PICTURES,
    SEVERAL,
    in_turn,
    placeless,
    several,
)
from pipeline.service.wire import EXPLORER_INFO, EXPLORER_PAGE, MAX_INT32, ClassTable, pack_pictures
from pipeline.sessions.local_explorer import LocalExplorer
from pipeline.votes.words import Round


def explorer_router(service: Service, classes: ClassesAnswer) -> APIRouter:
    """Return the routes."""
    opened = LocalExplorer(service.project, tables=service.tables, store=service.store), service.tables

    def source() -> LocalExplorer:
        """Return the explorer of the project as it is now."""
        nonlocal opened
        if opened[1] is not service.tables:
            opened = LocalExplorer(service.project, tables=service.tables, store=service.store), service.tables
        return opened[0]

    router = APIRouter(prefix="/api/explorer", responses=ERRORS, dependencies=[Depends(researchers_turn(service))])

    @router.get("/open", response_model=ExplorerInfo)
    def open_() -> Response:
        """Return what the explorer needs once."""
        return json_response(EXPLORER_INFO.dump_json(source().open()))

    @router.get("/classes", response_model=ClassTable)
    def label_space(request: Request) -> Response:
        """Return all classes; send `If-None-Match` to fetch them once."""
        return classes.answer(request)

    @router.get("/page", response_model=ExplorerPage)
    def page(
        caller: Annotated[Caller, Depends(service.caller)],
        round: Round = Round.ANNOTATION,  # noqa: A002 - the parameter's name
        class_index: Annotated[int | None, Query(ge=0, le=MAX_INT32)] = None,
        annotator: Annotated[str, Query(max_length=200)] = "",
        which: TaskFilter = TaskFilter.ALL,
        disagreement: Disagreement = Disagreement.ANY,
        start: Annotated[int, Query(ge=0, le=MAX_INT32)] = 0,
        count: Annotated[int, Query(ge=0, le=MAX_EXPLORED_AT_ONCE)] = 48,
    ) -> Response:
        """Return the images that pass a filter, with what everybody said about them."""
        service.charge(caller, count / service.limits.tasks_a_request)
        chosen = ExplorerFilter(round, class_index, annotator, which, disagreement)
        return json_response(EXPLORER_PAGE.dump_json(source().page(chosen, start, count)))

    @router.get("/pictures", responses=PICTURES, response_class=Response)
    async def pictures(
        caller: Annotated[Caller, Depends(service.caller)],
        image_indices: Annotated[str, Query(pattern=SEVERAL)],
        max_side_px: Annotated[int, Query(ge=1, le=MAX_SMALL_SIDE_PX)],
    ) -> Response:
        """Return several small images in one body; they are named by index, and no path is taken from a caller."""
        wanted = several(image_indices, MAX_IMAGES_AT_ONCE, "images")
        service.charge(caller, len(wanted) / service.limits.pictures_a_request)
        found = await in_turn(lambda: source().images(wanted, max_side_px))
        return Response(pack_pictures([placeless(service, one) for one in found]), media_type=MANY_PICTURES)

    return router
