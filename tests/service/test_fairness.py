"""One person who sends and asks without end slows themselves, and nobody else."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from by_name import EVENTS, HEADERS, ByName
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from serving import vote

from pipeline.annotation.events import Event
from pipeline.annotation.session import SaveResult
from pipeline.errors import StoreError
from pipeline.project.folder import Project
from pipeline.service import rounds
from pipeline.service.app import create_app
from pipeline.service.identity import Caller
from pipeline.service.limits import LONGEST_HELD_BACK_S, HeldBack, Limits, RateLimiter
from pipeline.service.wire import save_body
from pipeline.service.writer import GroupWriter

ROUND = "/services/mlf/api/rounds/annotation"


class SlowStore:
    """Records what each transaction holds; the first one waits until the test releases it."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.go_on = threading.Event()
        self.is_writing = threading.Event()

    def append(self, events: Sequence[Event]) -> list[SaveResult]:
        self.is_writing.set()
        assert self.go_on.wait(60)
        self.transactions.append([event.annotator for event in events])
        return [SaveResult(event.event_id, 1) for event in events]


def saves_of(name: str, n_saves: int, n_events: int) -> list[list[Event]]:
    return [[vote(f"{name}-{i:04}-{j:04}", 0, annotator=name) for j in range(n_events)] for i in range(n_saves)]


def test_whoever_has_hundreds_of_saves_waiting_holds_up_nobodys_next_save() -> None:
    store = SlowStore()
    writer = GroupWriter(store)  # type: ignore[arg-type] - it has all that the writer needs of a store
    waiting = [writer.append(save, "ann") for save in saves_of("ann", 1, 100)]
    assert store.is_writing.wait(60)
    waiting += [writer.append(save, "ann") for save in saves_of("ann", 150, 100)]
    others = [writer.append(save, name) for name in ("ben", "cleo", "dora") for save in saves_of(name, 1, 1)]
    store.go_on.set()
    assert all(save.result(60)[0].seq for save in (*others, *waiting))
    writer.close()
    second = store.transactions[1]
    assert second.count("ann") == 100, "one turn"
    assert {"ben", "cleo", "dora"} <= set(second)


def test_small_saves_of_one_person_still_share_a_transaction() -> None:
    store = SlowStore()
    writer = GroupWriter(store)  # type: ignore[arg-type]
    writer.append(saves_of("ann", 1, 1)[0], "ann")
    assert store.is_writing.wait(60)
    last = [writer.append(save, "ann") for save in saves_of("ann", 60, 1)][-1]
    store.go_on.set()
    assert last.result(60)[0].seq
    writer.close()
    assert [len(names) for names in store.transactions] == [1, 60]


def test_too_many_saves_of_one_person_are_refused_and_of_others_taken() -> None:
    store = SlowStore()
    writer = GroupWriter(store)  # type: ignore[arg-type]
    saves = saves_of("ann", 300, 1)
    writer.append(saves[0], "ann")
    assert store.is_writing.wait(60)
    for save in saves[1:201]:
        writer.append(save, "ann")
    with pytest.raises(StoreError, match="saves are waiting"):
        writer.append(saves[201], "ann")
    other = writer.append(saves_of("ben", 1, 1)[0], "ben")
    store.go_on.set()
    assert other.result(60)[0].seq
    writer.close()


def test_escapes_in_cookies_reach_nothing_that_reads_cookies(project: Project) -> None:
    """Python's own reader takes seconds for a few thousand of them, and reads before it is known who asks."""
    read: list[str] = []
    app = create_app(project, ByName())

    @app.get("/cookies")
    def cookies(request: Request) -> None:
        read.extend((request.headers["cookie"], *request.cookies.values()))

    with TestClient(app) as client:
        client.get("/cookies", headers={"Cookie": 'one="' + '\\"' * 1000 + '"; two=a-b_c.d'})
    assert len(read) == 3
    assert "\\" not in "".join(read)
    assert read[-1] == "a-b_c.d"


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    now = [0.0]
    bucket = RateLimiter(10, 2.0, clock=lambda: now[0])
    assert [bucket.take("ann", 4), bucket.take("ann", 6), bucket.take("ann", 1)] == [0.0, 0.0, 0.5]
    assert bucket.take("ben", 10) == 0.0
    now[0] = 3.0
    assert [bucket.take("ann", 6), bucket.take("ann", 1)] == [0.0, 0.5]
    with pytest.raises(ValueError, match="the bucket holds 10"):
        bucket.take("ann", 11)


def test_threads_that_take_from_one_bucket_at_once_get_no_more_than_it_holds() -> None:
    bucket, n_taken, interval = RateLimiter(1_000, 1.0, clock=lambda: 0.0), [0] * 4, sys.getswitchinterval()

    def take(number: int) -> None:
        n_taken[number] = sum(bucket.take("ann") == 0.0 for _ in range(2_000))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sum(n_taken) == 1_000


@pytest.mark.parametrize("boot_s", [0.0, 100.0])
def test_refusals_go_out_a_few_at_once_and_then_one_after_another(boot_s: float) -> None:
    """As on a machine that was started just now, whose monotonic clock says next to nothing."""
    now = [boot_s]
    held = HeldBack(3, 10.0, clock=lambda: now[0])
    assert [round(held.next_in("ann"), 3) for _ in range(6)] == [0, 0, 0, 0.1, 0.2, 0.3]
    assert held.next_in("ben") == 0, "each person's refusals are counted apart"
    now[0] = boot_s + 0.3
    assert [round(held.next_in("ann"), 3) for _ in range(2)] == [0.1, 0.2], "they had their places"
    now[0] = boot_s + 100
    assert [round(held.next_in("ann"), 3) for _ in range(4)] == [0, 0, 0, 0.1]
    assert max(held.next_in("ann") for _ in range(10_000)) == LONGEST_HELD_BACK_S


async def told(app: FastAPI, path: str, headers: dict[str, str]) -> list[str]:
    """Send a request, and leave if it is held back; return what happened, in order."""
    route, _, query = path.partition("?")
    scope = {"type": "http", "method": "GET", "path": route, "query_string": query.encode(), "http_version": "1.1"}
    sent = {name.lower(): value for name, value in (HEADERS | headers).items() if value}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in sent.items()]
    happened: list[str] = []
    body = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if more := next(body, None):
            return more
        happened.append("held back")
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            happened.append(str(message["status"]))

    await app(scope, receive, send)  # type: ignore[arg-type]
    return happened


@pytest.mark.parametrize(
    ("status", "path", "headers"),
    [
        ("422", f"{ROUND}/find", {}),
        ("429", f"{ROUND}/tasks?positions=0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9", {}),
        ("403", "/services/mlf/metrics", {}),
        ("401", "/services/mlf/api/me", {"Authorization": "nothing"}),
        ("404", "/services/mlf/nothing", {}),
        ("414", "/services/mlf/" + "long" * 600, {}),
        ("413", EVENTS, {"Content-Length": "2000000"}),
    ],
)
def test_refusals_of_every_kind_are_held_back_once_there_are_many(
    project: Project, status: str, path: str, headers: dict[str, str]
) -> None:
    n_requests = 1.0 if status == "429" else 100.0
    # Nothing comes back in the course of the test, however slow the machine is.
    few = {"refusals_burst": 2, "refusals_per_second": 0.001, "strangers_burst": 2, "strangers_per_second": 0.001}
    limits = Limits(burst=int(n_requests), requests_per_second=0.001, **few)
    app = create_app(project, ByName(), limits=limits)

    async def requests() -> list[list[str]]:
        return [await told(app, path, headers) for _ in range(4)]

    answers = asyncio.run(requests())
    app.state.service.close()
    assert answers == [[status], [status], ["held back", status], ["held back", status]]


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


@pytest.mark.parametrize(("path", "price"), [(f"{ROUND}/open", 5), (f"{ROUND}/board", 2)])
def test_what_reads_much_counts_as_many_requests(project: Project, path: str, price: int) -> None:
    """The begin of a session, and a board of two people."""
    limits = Limits(burst=16, requests_per_second=0.001, people_a_request=1)
    with TestClient(create_app(project, ByNameOfResearchers(), limits=limits), headers=HEADERS) as client:
        codes = [client.get(path).status_code for _ in range(10)]
    assert codes == [200] * (16 // price) + [429] * (10 - 16 // price)


class Nobody:
    """Knows no token."""

    async def caller(self, _token: str) -> Caller | None:
        return None


@pytest.mark.parametrize(
    ("path", "token", "status"),
    [("openapi.json", "", "200"), ("health", "", "200"), ("reports", "", "302"), ("api/me", "token made-up", "401")],
)
def test_what_strangers_ask_for_is_held_back_once_there_is_much_of_it_from_their_address(
    project: Project, path: str, token: str, status: str
) -> None:
    limits = Limits(strangers_burst=2, strangers_per_second=0.001)
    oauth = SimpleNamespace(oauth_client_id="x", oauth_redirect_uri="x", oauth_authorization_url="/hub")
    app = create_app(project, Nobody(), limits=limits, oauth=oauth)

    async def requests() -> list[list[str]]:
        # The last address comes from the hub's own proxy; what stands before it was sent by whoever asks.
        addresses = ("10.0.0.1", "10.0.0.8, 10.0.0.1", "10.0.0.9, 10.0.0.1", "10.0.0.1, 10.0.0.2")
        sent = [{"Authorization": token, "X-Forwarded-For": address} for address in addresses]
        return [await told(app, f"/services/mlf/{path}", headers) for headers in sent]

    answers = asyncio.run(requests())
    app.state.service.close()
    assert answers == [[status], [status], ["held back", status], [status]]


async def storm(app: FastAPI, method: str, path: str, content: bytes | None = None) -> list[int]:
    """Ask for the same twelve times at once; return how each was answered."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=HEADERS) as client:
        asked = [client.request(method, path, content=content) for _ in range(12)]
        return [answer.status_code for answer in await asyncio.gather(*asked)]


class ByNameOfResearchers(ByName):
    """Takes everybody for a researcher who annotates as well and reads reports."""

    async def caller(self, token: str) -> Caller | None:
        return Caller(token, frozenset({"annotators", "researchers"}))


@pytest.mark.parametrize(
    ("slow", "path"),
    [
        ("pipeline.service.serving.ServedSession.find", f"{ROUND}/find?which=all&start=0"),
        ("pipeline.sessions.local_explorer.LocalExplorer.page", "/services/mlf/api/explorer/page"),
        ("pipeline.sessions.local_explorer.LocalExplorer.open", "/services/mlf/api/explorer/open"),
        ("pipeline.service.board.BoardReader", f"{ROUND}/board"),
    ],
)
def test_of_one_persons_requests_few_are_worked_on_at_once(
    project: Project, monkeypatch: pytest.MonkeyPatch, slow: str, path: str
) -> None:
    at_work, most, lock, go_on = [0], [0], threading.Lock(), threading.Event()

    def work(*_: object) -> None:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        go_on.wait(0.2)
        with lock:
            at_work[0] -= 1
        raise StoreError("as slow as it gets")

    monkeypatch.setattr(slow, work)
    app = create_app(project, ByNameOfResearchers(), limits=Limits(at_once=2))
    waited = asyncio.Semaphore.acquire
    n_waiting = [0]

    async def counted(self: asyncio.Semaphore) -> bool:
        n_waiting[0] += 1
        return await waited(self)

    monkeypatch.setattr(asyncio.Semaphore, "acquire", counted)

    assert set(asyncio.run(storm(app, "GET", path))) == {503}
    assert 1 <= most[0] <= 2
    assert n_waiting[0] >= 12, "each of them had to take a place"
    app.state.service.close()


def test_reports_that_nobody_takes_off_the_line_are_few(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits in memory, and an explorer has megabytes: one reader held as much of them as they liked."""
    project.reports_dir.mkdir()
    (project.reports_dir / "large.html").write_bytes(b"x" * 400_000)
    monkeypatch.setattr("pipeline.service.admission.LONGEST_WAIT_S", 0.01)
    app = create_app(
        project, ByNameOfResearchers(), limits=Limits(reports_at_once=2, burst=30, requests_per_second=0.001)
    )
    scope = {"type": "http", "method": "GET", "path": "/services/mlf/reports/large.html", "query_string": b""}
    scope |= {"http_version": "1.1", "headers": [(b"authorization", b"token ann")]}

    async def requests() -> list[list[int]]:
        read_on, begun = asyncio.Event(), [[] for _ in range(4)]

        async def ask(statuses: list[int]) -> None:
            async def send(message: dict[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    statuses.append(message["status"])
                elif statuses == [200]:
                    taken.release()
                    await read_on.wait()

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": b"", "more_body": False}

            await app(dict(scope), receive, send)

        taken = asyncio.Semaphore(0)
        first = [asyncio.create_task(ask(statuses)) for statuses in begun[:2]]
        for _ in first:
            await taken.acquire()  # both are being sent, and nobody reads
        await ask(begun[2])
        read_on.set()
        await asyncio.gather(*first)
        await ask(begun[3])
        return begun

    answers = asyncio.run(requests())
    app.state.service.close()
    assert answers == [[200], [200], [503], [200]]


def test_a_large_report_counts_as_many_requests(project: Project) -> None:
    project.reports_dir.mkdir()
    (project.reports_dir / "large.html").write_bytes(b"x" * 1_000_000)
    app = create_app(project, ByNameOfResearchers(), limits=Limits(burst=12, requests_per_second=0.001))
    with TestClient(app, headers=HEADERS) as client:
        codes = [client.get("/services/mlf/reports/large.html").status_code for _ in range(3)]
    assert codes == [200, 200, 429]


def test_of_one_persons_saves_few_are_worked_on_at_once(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, most, body = [0], [0], save_body([vote("at-once-1", 0)])
    plain = rounds.save_events

    async def slow(*given: Any) -> list[SaveResult]:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        results = await plain(*given)
        at_work[0] -= 1
        return results

    monkeypatch.setattr(rounds, "save_events", slow)
    monkeypatch.setattr("pipeline.service.admission.LONGEST_WAIT_S", 60.0)  # however busy this machine is
    app = create_app(project, ByName(), limits=Limits(saves_at_once=2))
    assert asyncio.run(storm(app, "POST", EVENTS, body)) == [200] * 12
    assert most[0] == 2
    app.state.service.close()
