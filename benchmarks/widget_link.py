"""A Voilà page without a browser: open it, find the widget in its kernel, and talk to the widget as a browser does."""

from __future__ import annotations

import asyncio
import json
import re
import struct
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

#: Seconds for an answer; on a busy machine one may take long.
_PATIENCE_S = 60.0


class Unanswered(Exception):  # noqa: N818 - what a browser would call an unreachable kernel
    """The widget did not answer: its kernel, or the connection to it, is gone."""


class Refused(Exception):  # noqa: N818 - as the browser half names it
    """The widget answered that it cannot do this now, or will not: `code: message`."""


class WidgetLink:
    """The widget of one rendered page.

    Parameters
    ----------
    client
        Logged in to the hub, with the hub's address as its base URL.
    page
        Path of the page, such as ``user/ada/voila/render/2_annotate.ipynb``.
    """

    def __init__(self, client: httpx.Client, page: str) -> None:
        self._client, self._page = client, page
        self._base = page.partition("voila/")[0]
        self.kernel_id = self.model_id = ""
        self._socket: WebSocketClientConnection | None = None

    async def open(self) -> None:
        """Render the page, which starts a kernel and runs the notebook, and connect to that kernel.

        Raises
        ------
        Unanswered
            If the page cannot be opened now.
        """
        try:
            answer = await asyncio.to_thread(self._client.get, self._page)
        except httpx.HTTPError as error:
            raise Unanswered(str(error)) from error
        config = re.search(r'<script id="jupyter-config-data"[^>]*>(.*?)</script>', answer.text, re.DOTALL)
        models = re.findall(r'"model_id":\s*"([0-9a-f]{32})"', answer.text)
        if answer.status_code != 200 or config is None or not models:
            raise Unanswered(f"{answer.status_code} from {answer.url}: {answer.text[-1000:]}")
        self.kernel_id, self.model_id = json.loads(config.group(1))["kernelId"], models[-1]
        root = str(self._client.base_url)
        cookies = "; ".join(f"{c.name}={c.value}" for c in self._client.cookies.jar if "/user/" in c.path)
        address = f"{root.replace('http', 'ws', 1)}{self._base}api/kernels/{self.kernel_id}/channels"
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(root))
        headers = {"Cookie": cookies, "Origin": origin}
        request = HTTPRequest(address, headers=headers, connect_timeout=_PATIENCE_S, request_timeout=_PATIENCE_S)
        try:
            self._socket = await websocket_connect(request)
        except Exception as error:
            raise Unanswered(str(error)) from error

    async def request(self, kind: str, timeout_s: float = _PATIENCE_S, **params: object) -> Any:
        """Send one request to the widget, and return the JSON part of its result.

        Raises
        ------
        Unanswered
            If no reply comes.
        Refused
            If the widget refuses the request.
        """
        if self._socket is None:
            raise Unanswered("not connected")
        request_id = uuid.uuid4().hex
        data = {"method": "custom", "content": {"id": request_id, "kind": kind, "params": params}}
        try:
            await self.send("comm_msg", {"comm_id": self.model_id, "data": data}, message_id=request_id)
            async with asyncio.timeout(timeout_s):
                return await self._reply(request_id)
        except TimeoutError as error:
            raise Unanswered(f"no reply to {kind} within {timeout_s:g} s") from error
        except (Unanswered, Refused):
            raise
        except Exception as error:
            raise Unanswered(str(error)) from error

    async def send(self, kind: str, content: object, channel: str = "shell", message_id: str = "") -> None:
        """Send any message to the kernel, without waiting to see whether it is accepted.

        Raises
        ------
        Unanswered
            If there is no connection.
        """
        if self._socket is None:
            raise Unanswered("not connected")
        message_id = message_id or uuid.uuid4().hex
        header = {"msg_id": message_id, "msg_type": kind, "username": "", "session": message_id}
        message = {
            "header": header | {"version": "5.3", "date": ""},
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
            "channel": channel,
        }
        await self._socket.write_message(json.dumps(message))

    def close(self) -> None:
        """Leave the page."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _reply(self, request_id: str) -> Any:
        assert self._socket is not None
        while True:
            frame = await self._socket.read_message()
            if frame is None:
                raise Unanswered("the connection to the kernel was closed")
            message = json.loads(frame if isinstance(frame, str) else _json_part(frame))
            if message["msg_type"] != "comm_msg":
                continue
            content = message["content"]["data"].get("content", {})
            if content.get("id") != request_id:
                continue
            if not content["ok"]:
                raise Refused(f"{content['code']}: {content['message']}")
            return content["result"]


def _json_part(frame: bytes) -> bytes:
    """Return the JSON message in a binary frame of Jupyter's default websocket protocol; buffers come after it."""
    (n_parts,) = struct.unpack_from("!I", frame)
    offsets = struct.unpack_from(f"!{n_parts}I", frame, 4)
    return frame[offsets[0] : offsets[1] if n_parts > 1 else len(frame)]
