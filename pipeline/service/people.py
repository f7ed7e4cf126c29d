"""Routes besides the rounds: who am I, health, metrics, and what can be asked."""

from collections.abc import AsyncIterator, Callable
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


def people_router(service: Service, description: Callable[[], bytes]) -> APIRouter:
    """Return the routes; `description` returns that of the whole API, as OpenAPI."""
    router = APIRouter(responses=ERRORS)
    Known = Annotated[Caller, Depends(service.caller)]  # noqa: N806 - a type

    @router.get("/api/me", response_model=Me)
    async def me(caller: Known) -> Response:
        """Return who the service takes you for."""
        return json_response(ME.dump_json(Me(caller.name, tuple(sorted(caller.groups)))))

    @router.get("/metrics", response_class=Response)
    async def metrics(caller: Known) -> Response:
        """Return counters and histograms in Prometheus' text form; for researchers, and for Prometheus."""
        if not caller.is_monitor:
            require(caller, Role.RESEARCHERS)
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        """Return what can be asked; needs no token."""
        return json_response(description())

    @router.get("/health", response_model=Health)
    def health() -> Response:
        """Tell whether the store can be read, and how the last write went; needs no token and names nobody."""
        try:
            service.store.check_readable()
        except StoreError:
            return json_response(HEALTH.dump_json(Health("failing", "away", service.last_write)), 503)
        status = "failing" if service.last_write == "failed" else "ok"
        return json_response(
            HEALTH.dump_json(Health(status, "ok", service.last_write)), 503 if status == "failing" else 200
        )

    return router


def researchers_turn(service: Service) -> Callable[[Caller], AsyncIterator[None]]:
    """Return what routes for researchers depend on: it turns others away, and holds one of the caller's places."""

    async def researcher(caller: Annotated[Caller, Depends(service.caller)]) -> AsyncIterator[None]:
        require(caller, Role.RESEARCHERS)
        async with service.turn_of(caller.name):
            yield

    return researcher


def json_response(content: bytes, status: int = 200) -> Response:
    """Return JSON that is written already."""
    return Response(content, status, media_type="application/json")
