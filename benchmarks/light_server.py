"""Light sessions without a hub, for benchmarks and browser tests: the service, and a stand-in for the Hub's log-in."""

from __future__ import annotations

import asyncio
import secrets
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import uvicorn
from fastapi import Request
from fastapi.responses import RedirectResponse
from ports import hold_port

from pipeline.service.app import create_app
from pipeline.service.identity import Caller

if TYPE_CHECKING:
    from pipeline.project.folder import Project

_ROLES = frozenset({"annotators", "refiners"})


class LightServer:
    """The service of one project, at which every browser is logged in as one person.

    Parameters
    ----------
    project
        The project; its settings must say `[hub] sessions = "light"`.
    person
        Whose browsers come.
    """

    def __init__(self, project: Project, person: str) -> None:
        self._project, self._person, self._secret = project, person, secrets.token_hex(16)
        # Held also while it is stopped: it starts again where it was.
        self._held = hold_port()
        self._port = self._held.getsockname()[1]
        # Cookies know no ports: each server has a path of its own.
        self.prefix = f"/light-{self._port}/services/mlf"
        self.url = f"http://127.0.0.1:{self._port}{self.prefix}/work"
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def page_url(self, round_: str = "annotation") -> str:
        """Return the address of the page of a round."""
        return f"{self.url}/{round_}"

    def start(self) -> LightServer:
        """Start it, and wait until it listens."""
        # uvicorn's own loop has no end that another thread could wait for: it is asked whether it has started.
        config = uvicorn.Config(self._app(), port=self._port, log_level="warning", ws="none", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve()), daemon=True)
        self._thread.start()
        pause = threading.Event()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the service did not start")
            pause.wait(0.01)
        return self

    def stop(self) -> None:
        """Stop it; whoever has a page open finds nobody there."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._server = self._thread = None

    def _app(self) -> Any:
        person = self._person

        class Known:
            async def caller(self, token: str) -> Caller | None:
                return Caller(person, _ROLES) if token == f"token-{person}" else None

        async def token_for_code(code: str, *, sync: bool) -> str:  # noqa: ARG001 - the Hub's signature
            return f"token-{code}"

        oauth = SimpleNamespace(
            oauth_client_id="service-mlf",
            oauth_redirect_uri=f"{self.prefix}/oauth_callback",
            oauth_authorization_url="/hub/authorize",
            token_for_code=token_for_code,
        )
        app = create_app(self._project, Known(), prefix=self.prefix, oauth=oauth, secret=self._secret)

        @app.get("/hub/authorize")
        def authorize(request: Request) -> RedirectResponse:
            query = urlencode({"code": person, "state": request.query_params["state"]})
            return RedirectResponse(f"{request.query_params['redirect_uri']}?{query}", 302)

        return app
