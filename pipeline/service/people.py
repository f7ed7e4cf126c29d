"""Routes besides the rounds: who am I, health, metrics."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from pipeline.errors import StoreError
from pipeline.hub.accounts import Role
from pipeline.service.admission import Service, require
from pipeline.service.identity import Caller
from pipeline.service.wire import HEALTH, ME, ErrorBody, Health, Me

#: Errors with which every route may answer.
ERRORS: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorBody} for status in (400, 401, 403, 404, 413, 422, 429, 503)
}


def people_router(service: Service) -> APIRouter:
    """Return the routes."""
    router = APIRouter(responses=ERRORS)
    Known = Annotated[Caller, Depends(service.caller)]  # noqa: N806 - a type

    @router.get("/api/me", response_model=Me)
    async def me(caller: Known) -> Response:
        """Return who the service takes you for."""
        return _json(ME.dump_json(Me(caller.name, tuple(sorted(caller.groups)))))

    @router.get("/metrics", response_class=Response)
    async def metrics(caller: Known) -> Response:
        """Return counters and histograms in Prometheus' text form; for researchers."""
        require(caller, Role.RESEARCHERS)
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/health", response_model=Health)
    def health() -> Response:
        """Tell whether the store can be read, and how the last write went; needs no token and names nobody."""
        try:
            service.store.check_readable()
        except StoreError:
            return _json(HEALTH.dump_json(Health("failing", "away", service.last_write)), 503)
        status = "failing" if service.last_write == "failed" else "ok"
        return _json(HEALTH.dump_json(Health(status, "ok", service.last_write)), 503 if status == "failing" else 200)

    return router


def _json(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")
