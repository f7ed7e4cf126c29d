"""The application: one project, one store, many callers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pipeline.errors import DatasetError, MlfError, ServiceError, StoreError
from pipeline.hub.accounts import Role
from pipeline.project import Project
from pipeline.service.guard import Guard
from pipeline.service.identity import Caller, Identity, RefusedToken
from pipeline.service.limits import Limits, RateLimiter
from pipeline.service.metrics import Metrics
from pipeline.service.serving import ServedTables
from pipeline.service.wire import ERROR, ErrorBody
from pipeline.service.writer import GroupWriter
from pipeline.store import SqlStore, open_store

PREFIX = "/services/mlf"
_READING_THREADS = 16
_CODES = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "NotAllowed", 422: "Invalid"}


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """A request that is answered with an error: status, code and message; `reason` is for the log alone."""

    def __init__(self, status: int, code: str, message: str, reason: str = "", retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(code, message)
        self.reason = reason
        self.retry_after_s = retry_after_s


@dataclass
class Service:
    """What the routes work with; one a process."""

    project: Project
    identity: Identity
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
    last_write: str = "none"

    def __post_init__(self) -> None:
        self.tables = ServedTables(self.project)
        self.store: SqlStore = open_store(self.project.store_url, len(self.tables.label_space))
        self.writer = GroupWriter(self.store, self.metrics.saves_per_commit.observe)
        self.rates = RateLimiter(self.limits)

    async def caller(self, request: Request) -> Caller:
        """Return who sent a request with a token in its Authorization header.

        Raises
        ------
        Refusal
            If there is no token, it is nobody's, it is not for this service, or its owner sends too much.
        """
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() not in {"token", "bearer"} or not token.strip():
            raise Refusal(401, "Unauthorized", "send your Hub token as `Authorization: token …`", "no token")
        return await self.admit(request, token.strip())

    async def admit(self, request: Request, token: str) -> Caller:
        """Return whose token this is, and count the request against them; raises as :meth:`caller`."""
        try:
            caller = await self.identity.caller(token)
        except RefusedToken as error:
            raise Refusal(403, "Forbidden", str(error), "token out of scope") from error
        if caller is None:
            raise Refusal(401, "Unauthorized", "the Hub does not know this token; start your session anew", "bad token")
        request.scope["mlf_user"] = caller.name
        wait_s = self.rates.take(caller.name)
        if wait_s:
            raise Refusal(429, "RateLimited", "too many requests; wait a moment", retry_after_s=max(1, round(wait_s)))
        return caller

    def without_places(self, message: str) -> str:
        """Return a message without the folders of this machine: callers need not know them."""
        for place in (self.project.images_root, self.project.examples_root, str(self.project.root.resolve())):
            if place:
                message = message.replace(place.rstrip("/") + "/", "").replace(place, "the project")
        return message

    def close(self) -> None:
        """Finish what was queued and close the store."""
        self.writer.close()
        self.store.close()


def require(caller: Caller, *roles: Role) -> None:
    """Raise `Refusal` unless the caller has one of the roles."""
    if not caller.is_in(*roles):
        needed = " or ".join(role.value for role in roles)
        raise Refusal(403, "Forbidden", f"only {needed} may see this; you are in no such group of the Hub", "role")


def create_app(
    project: Project, identity: Identity, *, limits: Limits | None = None, prefix: str = PREFIX, oauth: Any = None
) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    project
        An open project with proposals; its store is opened here and belongs to this process.
    identity
        Resolves tokens.
    limits
        Bounds on requests.
    prefix
        Path below which everything lies.
    oauth
        A `jupyterhub.services.auth.HubOAuth`, by which browsers log in to read reports; without one only tokens count.
    """
    from pipeline.service.board import board_router
    from pipeline.service.people import people_router
    from pipeline.service.reports import reports_router
    from pipeline.service.rounds import rounds_router

    service = Service(project, identity, limits or Limits())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        import anyio.to_thread

        anyio.to_thread.current_default_thread_limiter().total_tokens = _READING_THREADS
        yield
        await asyncio.to_thread(service.close)

    prefix = prefix.rstrip("/")
    app = FastAPI(
        title="multilabelfy annotation service",
        description=__doc__,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{prefix}/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    for router in (
        people_router(service),
        board_router(service),
        rounds_router(service),
        reports_router(service, oauth, prefix),
    ):
        app.include_router(router, prefix=prefix)
    _answer_errors(app, service)
    app.add_middleware(Guard, limits=service.limits, metrics=service.metrics)
    return app


def _answer_errors(app: FastAPI, service: Service) -> None:
    @app.exception_handler(Refusal)
    def refused(request: Request, error: Refusal) -> Response:
        headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
        if error.status == 401:
            headers["WWW-Authenticate"] = "token"
        return _error(request, error.status, error.body, error.reason, headers)

    @app.exception_handler(MlfError)
    def failed(request: Request, error: MlfError) -> Response:
        status = 404 if isinstance(error, DatasetError) else 503
        kind = next((k for k in (StoreError, DatasetError, ServiceError) if isinstance(error, k)), ServiceError)
        headers = {"Retry-After": "1"} if status == 503 else {}
        return _error(
            request, status, ErrorBody(kind.__name__, service.without_places(str(error))), str(error), headers
        )

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return _error(request, 422, ErrorBody("Invalid", f"{where}: {first['msg']}"[:500]))

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        body = ErrorBody(_CODES.get(error.status_code, "Invalid"), str(error.detail))
        return _error(request, error.status_code, body, "", dict(error.headers or {}))


def _error(
    request: Request, status: int, body: ErrorBody, reason: str = "", headers: dict[str, str] | None = None
) -> Response:
    request.scope["mlf_code"] = body.code
    request.scope["mlf_reason"] = reason or body.message
    return Response(ERROR.dump_json(body), status, headers, media_type="application/json")
