"""Somebody who floods a service with all that they may send, from a process of their own.

From 32 connections at once they send the same request again and again: the largest saves that are accepted, all on one
image; saves that are undone; 100 pictures; 500 tasks; the largest picture; each other question that the service
answers, also with tokens that do not exist and without any; or a mixture. Or they hold open 1,100 connections that
never finish the head of a request, or the body of a save.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import uuid
from collections import Counter
from multiprocessing.synchronize import Event as Flag
from typing import Any, Self
from urllib.parse import urljoin

import aiohttp

from pipeline.hub.sockets import socket_of

#: What is asked for, below the round's address, by the name of the flood.
QUESTIONS = {
    "pictures": f"pictures?positions={','.join(str(i % 10) for i in range(100))}&max_side_px=512",
    "tasks": f"tasks?positions={','.join(str(i % 10) for i in range(500))}",
    "picture": "images/0?max_side_px=20000",
    "open": "open",
    "grid": "grid?count=100",
    "changes": "changes?since_seq=0",
    "classes": "classes",
    "sprite": "sprites/0",
    "board": "board",
    "explorer": "../../explorer/page?count=100",
    "me": "../../me",
    "strangers": "../../me",
    "invalid": "find?which=nothing",
    "reports": "../../../reports",
    "report": "../../../reports/large.html",
    "log-in": "../../../reports",
    "openapi": "../../../openapi.json",
    "health": "../../../health",
    "upgrade": "../../../health",
}
#: What is asked for without a token.
OPEN_TO_ALL = frozenset({"log-in", "openapi", "health", "upgrade"})
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "A" * 22 + "==",
}
#: What connections send that are then held open: the begin of a head, or of a save's body.
SILENT = {
    "connections": "GET /services/mlf/api/me HTTP/1.1\r\nHost: x\r\n",
    "bodies": "POST /services/mlf/api/rounds/annotation/events HTTP/1.1\r\nHost: x\r\nAuthorization: token {token}\r\n"
    "Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n" + " " * 60_000,
}
KINDS = ("events", "undo", "mixed", *SILENT, *QUESTIONS)
_N_PARALLEL = 32
_N_SILENT = 1_100
_SPAWN = multiprocessing.get_context("spawn")


class Flood:
    """Floods a service while the block runs.

    Parameters
    ----------
    kind
        One of `KINDS`, or ``none``.
    url
        The service's address: of a port, or of a socket.
    token
        The flooder's; images 0 to 9 must be their tasks in the annotation round.
    uid
        The account under which to flood; if left out, this one.

    Attributes
    ----------
    counts
        Answers by status, and errors by name; there after the block.
    acknowledged
        Ids of the flooder's own events that the service said it had saved.
    """

    def __init__(self, kind: str, url: str, token: str, uid: int | None = None) -> None:
        self._begun, self._stop, self._results = _SPAWN.Event(), _SPAWN.Event(), _SPAWN.Queue()
        arguments = (kind, url, token, uid, self._begun, self._stop, self._results)
        self._process = _SPAWN.Process(target=_run, args=arguments, daemon=True)
        self.counts: Counter[str] = Counter()
        self.acknowledged: list[str] = []

    def __enter__(self) -> Self:
        self._process.start()
        assert self._begun.wait(120), "the flood has not begun"
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.counts, self.acknowledged = self._results.get(timeout=120)
        self._process.join(timeout=60)

    @property
    def told(self) -> str:
        """Return the counts in words."""
        return ", ".join(f"{status}: {n:,}" for status, n in sorted(self.counts.items())) or "none"


def _run(kind: str, url: str, token: str, uid: int | None, begun: Flag, stop: Flag, results: Any) -> None:
    begun.set()
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    counts: Counter[str] = Counter()
    acknowledged: list[str] = []
    by_socket = socket_of(url)
    path, base = by_socket or ("", url)
    base = f"http://service{base}" if by_socket else base
    if kind in SILENT:
        asyncio.run(_hold_connections(path, base, SILENT[kind].format(token=token).encode(), stop, counts))
    elif kind != "none":
        asyncio.run(_ask_on(kind, path, f"{base}/api/rounds/annotation", token, stop, counts, acknowledged))
    results.put((counts, acknowledged))


async def _ask_on(
    kind: str,
    path: str,
    url: str,
    token: str,
    stop: Flag,
    counts: Counter[str],
    acknowledged: list[str],
) -> None:
    connector = aiohttp.UnixConnector(path, limit=0) if path else aiohttp.TCPConnector(limit=0)
    headers = {"Content-Type": "application/json"}
    choice = random.Random(0)
    everything = sorted({*KINDS} - {"mixed", *SILENT})
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as client:

        async def ask() -> None:
            while not stop.is_set():
                now = choice.choice(everything) if kind == "mixed" else kind
                try:
                    async with _request(client, now, url, token) as answer:
                        content = await answer.read()
                        counts[str(answer.status)] += 1
                        if answer.status == 200 and now in {"events", "undo"}:
                            results = json.loads(content)["results"]
                            acknowledged.extend(r["event_id"] for r in results if r["seq"] is not None)
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    counts[type(error).__name__] += 1
                await asyncio.sleep(0.005)

        await asyncio.gather(*(ask() for _ in range(_N_PARALLEL)))


def _request(client: aiohttp.ClientSession, kind: str, url: str, token: str) -> Any:
    sent = uuid.uuid4().hex if kind == "strangers" else token
    headers = {} if kind in OPEN_TO_ALL else {"Authorization": f"token {sent}"}
    headers |= _UPGRADE if kind == "upgrade" else {}
    if kind in QUESTIONS:
        return client.get(urljoin(f"{url}/", QUESTIONS[kind]), headers=headers, allow_redirects=False)
    made = [_event("comment", {"text": "x" * 9_000}) for _ in range(100)]
    if kind == "undo":
        made = [_event("vote", {"class_index": 0, "vote": "yes"}) for _ in range(50)]
        made += [_event("undo", {"target": event["event_id"]}) for event in made]
    return client.post(f"{url}/events", data=json.dumps({"events": made}), headers=headers)


def _event(kind: str, payload: dict[str, object]) -> dict[str, object]:
    return {
        "event_id": uuid.uuid4().hex,
        "image_index": 0,
        "kind": kind,
        "payload": payload,
        "shown": list(range(6)),
        "active_ms": 1,
    }


async def _hold_connections(path: str, url: str, begun: bytes, stop: Flag, counts: Counter[str]) -> None:
    host, _, port = url.split("/")[2].partition(":")
    writers: list[asyncio.StreamWriter] = []
    while not stop.is_set():
        while len(writers) < _N_SILENT and not stop.is_set():
            try:
                if path:
                    _, writer = await asyncio.open_unix_connection(path)
                else:
                    _, writer = await asyncio.open_connection(host, int(port))
                writer.write(begun)
                writers.append(writer)
                counts["opened"] += 1
            except OSError as error:
                counts[type(error).__name__] += 1
                await asyncio.sleep(0.05)
        writers = [writer for writer in writers if not writer.is_closing()]
        await asyncio.sleep(0.05)
    for writer in writers:
        writer.close()
