"""One person who sends and asks without end slows themselves, and nobody else."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from serving import make_project, vote, wait_until

from pipeline.annotation.events import Event
from pipeline.annotation.session import SaveResult
from pipeline.errors import StoreError
from pipeline.project.folder import Project, open_project
from pipeline.service.app import create_app
from pipeline.service.connections import PatientProtocol
from pipeline.service.identity import Caller
from pipeline.service.limits import Limits, RateLimiter
from pipeline.service.wire import save_body
from pipeline.service.writer import GroupWriter
from pipeline.store import open_store

HEADERS = {"Authorization": "token ann", "Content-Type": "application/json"}
EVENTS = "/services/mlf/api/rounds/annotation/events"
ROUND = "/services/mlf/api/rounds/annotation"


class ByName:
    """Takes a token as its owner's name."""

    async def caller(self, token: str) -> Caller | None:
        return Caller(token, frozenset({"annotators", "refiners"}))


class SlowStore:
    """Records what each transaction holds; the first one waits until the test releases it."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.go_on = threading.Event()
        self.is_writing = threading.Event()

    def append(self, events: Sequence[Event]) -> list[SaveResult]:
        self.is_writing.set()
        assert self.go_on.wait(30)
        self.transactions.append([event.annotator for event in events])
        return [SaveResult(event.event_id, 1) for event in events]


def saves_of(name: str, n_saves: int, n_events: int) -> list[list[Event]]:
    return [[vote(f"{name}-{i:04}-{j:04}", 0, annotator=name) for j in range(n_events)] for i in range(n_saves)]


def test_whoever_has_hundreds_of_saves_waiting_holds_up_nobodys_next_save() -> None:
    store = SlowStore()
    writer = GroupWriter(store)  # type: ignore[arg-type] - it has all that the writer needs of a store
    waiting = [writer.append(save, "ann") for save in saves_of("ann", 1, 100)]
    assert store.is_writing.wait(10)
    waiting += [writer.append(save, "ann") for save in saves_of("ann", 150, 100)]
    others = [writer.append(save, name) for name in ("ben", "cleo", "dora") for save in saves_of(name, 1, 1)]
    store.go_on.set()
    assert all(save.result(30)[0].seq for save in (*others, *waiting))
    writer.close()
    second = store.transactions[1]
    assert second.count("ann") == 100, "one turn"
    assert {"ben", "cleo", "dora"} <= set(second)


def test_small_saves_of_one_person_still_share_a_transaction() -> None:
    store = SlowStore()
    writer = GroupWriter(store)  # type: ignore[arg-type]
    writer.append(saves_of("ann", 1, 1)[0], "ann")
    assert store.is_writing.wait(10)
    last = [writer.append(save, "ann") for save in saves_of("ann", 60, 1)][-1]
    store.go_on.set()
    assert last.result(30)[0].seq
    writer.close()
    assert [len(names) for names in store.transactions] == [1, 60]


def test_too_many_saves_of_one_person_are_refused_and_of_others_taken() -> None:
    store = SlowStore()
    writer = GroupWriter(store)  # type: ignore[arg-type]
    saves = saves_of("ann", 300, 1)
    writer.append(saves[0], "ann")
    assert store.is_writing.wait(10)
    for save in saves[1:201]:
        writer.append(save, "ann")
    with pytest.raises(StoreError, match="saves are waiting"):
        writer.append(saves[201], "ann")
    other = writer.append(saves_of("ben", 1, 1)[0], "ben")
    store.go_on.set()
    assert other.result(30)[0].seq
    writer.close()


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = [0.0]
    bucket = RateLimiter(10, 2.0, clock=lambda: now[0])
    assert [bucket.take("ann", 4), bucket.take("ann", 6), bucket.take("ann", 1)] == [0.0, 0.0, 0.5]
    assert bucket.take("ben", 10) == 0.0
    now[0] = 3.0
    assert [bucket.take("ann", 6), bucket.take("ann", 1)] == [0.0, 0.5]
    with pytest.raises(ValueError, match="the bucket holds 10"):
        bucket.take("ann", 11)


def ask(project: Project, limits: Limits) -> TestClient:
    return TestClient(create_app(project, ByName(), limits=limits), headers=HEADERS)


def test_bytes_and_events_of_one_person_are_bounded_and_nobody_else_is_refused(project: Project) -> None:
    long = Limits(bytes_burst=3_000, bytes_per_second=0.001)
    with ask(project, long) as client:
        body = save_body([vote("bytes-0001", 0, order="s" * 60)])
        codes = [client.post(EVENTS, content=body + b" " * 900).status_code for _ in range(5)]
        assert codes.count(429) == 5 - codes.count(200) > 0
        assert client.post(EVENTS, content=body, headers={"Authorization": "token ben"}).status_code == 200
    many = Limits(events_burst=25, events_per_second=0.001)
    with ask(project, many) as client:
        bodies = [save_body([vote(f"many-{i:04}-{j}", j) for j in range(10)]) for i in range(4)]
        answers = [client.post(EVENTS, content=body) for body in bodies]
        assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        ben = save_body([vote("many-ben-1", 0, annotator="ben")])
        assert client.post(EVENTS, content=ben, headers={"Authorization": "token ben"}).status_code == 200


def test_a_request_for_many_pictures_or_tasks_counts_as_many(project: Project) -> None:
    with ask(project, Limits(burst=60, requests_per_second=0.001)) as client:
        positions = ",".join(str(i % 10) for i in range(100))
        codes = [client.get(f"{ROUND}/pictures?positions={positions}&max_side_px=64").status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
    with ask(project, Limits(burst=150, requests_per_second=0.001)) as client:
        positions = ",".join(str(i % 10) for i in range(500))
        codes = [client.get(f"{ROUND}/tasks?positions={positions}").status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]


def test_of_one_persons_requests_few_are_worked_on_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.service.serving import ServedSession

    at_work, most, lock, go_on = [0], [0], threading.Lock(), threading.Event()
    plain = ServedSession.find

    def slow(self: ServedSession, *asked: object) -> int | None:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        go_on.wait(1.0)
        with lock:
            at_work[0] -= 1
        return plain(self, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(ServedSession, "find", slow)
    app = create_app(project, ByName(), limits=Limits(at_once=2))

    async def storm() -> list[int]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=HEADERS) as client:
            asked = [client.get(f"{ROUND}/find?which=all&start=0") for _ in range(12)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    codes = asyncio.run(storm())
    assert most[0] == 2
    assert set(codes) <= {200, 503}
    assert codes.count(200) >= 2
    app.state.service.close()


@pytest.fixture
def patient(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Return a function that starts a real server with the test's timeouts, and returns its address."""
    monkeypatch.setattr(PatientProtocol, "max_connections", 40)
    app = create_app(project, ByName())
    config = uvicorn.Config(app, port=0, http=PatientProtocol, log_config=None)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)

    def start() -> str:
        thread.start()
        wait_until(lambda: server.started, 30, lambda: "not started")
        return f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield start  # type: ignore[misc]
    server.should_exit = True
    thread.join(30)


def test_connections_that_ask_nothing_shut_nobody_out(patient: Callable[[], str]) -> None:
    host, port = patient().split(":")
    with ExitStack() as stack:
        for i in range(120):
            silent = stack.enter_context(socket.create_connection((host, int(port))))
            if i % 2:
                silent.sendall(b"GET /services/mlf/api/me HTTP/1.1\r\nHost: x\r\n")
        for _ in range(5):
            answer = httpx.get(f"http://{host}:{port}/services/mlf/api/me", headers=HEADERS, trust_env=False)
            assert answer.json()["name"] == "ann"


def test_a_head_that_does_not_come_ends_its_connection_and_an_idle_one_after_an_answer_stays(
    patient: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.service.connections.HEAD_TIMEOUT_S", 2.0)
    host, port = patient().split(":")
    with socket.create_connection((host, int(port)), timeout=30) as silent:
        silent.sendall(b"GET /services/mlf")
        with pytest.raises(ConnectionError):
            silent.recv(1) or (_ for _ in ()).throw(ConnectionError)
    with httpx.Client(base_url=f"http://{host}:{port}", headers=HEADERS, trust_env=False) as client:
        first = client.get("/services/mlf/api/me")
        threading.Event().wait(2.5)  # longer than a request's head may take
        second = client.get("/services/mlf/api/me")
        assert first.extensions["network_stream"].get_extra_info("client_addr") == second.extensions[
            "network_stream"
        ].get_extra_info("client_addr")


def test_the_service_does_not_start_on_a_store_that_lacks_what_was_acknowledged(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    path = project.root / "store.sqlite"

    def save(event_id: str) -> None:
        with TestClient(create_app(open_project(project.root), ByName()), headers=HEADERS) as client:
            assert client.post(EVENTS, content=save_body([vote(event_id, 0)])).status_code == 200

    save("before-01")
    older = shutil.copy(path, tmp_path / "older.sqlite")
    save("after-001")
    shutil.copy(path, tmp_path / "newer.sqlite")
    for beside in project.root.glob("store.sqlite-*"):
        beside.unlink()
    shutil.copy(older, path)
    with pytest.raises(StoreError, match="lacks event 2, which was acknowledged"):
        create_app(open_project(project.root), ByName())
    shutil.copy(tmp_path / "newer.sqlite", path)
    save("again-001")
    with open_store(project.store_url, len(project.label_space)) as store:
        assert [event.event_id for event in store.iter_events()] == ["before-01", "after-001", "again-001"]
