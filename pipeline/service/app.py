"""The application: one project, one store, many callers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pipeline.errors import DatasetError, MlfError, ServiceError, StoreError
from pipeline.project.folder import Project
from pipeline.service.admission import Refusal, Service
from pipeline.service.board import board_router
from pipeline.service.class_list import ClassesAnswer
from pipeline.service.explorer import explorer_router
from pipeline.service.guard import Guard
from pipeline.service.identity import Identity
from pipeline.service.limits import Limits
from pipeline.service.logins import BrowserLogins, waiting_page
from pipeline.service.page_requests import PageRequests
from pipeline.service.people import people_router
from pipeline.service.reports import reports_router
from pipeline.service.rounds import rounds_router
from pipeline.service.stage_runs import StageRunner, runs_router
from pipeline.service.wire import ERROR, ErrorBody
from pipeline.service.work import work_router

PREFIX = "/services/mlf"
_READING_THREADS = 16
_PASSING = frozenset({429, 503})
_CODES = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "NotAllowed", 422: "Invalid"}


def create_app(
    project: Project,
    identity: Identity,
    *,
    limits: Limits | None = None,
    prefix: str = PREFIX,
    oauth: Any = None,
    secret: str = "",
    shared: Path | None = None,
    n_processes: int = 1,
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
        A `jupyterhub.services.auth.HubOAuth`, by which browsers log in; without one only tokens count.
    secret
        What log-ins are sealed with: the same in all processes of a service; random if it is left out.
    shared
        The folder of the processes that serve the project together; None if this one is alone.
    n_processes
        How many they are.
    """
    service = Service(project, identity, (limits or Limits()).shared_by(n_processes), shared=shared)
    runner, classes = StageRunner(service), ClassesAnswer(service)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        import anyio.to_thread

        # Divided: each thread that reads holds a connection to the database, which gives only so many.
        anyio.to_thread.current_default_thread_limiter().total_tokens = max(4, _READING_THREADS // n_processes)
        yield
        await runner.close()
        await asyncio.to_thread(service.close)

    prefix = prefix.rstrip("/")
    app = FastAPI(
        title="multilabelfy annotation service",
        description=__doc__,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # the framework would write it anew for everybody who asks
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.service = service
    logins = BrowserLogins(service, oauth, prefix, secret)
    requests = PageRequests(service, logins)
    app.router.routes += requests.routes(f"{prefix}/work")
    for router in (
        rounds_router(service, classes),
        people_router(service, cache(lambda: json.dumps(app.openapi()).encode())),
        board_router(service),
        explorer_router(service, classes),
        runs_router(service, runner),
        logins.router(),
        reports_router(service, logins, prefix),
        work_router(service, logins, classes, requests, prefix),
    ):
        app.include_router(router, prefix=prefix)
    _answer_errors(app, service)
    app.add_middleware(Guard, limits=service.limits, metrics=service.metrics)
    return app


def _answer_errors(app: FastAPI, service: Service) -> None:
    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
        if error.status == 401:
            headers["WWW-Authenticate"] = "token"
        return _error(request, error.status, error.body, error.reason, headers)

    @app.exception_handler(MlfError)
    async def failed(request: Request, error: MlfError) -> Response:
        status = 404 if isinstance(error, DatasetError) else 503
        kind = next((k for k in (StoreError, DatasetError, ServiceError) if isinstance(error, k)), ServiceError)
        headers = {"Retry-After": "1"} if status == 503 else {}
        told = service.told_to_callers(error, is_read=request.method in {"GET", "HEAD"})
        return _error(request, status, ErrorBody(kind.__name__, told), str(error), headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return _error(request, 422, ErrorBody("Invalid", f"{where}: {first['msg']}"[:500]))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        body = ErrorBody(_CODES.get(error.status_code, "Invalid"), str(error.detail))
        return _error(request, error.status_code, body, "", dict(error.headers or {}))


def _error(
    request: Request, status: int, body: ErrorBody, reason: str = "", headers: dict[str, str] | None = None
) -> Response:
    request.scope["mlf_code"] = body.code
    request.scope["mlf_reason"] = reason or body.message
    is_page = request.method == "GET" and request.headers.get("sec-fetch-dest") == "document"
    if is_page and status in _PASSING:  # nobody should have to reload a page that shows JSON
        return waiting_page(status, body.message, headers=headers)
    return Response(ERROR.dump_json(body), status, headers, media_type="application/json")
