"""Connections that ask nothing, or too many of one account, shut nobody out."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from by_name import HEADERS, ByName
from serving import wait_until

from pipeline.project.folder import Project
from pipeline.service import connections
from pipeline.service.app import create_app
from pipeline.service.connections import PatientProtocol

#: What `mlf serve` tells uvicorn, too: connections stay open between requests, however slow this machine is.
AS_SERVED: dict[str, Any] = {"http": PatientProtocol, "log_config": None, "timeout_keep_alive": 75}


@pytest.fixture
def patient(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Return a function that starts a real server with the test's timeouts, and returns its address."""
    monkeypatch.setattr(PatientProtocol, "max_connections", 40)
    app = create_app(project, ByName())
    config = uvicorn.Config(app, port=0, **AS_SERVED)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)

    def start() -> str:
        thread.start()
        wait_until(lambda: server.started, 90, lambda: "not started")
        return f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start  # type: ignore[misc]
    server.should_exit = True
    thread.join(90)


def test_connections_that_ask_nothing_shut_nobody_out(patient: Callable[[], str]) -> None:
    host, port = patient().split(":")
    opened: list[socket.socket] = []

    def is_let_go(one: socket.socket) -> bool:
        try:
            return one.recv(1, socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    with ExitStack() as stack:
        for i in range(120):
            silent = stack.enter_context(socket.create_connection((host, int(port))))
            opened.append(silent)
            if i % 2:
                silent.sendall(b"GET /services/mlf/api/me HTTP/1.1\r\nHost: x\r\n")
        wait_until(lambda: sum(map(is_let_go, opened)) >= 80, 90, lambda: "more than 40 are held")
        for _ in range(5):
            answer = httpx.get(
                f"http://{host}:{port}/services/mlf/api/me", headers=HEADERS, trust_env=False, timeout=60
            )
            assert answer.json()["name"] == "ann"


ASK_FROM_100_CONNECTIONS = """
import socket, sys
opened, n_answered = [], 0
for _ in range(100):
    one = socket.socket(socket.AF_UNIX)
    opened.append(one)
    try:
        one.connect(sys.argv[1])
        one.sendall(b"GET /services/mlf/health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        n_answered += one.recv(15) == b"HTTP/1.1 200 OK"
    except OSError:
        pass
print(n_answered)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="acting as another account needs root")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that any account may run")
def test_no_other_account_holds_more_than_its_share_of_connections(project: Project) -> None:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    path = str(folder / "service.sock")
    config = uvicorn.Config(create_app(project, ByName()), uds=path, **AS_SERVED)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, 90, lambda: "not started")
        command = ["/usr/bin/python3", "-c", ASK_FROM_100_CONNECTIONS, path]
        account = {"user": 61_184, "extra_groups": [], "cwd": "/"}
        for _ in range(2):  # what the first process held is given back when it ends
            asked = subprocess.run(command, capture_output=True, text=True, check=True, **account)  # type: ignore[call-overload]
            assert int(asked.stdout) == connections._MAX_OF_AN_ACCOUNT
            wait_until(lambda: not PatientProtocol._of_accounts, 90, lambda: "connections are kept")
        own = subprocess.run(command, capture_output=True, text=True, check=True)
        assert int(own.stdout) == 100, "the proxy, of the service's own account, speaks for many"
    finally:
        server.should_exit = True
        thread.join(90)
        shutil.rmtree(folder)


def test_a_head_that_does_not_come_ends_its_connection_and_an_idle_one_after_an_answer_stays(
    patient: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.service.connections.HEAD_TIMEOUT_S", 2.0)
    host, port = patient().split(":")
    with socket.create_connection((host, int(port)), timeout=90) as silent:
        silent.sendall(b"GET /services/mlf")
        with pytest.raises(ConnectionError):
            silent.recv(1) or (_ for _ in ()).throw(ConnectionError)
    with httpx.Client(base_url=f"http://{host}:{port}", headers=HEADERS, trust_env=False, timeout=60) as client:
        first = client.get("/services/mlf/api/me")
        threading.Event().wait(2.5)  # longer than a request's head may take
        second = client.get("/services/mlf/api/me")
        assert first.extensions["network_stream"].get_extra_info("client_addr") == second.extensions[
            "network_stream"
        ].get_extra_info("client_addr")
