"""The progress board for researchers: the kernel of a researcher sees no store either."""

import threading
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from pipeline.hub.accounts import Role
from pipeline.service.admission import Service, require
from pipeline.service.identity import Caller
from pipeline.service.people import ERRORS
from pipeline.sessions.board import BoardReader
from pipeline.stages.assign import project_gold
from pipeline.votes.words import Round


def board_router(service: Service) -> APIRouter:
    """Return the route."""
    router = APIRouter(responses=ERRORS)
    readers: dict[Round, BoardReader] = {}
    lock = threading.Lock()

    @router.get("/api/rounds/{round_}/board")
    def full_board(round_: Round, caller: Annotated[Caller, Depends(service.caller)]) -> dict[str, Any]:
        """Return everyone's progress, pace, agreement and gold accuracy in one round; for researchers."""
        require(caller, Role.RESEARCHERS)
        with lock:  # a reader remembers what it has read
            if round_ not in readers:
                readers[round_] = BoardReader(service.store, round_, project_gold(service.project))
            return readers[round_].read().to_json()

    return router
