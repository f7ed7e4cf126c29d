"""The reports' pages, for reviewers and researchers in a browser: log-in through the Hub, then plain files.

A report is shown in a sandbox without scripts: whatever a class name or a comment in it holds, none of it runs. The
sandbox is an origin of its own, and a log-in counts only for a report that is opened as a page. So another page of the
hub, such as one made up by a researcher's server, can neither fetch a report with its reader's log-in nor look into it.
"""

from __future__ import annotations

import html
import re
import secrets
import time
from collections import OrderedDict
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.hub.accounts import Role
from pipeline.service.admission import Refusal, Service, require
from pipeline.service.identity import Caller
from pipeline.service.people import ERRORS

_REPORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,150}\.html")
_POLICY = (
    "sandbox allow-popups; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "frame-ancestors 'none'"
)
_STATE_AGE_S = 600
_LOGIN_AGE_S = 8 * 3600
_MAX_KEPT = 10_000
_LOGIN_COOKIE, _STATE_COOKIE = "mlf-login", "mlf-oauth-state"


class _Kept:
    """Values by secret, each kept for a while."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._values: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def put(self, value: str) -> str:
        key = secrets.token_urlsafe(32)
        self._values[key] = (time.monotonic() + self._max_age_s, value)
        if len(self._values) > _MAX_KEPT:
            self._values.popitem(last=False)
        return key

    def get(self, key: str) -> str | None:
        until, value = self._values.get(key, (0.0, ""))
        return value if time.monotonic() < until else None

    def take(self, key: str) -> str | None:
        value = self.get(key)
        self._values.pop(key, None)
        return value


def reports_router(service: Service, oauth: Any, prefix: str) -> APIRouter:  # noqa: C901 - it only lists the routes
    """Return the routes; without `oauth`, only a token in the Authorization header lets somebody in."""
    router = APIRouter(responses=ERRORS)
    logins, states = _Kept(_LOGIN_AGE_S), _Kept(_STATE_AGE_S)

    async def reader(request: Request) -> Caller | None:
        if "authorization" in request.headers:
            caller = await service.caller(request)
        else:
            _check_is_page(request)
            token = logins.get(request.cookies.get(_LOGIN_COOKIE, ""))
            if token is None:
                if oauth is None:
                    raise Refusal(401, "Unauthorized", "send your Hub token as `Authorization: token …`", "no token")
                return None
            try:
                caller = await service.admit(request, token)
            except Refusal as refusal:
                if refusal.status == 401:
                    return None
                raise
        require(caller, Role.REVIEWERS, Role.RESEARCHERS)
        return caller

    def log_in(request: Request) -> Response:
        verifier, challenge = "", {}
        if hasattr(oauth, "generate_pkce_code_challenge"):  # JupyterHub 6 has it, 5 does not
            verifier, code_challenge, method = oauth.generate_pkce_code_challenge()
            challenge = {"code_challenge": code_challenge, "code_challenge_method": method}
        state = states.put(f"{verifier}\n{request.url.path}")
        query = {
            "client_id": oauth.oauth_client_id,
            "redirect_uri": oauth.oauth_redirect_uri,
            "response_type": "code",
            "state": state,
            **challenge,
        }
        answer = RedirectResponse(f"{oauth.oauth_authorization_url}?{urlencode(query)}", 302)
        _set_cookie(answer, request, _STATE_COOKIE, state, _STATE_AGE_S)
        return answer

    @router.get("/reports", response_class=HTMLResponse)
    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def reports(request: Request) -> Response:
        """List the reports."""
        caller = await reader(request)
        if caller is None:
            return log_in(request)
        return HTMLResponse(_list_page(service, prefix), headers={"Content-Security-Policy": _POLICY})

    @router.get("/reports/{name}", response_class=HTMLResponse)
    async def report(request: Request, name: str) -> Response:
        """Return one report."""
        caller = await reader(request)
        if caller is None:
            return log_in(request)
        folder = service.project.reports_dir
        path = folder / name
        if not _REPORT_NAME.fullmatch(name) or path.is_symlink() or not path.is_file():
            raise Refusal(404, "NotFound", "there is no such report")
        return Response(
            path.read_bytes(), media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": _POLICY}
        )

    @router.get("/oauth_callback", include_in_schema=False)
    async def oauth_callback(request: Request, code: str = "", state: str = "") -> Response:
        kept = states.take(state) if state and state == request.cookies.get(_STATE_COOKIE) else None
        if oauth is None or kept is None or not code:
            raise Refusal(403, "Forbidden", "this log-in did not start here, or it is too old; open the page again")
        verifier, _, next_path = kept.partition("\n")
        from tornado.web import HTTPError

        try:
            proof = {"code_verifier": verifier} if verifier else {}
            token = await oauth.token_for_code(code, **proof, sync=False)
        except HTTPError as error:
            raise Refusal(403, "Forbidden", "the Hub refused this log-in; open the page again") from error
        answer = RedirectResponse(next_path, 302)
        _set_cookie(answer, request, _LOGIN_COOKIE, logins.put(token), _LOGIN_AGE_S)
        answer.delete_cookie(_STATE_COOKIE, path=f"{prefix}/")
        return answer

    def _set_cookie(answer: Response, request: Request, name: str, value: str, age_s: int) -> None:
        is_secure = request.headers.get("x-forwarded-proto", request.url.scheme).split(",")[0].strip() == "https"
        answer.set_cookie(
            name, value, max_age=age_s, path=f"{prefix}/", secure=is_secure, httponly=True, samesite="lax"
        )

    return router


def _check_is_page(request: Request) -> None:
    """Refuse what a browser asks for on behalf of a script, a frame or an image; a script cannot fake these headers.

    Browsers from before 2023 do not send them, and no browser does over plain HTTP to another machine.
    """
    how = (request.headers.get("sec-fetch-mode", "navigate"), request.headers.get("sec-fetch-dest", "document"))
    if how != ("navigate", "document"):
        raise Refusal(403, "Forbidden", "reports are pages to be opened, not to be fetched by another page", "fetched")


def _list_page(service: Service, prefix: str) -> str:
    folder = service.project.reports_dir
    names = sorted(p.name for p in folder.glob("*.html") if not p.is_symlink()) if folder.is_dir() else []
    shown = [name for name in names if _REPORT_NAME.fullmatch(name)]
    links = "".join(f'<li><a href="{prefix}/reports/{quote(n)}">{html.escape(n[:-5])}</a></li>' for n in shown)
    project = html.escape(service.project.settings.project.name)
    body = (
        f"<ul>{links}</ul>" if shown else "<p>There are no reports yet. Researchers make them from the notebooks.</p>"
    )
    style = "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Reports: {project}</title>'
        f"<style>{style}</style><h1>Reports: {project}</h1>{body}</html>"
    )
