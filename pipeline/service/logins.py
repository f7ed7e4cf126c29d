"""Log-ins of browsers: once through the Hub, then by a cookie that this service alone can read.

Nothing of a log-in is kept here: its cookie holds the Hub's token, sealed. So whoever is logged in is known to a
service that was started again, and to each of several processes. The Hub ends a log-in by ending its token.
"""

from __future__ import annotations

import asyncio
import html
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha512
from typing import Any
from urllib.parse import quote, urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from tornado.web import create_signed_value, decode_signed_value

from pipeline.hub.accounts import Role
from pipeline.service.admission import Refusal, Service, require
from pipeline.service.identity import Caller

_STATE_AGE_S = 600
_LOGIN_AGE_S = 8 * 3600
#: Seconds that the Hub has for a log-in: it may be busy with many.
_PATIENCE_S = 15.0
#: Each log-in that has begun has a cookie of its own, named after its state: those of two tabs are kept apart.
_LOGIN_COOKIE, _STATE_COOKIE = "mlf-login", "mlf-oauth-state"
_MOST_BEGUN = 8


class Sealing:
    """Turns log-ins into texts that nobody else can read, make or use for another purpose.

    Parameters
    ----------
    secret
        What only processes of the same service know; random if it is empty.
    """

    def __init__(self, secret: str = "") -> None:
        key = sha512(f"multilabelfy log-ins {secret or secrets.token_hex(32)}".encode()).digest()
        self.secret = key.hex()
        self._sealing = AESSIV(key)

    def seal(self, login: str, purpose: str) -> str:
        """Return a log-in for one purpose; the same log-in always gives the same text."""
        return urlsafe_b64encode(self._sealing.encrypt(login.encode(), [purpose.encode()])).decode()

    def open(self, sealed: str, purpose: str) -> str:
        """Return the log-in that was sealed for this purpose, or an empty text."""
        try:
            return self._sealing.decrypt(urlsafe_b64decode(sealed), [purpose.encode()]).decode()
        except (ValueError, InvalidTag):  # no base64, too short, or not made here
            return ""


class BrowserLogins:
    """Lets browsers in that have logged in through the Hub.

    Parameters
    ----------
    service
        Whose callers they are.
    oauth
        A `jupyterhub.services.auth.HubOAuth`; without one, only a token in the Authorization header lets somebody in.
    prefix
        Path below which cookies count.
    secret
        As for :class:`Sealing`.
    """

    def __init__(self, service: Service, oauth: Any, prefix: str, secret: str = "") -> None:
        self._service, self._oauth, self._prefix = service, oauth, prefix
        self._sealing = Sealing(secret)

    async def known(self, request: Request, *roles: Role) -> Caller | None:
        """Return who sent a request, or None for a browser that is to log in.

        Raise `Refusal` if they have none of the roles, send too much, or if their token is nobody's and there is no
        log-in.
        """
        if "authorization" in request.headers:
            caller = await self._service.caller(request)
        else:
            token = self._token(self._login_of(request))
            if not token:
                if self._oauth is None:
                    raise Refusal(401, "Unauthorized", "send your Hub token as `Authorization: token …`", "no token")
                return None
            try:
                caller = await self._service.admit(request, token)
            except Refusal as refusal:
                if refusal.status == 401:
                    return None
                raise
        require(caller, *roles)
        return caller

    def key_for(self, purpose: str, request: Request) -> str:
        """Return a secret of the request's log-in, good for one purpose alone; empty where there is no log-in."""
        login = self._login_of(request)
        return self._sealing.seal(login, purpose) if login and "authorization" not in request.headers else ""

    def _login_of(self, request: Request) -> str:
        if "mlf_login" not in request.scope:  # opened once, however often it is asked for within a request
            request.scope["mlf_login"] = self._sealing.open(request.cookies.get(_LOGIN_COOKIE, ""), "cookie")
        login: str = request.scope["mlf_login"]
        return login

    def token_of(self, key: str, purpose: str) -> str:
        """Return the token of the log-in whose secret this is, or an empty text."""
        return self._token(self._sealing.open(key, purpose))

    def log_in(self, request: Request) -> Response:
        """Send a browser to the Hub, which sends it back to the page that it asked for."""
        verifier, challenge = "", {}
        if hasattr(self._oauth, "generate_pkce_code_challenge"):  # JupyterHub 6 has it, 5 does not
            verifier, code_challenge, method = self._oauth.generate_pkce_code_challenge()
            challenge = {"code_challenge": code_challenge, "code_challenge_method": method}
        state = secrets.token_urlsafe(32)
        query = {
            "client_id": self._oauth.oauth_client_id,
            "redirect_uri": self._oauth.oauth_redirect_uri,
            "response_type": "code",
            "state": state,
            **challenge,
        }
        answer = RedirectResponse(f"{self._oauth.oauth_authorization_url}?{urlencode(query)}", 302)
        # Kept in the browser, signed: so no number of strangers ends a log-in that has begun.
        begun = create_signed_value(
            self._sealing.secret, _STATE_COOKIE, "\n".join((state, verifier, request.url.path))
        ).decode()
        for old in [name for name in request.cookies if name.startswith(_STATE_COOKIE)][: 1 - _MOST_BEGUN]:
            answer.delete_cookie(old, path=f"{self._prefix}/")  # browsers send the oldest first
        self._set_cookie(answer, request, _state_cookie(state), begun, _STATE_AGE_S)
        return answer

    def router(self) -> APIRouter:
        """Return the route to which the Hub sends browsers back."""
        router = APIRouter()

        @router.get("/oauth_callback", include_in_schema=False)
        async def oauth_callback(request: Request, code: str = "", state: str = "") -> Response:
            check_is_page(request)  # a page that waits for this one must not spend the code
            begun = self._begun(request.cookies.get(_state_cookie(state), ""), state)
            if self._oauth is None or begun is None or not code:
                raise Refusal(403, "Forbidden", "this log-in did not start here, or it is too old; open the page again")
            verifier, next_path = begun
            from tornado.web import HTTPError

            try:
                proof = {"code_verifier": verifier} if verifier else {}
                async with asyncio.timeout(_PATIENCE_S):
                    token = await self._oauth.token_for_code(code, **proof, sync=False)
            except (HTTPError, TimeoutError, OSError) as error:
                if isinstance(error, HTTPError) and error.status_code < 500:
                    raise Refusal(403, "Forbidden", "the Hub refused this log-in; open the page again") from error
                request.scope["mlf_code"], request.scope["mlf_reason"] = "ServiceError", f"log-in: {error}"
                answer = waiting_page(503, "the Hub does not answer; the log-in begins anew in a moment", next_path)
                answer.delete_cookie(_state_cookie(state), path=f"{self._prefix}/")
                return answer
            answer = RedirectResponse(next_path, 302)
            login = self._sealing.seal(f"{int(time.time()) + _LOGIN_AGE_S} {token}", "cookie")
            self._set_cookie(answer, request, _LOGIN_COOKIE, login, _LOGIN_AGE_S)
            answer.delete_cookie(_state_cookie(state), path=f"{self._prefix}/")
            return answer

        return router

    def _begun(self, kept: str, state: str) -> tuple[str, str] | None:
        """Return verifier and path, if this log-in began here, not long ago, and with this state."""
        value = decode_signed_value(self._sealing.secret, _STATE_COOKIE, kept, max_age_days=_STATE_AGE_S / 86_400)
        began, verifier, path = value.decode().split("\n", 2) if value else ("", "", "")
        return (verifier, path) if began and secrets.compare_digest(began.encode(), state.encode()) else None

    @staticmethod
    def _token(login: str) -> str:
        until, _, token = login.partition(" ")
        return token if until and int(until) > time.time() else ""

    def _set_cookie(self, answer: Response, request: Request, name: str, value: str, age_s: int) -> None:
        is_secure = request.headers.get("x-forwarded-proto", request.url.scheme).split(",")[0].strip() == "https"
        answer.set_cookie(
            name, value, max_age=age_s, path=f"{self._prefix}/", secure=is_secure, httponly=True, samesite="lax"
        )


def _state_cookie(state: str) -> str:
    return f"{_STATE_COOKIE}-{state[:8]}"


def waiting_page(status: int, message: str, path: str = "", headers: dict[str, str] | None = None) -> Response:
    """Return a page that says what is the matter, and is opened again in two seconds, or leads to a path then."""
    again = html.escape(f"2; url={quote(path)}" if path else "2", quote=True)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="{again}">'
        f"<title>One moment</title><h1>One moment</h1><p>{html.escape(message)}</p></html>",
        status,
        headers,
    )


def check_is_page(request: Request) -> None:
    """Refuse what a browser asks for on behalf of a script, a frame or an image; a script cannot fake these headers.

    Browsers from before 2023 do not send them, and no browser does over plain HTTP to another machine.

    Raise `Refusal` if it is not a page that somebody opens.
    """
    how = (request.headers.get("sec-fetch-mode", "navigate"), request.headers.get("sec-fetch-dest", "document"))
    if "authorization" not in request.headers and how != ("navigate", "document"):
        raise Refusal(403, "Forbidden", "this is a page to be opened, not to be fetched by another page", "fetched")
