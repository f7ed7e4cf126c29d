"""A person who uses a hub over HTTP, as benchmarks and tests send one there: log-in, session, kernel."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx

from pipeline.hub.launch import PreparedHub


class Person:
    """A person and their browser's cookies."""

    def __init__(self, hub: PreparedHub, name: str) -> None:
        self.hub, self.name = hub, name
        # The proxy closes connections that nobody used for five seconds: none is used again that is nearly so old.
        limits = httpx.Limits(keepalive_expiry=1)
        self.client = httpx.Client(base_url=hub.url, follow_redirects=True, timeout=180, limits=limits)

    def log_in(self, password: str | None = None) -> httpx.Response:
        """Send name and password, and return the page that the person lands on."""
        self.client.get("hub/login")
        form = {"username": self.name, "password": password or self.hub.passwords[self.name]}
        return self.client.post("hub/login", data=form, params={"_xsrf": self._token("/hub/")})

    def start_session(self, timeout_s: float = 180) -> float:
        """Wait until the person's own server answers, and return the seconds it took."""
        began = time.perf_counter()
        self._ask_for_session()

        def is_up() -> bool:
            status = self.client.get(f"user/{self.name}/api").status_code
            if status == httpx.codes.OK:
                return True
            if status == httpx.codes.FAILED_DEPENDENCY:  # the Hub has just noticed that an earlier server has ended
                self._ask_for_session()
            self._listen(max(0.1, timeout_s - (time.perf_counter() - began)))
            return False

        wait_for(is_up, timeout_s, lambda: f"the session of {self.name} did not start")
        self.client.get(f"user/{self.name}/files/")  # logs in to JupyterLab; the annotators' page does so itself
        return time.perf_counter() - began

    def _listen(self, timeout_s: float) -> None:
        """Wait as a browser's page does, which asks the Hub once, until the server is up or the Hub says no more."""
        path, given = f"hub/api/users/{self.name}/server/progress", {"_xsrf": self._token("/hub/")}
        with (
            suppress(httpx.TransportError),
            self.client.stream("GET", path, params=given, timeout=timeout_s, follow_redirects=False) as answer,
        ):
            next((line for line in answer.iter_lines() if '"ready": true' in line or '"failed": true' in line), None)

    def _ask_for_session(self) -> None:
        # The answer leads to the person's page if the server is up by then: following it would start a kernel.
        self.client.get(f"hub/spawn/{self.name}", follow_redirects=False)

    def new_kernel(self) -> str:
        """Start a kernel (for sessions in JupyterLab), and return its id."""
        answer = self.client.post(
            f"user/{self.name}/api/kernels", json={}, headers={"X-XSRFToken": self._token(f"/user/{self.name}/")}
        )
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def run_in_kernel(self, kernel: str, code: str, timeout_s: float = 500) -> str:
        """Run code in a kernel, and return what it printed.

        Raises
        ------
        RuntimeError
            If the code raised.
        """
        from tornado.httpclient import HTTPRequest
        from tornado.websocket import websocket_connect

        cookies = "; ".join(f"{c.name}={c.value}" for c in self.client.cookies.jar if "/user/" in c.path)
        url = f"{self.hub.url.replace('http', 'ws', 1)}user/{self.name}/api/kernels/{kernel}/channels"
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.hub.url))
        headers = {"Cookie": cookies, "Origin": origin}
        # The answer comes once the kernel has started.
        request = HTTPRequest(url, headers=headers, connect_timeout=timeout_s, request_timeout=timeout_s)
        socket = await websocket_connect(request)
        message_id = uuid.uuid4().hex
        header = {"msg_id": message_id, "msg_type": "execute_request", "username": "", "session": message_id}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        await socket.write_message(
            json.dumps(
                {
                    "header": header | {"version": "5.3", "date": ""},
                    "parent_header": {},
                    "metadata": {},
                    "content": content,
                    "channel": "shell",
                }
            )
        )
        printed = ""
        async with asyncio.timeout(timeout_s):
            while True:
                text = await socket.read_message()
                if text is None:
                    raise RuntimeError("the kernel went away")
                message = json.loads(text)
                if message["parent_header"].get("msg_id") != message_id:
                    continue
                if message["msg_type"] == "stream":
                    printed += message["content"]["text"]
                if message["msg_type"] == "error":
                    raise RuntimeError(re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(message["content"]["traceback"])))
                if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                    socket.close()
                    return printed

    def _token(self, path: str) -> str:
        full = f"{urlsplit(self.hub.url).path.rstrip('/')}{path}"
        return next((c.value or "" for c in self.client.cookies.jar if c.name == "_xsrf" and c.path == full), "")


def wait_for(is_there: Any, seconds: float, complaint: Any) -> None:
    """Wait until something is there; raise `TimeoutError` with the complaint if it does not come."""
    deadline = time.monotonic() + seconds
    while not is_there():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint())
        time.sleep(0.1)
