"""What the service's tests build on: a project, a stub of the Hub's API, services as processes."""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.annotation.events import Event, EventKind
from pipeline.examples.pack import pack_examples
from pipeline.hub.sockets import socket_of, socket_url
from pipeline.project.folder import Project, create_project, open_project
from pipeline.project.label_space import label_space_from_keys
from pipeline.project.settings import Settings, write_settings
from pipeline.project.tables import IMAGES, PROPOSALS
from pipeline.proposals.writer import write_proposals
from pipeline.service.logs import JsonFormatter
from pipeline.store import Assignment, open_store
from pipeline.votes.words import Round

ROOT = Path(__file__).parents[2]
SCOPE = "access:services!service=mlf"
#: Below the ports that systems give to whoever asks for any (from 32,768 on Linux, from 49,152 elsewhere): such a port
#: would be another process's by the time that a server listens there, now and then.
_FIRST_PORT, _N_BLOCKS, _BLOCK = 20_000, 240, 50
_ports = itertools.count()
N_CLASSES = 6
N_IMAGES = 12


def make_project(folder: Path, store_url: str = "", class_names: list[str] | None = None) -> Project:
    """Make a project of 12 images; ann and ben have tasks 0 to 9, cleo and ben refine images 0 to 3."""
    images = folder / "images"
    images.mkdir(parents=True)
    for i in range(N_IMAGES):
        noise = np.random.default_rng(i).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((80, 60)).save(images / f"{i}.png")
    settings = Settings().with_changes("project", name="small", images_root="../images", examples_root="../images")
    keys = class_names or [f"class_{i}" for i in range(N_CLASSES)]
    project = create_project(
        folder / "project", settings.with_changes("store", url=store_url), label_space_from_keys(keys)
    )
    rows = [
        {"image_index": i, "image_id": f"{i}.png", "path": f"{i}.png", "original_label": i % N_CLASSES}
        for i in range(N_IMAGES)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=IMAGES), project.images_path)
    ranked = [[(i + rank) % N_CLASSES for rank in range(4)] for i in range(N_IMAGES)]
    table = pa.Table.from_pylist(
        [
            {"image_index": i, "class_index": r, "score": [0.5, 0.3, 0.1, 0.05], "model": [0] * 4}
            for i, r in enumerate(ranked)
        ],
        schema=PROPOSALS,
    )
    write_proposals(project, [table], ["toy"], {"made": "by hand"})
    pack_examples(project)
    assign_small(project)
    return project


def assign_small(project: Project) -> None:
    """Give everyone their tasks."""
    with open_store(project.store_url, N_CLASSES) as store:
        store.add_annotators(["ann", "ben", "cleo"])
        store.assign(Round.ANNOTATION, [Assignment(name, i) for name in ("ann", "ben") for i in range(10)])
        store.assign(Round.REFINEMENT, [Assignment(name, i) for name in ("cleo", "ben") for i in range(4)])


def add_flooder(project: Project) -> str:
    """Add somebody who floods, with tasks 0 to 9 of their own; return their name."""
    with open_store(project.store_url, len(project.label_space)) as store:
        store.add_annotators(["flooder"])
        store.assign(Round.ANNOTATION, [Assignment("flooder", i) for i in range(10)])
    return "flooder"


def vote(event_id: str, image_index: int, class_index: int = 0, word: str = "yes", **changes: Any) -> Event:
    """Return a vote by ann."""
    given: dict[str, Any] = {"annotator": "ann", "round": Round.ANNOTATION, "shown": (class_index,), "active_ms": 10}
    payload = {"class_index": class_index, "vote": word}
    return Event(event_id, image_index=image_index, kind=EventKind.VOTE, payload=payload, **(given | changes))


@dataclass
class StubHub:
    """Answers `/hub/api/user` as JupyterHub does; `people` maps tokens to user models, `is_down` makes it fail."""

    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_down: bool = False
    n_asked: int = 0

    def __post_init__(self) -> None:
        for name, groups in {
            "ann": ["annotators"],
            "ben": ["annotators", "refiners"],
            "cleo": ["refiners"],
            "rea": ["researchers"],
            "rev": ["reviewers"],
            "nob": [],
        }.items():
            self.add(name, groups)

    def add(self, name: str, groups: list[str], **changes: Any) -> str:
        """Make a person's token; it is ``token-<name>``."""
        self.people[f"token-{name}"] = self.model(name, groups) | changes
        return f"token-{name}"

    @staticmethod
    def model(name: str, groups: list[str]) -> dict[str, Any]:
        """Return what the Hub says about a person's token."""
        return {"name": name, "kind": "user", "groups": groups, "scopes": [SCOPE], "admin": False}

    def __enter__(self) -> StubHub:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.n_asked += 1
                token = self.headers.get("Authorization", "").partition(" ")[2]
                model = hub.people.get(token)
                status = 503 if hub.is_down else 200 if model else 403
                body = json.dumps(model or {"status": status, "message": "no"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 1024
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def api_url(self) -> str:
        """Return the address of the Hub's API."""
        return f"http://127.0.0.1:{self._server.server_port}/hub/api"


def free_port() -> int:
    """Return a free port that stays free until somebody listens there: processes at work together have others."""
    first = _FIRST_PORT + os.getpid() % _N_BLOCKS * _BLOCK
    for number in itertools.islice(_ports, _BLOCK):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", first + number % _BLOCK))
            return first + number % _BLOCK
    raise OSError(f"no port from {first} to {first + _BLOCK - 1} is free")


class ServiceProcess:
    """`mlf serve` as the Hub starts it: a process that can be killed and started again in the same place.

    It listens on a port, or on `socket` as in a hub.
    """

    def __init__(self, project: Project, hub: StubHub, log: Path | None = None, socket: Path | None = None) -> None:
        self.project = project
        where = socket_url(socket) if socket else f"http://127.0.0.1:{free_port()}"
        self.url = f"{where}/services/mlf"
        self.log = log or project.root.parent / "service.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "JUPYTERHUB_API_TOKEN": "service-token",
            "JUPYTERHUB_API_URL": hub.api_url,
            "JUPYTERHUB_CLIENT_ID": "service-mlf",
            "JUPYTERHUB_SERVICE_NAME": "mlf",
            "JUPYTERHUB_SERVICE_URL": where,
            "JUPYTERHUB_SERVICE_PREFIX": "/services/mlf/",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ServiceProcess:
        return self.start().wait_ready()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> ServiceProcess:
        """Start it; does not wait."""
        code = "import typer; from pipeline.commands.serve import serve; typer.run(serve)"
        with self.log.open("ab") as sink:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code, str(self.project.root)], env=self._environment, stdout=sink, stderr=sink
            )
        return self

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """Return the ids of the processes that serve, where the settings say that several do."""
        import psutil

        found = []
        for child in psutil.Process(self.pid).children():
            with suppress(psutil.NoSuchProcess):  # it has just gone
                if child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child.pid)
        return found

    def wait_ready(self, timeout_s: float = 120) -> ServiceProcess:
        """Wait until it answers."""
        wait_until(self._answers, timeout_s, lambda: f"the service is not up: {self.log.read_text()[-2000:]}")
        return self

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it as the Hub would."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()

    def _answers(self) -> bool:
        path, _ = socket_of(self.url) or (None, "")
        url = "http://service/services/mlf" if path else self.url
        try:
            # Asked every 20 ms, in plain HTTP: reading all certificates would take longer than that, each time.
            transport = httpx.HTTPTransport(uds=path, verify=False)
            with httpx.Client(transport=transport, trust_env=False, timeout=30) as client:
                return client.get(f"{url}/health").status_code in {200, 503}
        except httpx.TransportError:
            return False


@contextmanager
def kept_log() -> Iterator[list[str]]:
    """Yield the lines that the service in this process logs during the block."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Kept()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("mlf.service")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)


def wait_until(is_so: Any, timeout_s: float, failure: Any) -> None:
    """Check again and again until the condition holds."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(failure())
        pause.wait(0.02)


def with_processes(project: Project, n_processes: int) -> Project:
    """Return the project served by so many processes; its store must be on PostgreSQL."""
    write_settings(project.settings.with_changes("hub", processes=n_processes), project.root / "mlf.toml")
    return open_project(project.root)


def with_store(project: Project, url: str) -> Project:
    """Return the project with its store at another URL."""
    write_settings(project.settings.with_changes("store", url=url), project.root / "mlf.toml")
    return open_project(project.root)
