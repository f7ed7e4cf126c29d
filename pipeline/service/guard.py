"""What surrounds every request: size, origin, security headers, one log line, metrics. Plain ASGI, as all pass it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.service.limits import HeldBack, Limits
from pipeline.service.logs import LOGGER, log
from pipeline.service.metrics import Metrics
from pipeline.service.wire import ERROR, ErrorBody

_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}
_MAX_PATH = 2_000


class _BodyTooLarge(Exception):  # noqa: N818 - a signal between two functions of this module
    pass


class Guard:
    """Wraps the application and checks every request before it.

    Parameters
    ----------
    app
        What it wraps.
    limits, metrics
        The bounds, and where requests are counted.
    """

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._refusals = HeldBack(limits.refusals_burst, limits.refusals_per_second)
        self._strangers = HeldBack(limits.strangers_burst, limits.strangers_per_second, limits.strangers_wait_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        # Reading thousands of escapes takes seconds, before it is known who asks. No cookie of ours has one.
        scope["headers"] = [(n, v.replace(b"\\", b"") if n == b"cookie" else v) for n, v in scope["headers"]]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        status = 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in _HEADERS.items() if name not in given),
                ]
                if wait_s := self._held_back_s(scope, headers):
                    await self._hold_back(wait_s, receive)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            scope["mlf_code"] = refusal[1].code
            await _answer(send_guarded, *refusal)
        else:
            try:
                await self._app(scope, self._counted(receive), send_guarded)
            except _BodyTooLarge:
                scope["mlf_code"] = "TooLarge"
                if not status:
                    await _answer(send_guarded, *self._too_large())
            except Exception:  # noqa: BLE001 - every defect is logged, and answered like any other error
                LOGGER.exception("defect", extra={"facts": {"path": scope["path"]}})
                scope["mlf_code"] = "InternalError"
                if not status:
                    await _answer(
                        send_guarded, 500, ErrorBody("InternalError", "a defect in the service; its log says more")
                    )
        self._record(scope, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, ErrorBody] | None:
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return 400, ErrorBody("Invalid", "Content-Length is not a number")
        if int(length[:20]) > self._limits.max_body_bytes:
            return self._too_large()
        if len(scope["path"]) > _MAX_PATH:
            return 414, ErrorBody("TooLarge", "the address is too long")
        if scope["method"] not in _SAFE_METHODS and not _is_same_origin(headers):
            return 403, ErrorBody("CrossSite", "another site's page sent this; it is not accepted")
        return None

    def _held_back_s(self, scope: Scope, headers: Mapping[str, str]) -> float:
        if user := scope.get("mlf_user"):
            return self._refusals.next_in(user) if "mlf_code" in scope else 0.0
        # What is open to everybody costs as much as what is not, and nobody else bounds how often it is asked for.
        return self._strangers.next_in(_address(scope, headers))

    async def _hold_back(self, wait_s: float, receive: Receive) -> None:
        """Wait, unless the caller leaves: nothing is kept for those who ask and go."""
        receive = self._counted(receive)
        with suppress(TimeoutError, _BodyTooLarge):
            async with asyncio.timeout(wait_s):
                while (await receive())["type"] != "http.disconnect":
                    pass

    def _too_large(self) -> tuple[int, ErrorBody]:
        return 413, ErrorBody("TooLarge", f"a request takes at most {self._limits.max_body_bytes:,} bytes")

    def _counted(self, receive: Receive) -> Receive:
        n_bytes = 0

        async def receive_counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._limits.max_body_bytes:
                raise _BodyTooLarge
            return message

        return receive_counted

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = str(getattr(scope.get("route"), "path", "none"))
        code = scope.get("mlf_code", "")
        self._metrics.requests.labels(
            route, scope["method"] if scope["method"] in _METHODS else "other", str(status)
        ).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        if code:
            self._metrics.refusals.labels(code).inc()
        facts = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "user": scope.get("mlf_user", ""),
            "ms": round(seconds * 1000, 2),
        }
        if code:
            log("refused", level=logging.WARNING, code=code, reason=scope.get("mlf_reason", ""), **facts)
        elif LOGGER.isEnabledFor(logging.INFO):
            log("request", **facts)


def _address(scope: Scope, headers: Mapping[str, str]) -> str:
    """Return from where somebody unknown asks: a network address or an account; the hub's own proxy says for whom."""
    client = scope.get("client")
    return str(client[0]) if client else headers.get("x-forwarded-for", "").rpartition(",")[2].strip()


def _is_same_origin(headers: Mapping[str, str]) -> bool:
    """Tell whether a request that changes something comes from this same site, or from no browser at all."""
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("x-forwarded-host", headers.get("host", ""))


async def _answer(send: Send, status: int, body: ErrorBody) -> None:
    content = ERROR.dump_json(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
