"""The progress board for researchers: their kernels cannot see the store either."""

import threading
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from pipeline.assignment.gold import project_gold
from pipeline.service.admission import Service
from pipeline.service.identity import Caller
from pipeline.service.people import ERRORS, researchers_turn
from pipeline.sessions.board import BOARD, Board, BoardReader
from pipeline.votes.words import Round


def board_router(service: Service) -> APIRouter:
    """Return the route."""
    router = APIRouter(responses=ERRORS)
    readers: dict[Round, BoardReader] = {}
    lock = threading.Lock()

    Known = Annotated[Caller, Depends(service.caller)]  # noqa: N806 - a type

    @router.get("/api/rounds/{round_}/board", response_model=Board, dependencies=[Depends(researchers_turn(service))])
    def full_board(round_: Round, caller: Known) -> Response:
        """Return everyone's progress, pace, agreement and gold accuracy in one round; for researchers."""
        with lock:  # a reader keeps what it has read, so only one thread may use it at a time
            if round_ not in readers:
                readers[round_] = BoardReader(service.store, round_, project_gold(service.project))
            board = readers[round_].read()
        limits = service.limits
        service.charge(caller, min(len(board.rows) / limits.people_a_request, limits.burst / 2))
        return Response(BOARD.dump_json(board), media_type="application/json")

    return router
