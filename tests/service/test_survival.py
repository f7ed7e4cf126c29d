"""Kills at random moments, full disks, read-only databases, a hub that is away: nothing acknowledged is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from time import sleep

import pytest
from killing import KillRun
from postgres_server import PostgresServer
from serving import ServiceProcess, StubHub, add_flooder, assign_small, vote, with_processes, with_store

from pipeline.annotation.session import TaskFilter
from pipeline.errors import MlfError, ServiceError, StoreError
from pipeline.hub.launch import _close_project
from pipeline.project.folder import Project, open_project
from pipeline.service.client import RemoteSession
from pipeline.store import open_store
from pipeline.store.records import event_to_row
from pipeline.votes.words import Round


def stored_ids(project: Project) -> Counter[str]:
    with open_store(project.store_url, len(project.label_space)) as store:
        return Counter(event.event_id for event in store.iter_events())


def test_kills_of_service_and_client_during_a_flood_lose_nothing_on_sqlite(project: Project, hub: StubHub) -> None:
    hub.add(add_flooder(project), ["annotators", "researchers"])
    figures = KillRun(project, hub, n_kills=4, seed=1, flooder="flooder").run()
    assert figures.n_kills == 4
    assert "429" in figures.flood
    assert figures.n_acknowledged > 20
    assert (figures.n_lost, figures.n_doubled, figures.n_given_up) == (0, 0, 0)


@pytest.mark.postgres
def test_kills_of_service_client_and_database_lose_nothing_on_postgresql(
    project: Project, hub: StubHub, postgres: PostgresServer
) -> None:
    project = with_store(project, postgres.new_database())
    assign_small(project)
    figures = KillRun(project, hub, n_kills=3, seed=2, postgres=postgres).run()
    assert figures.n_acknowledged > 10
    assert (figures.n_lost, figures.n_doubled, figures.n_given_up) == (0, 0, 0)


@pytest.mark.postgres
def test_kills_of_one_of_two_processes_that_serve_lose_and_double_nothing(
    project: Project, hub: StubHub, postgres: PostgresServer
) -> None:
    project = with_processes(with_store(project, postgres.new_database()), 2)
    assign_small(project)
    hub.add(add_flooder(project), ["annotators", "researchers"])
    figures = KillRun(project, hub, n_kills=6, seed=3, postgres=postgres, flooder="flooder").run()
    assert figures.kills["worker"] >= 2
    assert figures.n_acknowledged > 20
    assert (figures.n_lost, figures.n_doubled, figures.n_given_up) == (0, 0, 0)


@pytest.fixture
def small_disk(tmp_path: Path, disk_of_3_mb: Callable[[Path], AbstractContextManager[Path]]) -> Iterator[Path]:
    with disk_of_3_mb(tmp_path / "small") as folder:
        yield folder


def test_a_full_disk_is_said_so_and_work_goes_on_once_there_is_room(
    project: Project, hub: StubHub, small_disk: Path
) -> None:
    project = with_store(project, f"sqlite:///{small_disk / 'store.sqlite'}")
    assign_small(project)
    with ServiceProcess(project, hub) as service:
        session = RemoteSession(service.url, "token-ann", sleep=lambda _s: None)
        session.save([vote("before-full", 0)])
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space"), filler.open("wb", buffering=0) as file:  # noqa: PT012
            while True:
                file.write(b"x" * 4096)
        kept, problem = [], None
        for i in range(400):
            try:
                kept += [r.event_id for r in session.save([vote(f"while-full-{i:04d}", i % 10)]) if r.seq]
            except StoreError as error:
                problem, refused = error, vote(f"while-full-{i:04d}", i % 10)
                break
        assert problem is not None
        assert "full" in str(problem)
        assert session.tasks([0])[0].state.is_decided
        filler.unlink()
        assert session.save([refused])[0].seq is not None
    assert stored_ids(project) == Counter(["before-full", *kept, refused.event_id])


@pytest.mark.postgres
def test_a_read_only_database_is_said_so_and_work_goes_on_afterwards(
    project: Project, hub: StubHub, postgres: PostgresServer
) -> None:
    url = postgres.new_database()
    project = with_store(project, url)
    assign_small(project)
    with ServiceProcess(project, hub) as service:
        session = RemoteSession(service.url, "token-ann", sleep=lambda _s: None)
        assert session.save([vote("before-lock", 0)])[0].seq
        postgres.set_read_only(url, True)
        with pytest.raises(StoreError, match="read-only"):
            session.save([vote("while-locked", 0)])
        assert session.tasks([0])[0].state.is_decided
        postgres.set_read_only(url, False)
        assert session.save([vote("while-locked", 0)])[0].seq
    assert stored_ids(project) == Counter(["before-lock", "while-locked"])


def test_a_hub_or_service_that_is_away_is_said_so_and_comes_back(project: Project, hub: StubHub) -> None:
    service = ServiceProcess(project, hub)
    waits: list[float] = []
    session = RemoteSession(service.url, "token-ann", sleep=waits.append)
    with pytest.raises(ServiceError, match="away"):
        session.open()
    assert waits == [0.1, 0.3, 0.9]
    with service:
        hub.is_down = True
        with pytest.raises(ServiceError, match="Hub"):
            session.open()
        hub.is_down = False
        assert session.open().annotator == "ann"


def test_another_account_cannot_open_a_closed_database_file(project: Project, request: pytest.FixtureRequest) -> None:
    if os.geteuid() != 0:
        pytest.skip("acting as another account needs root")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    root = shutil.copytree(project.root, folder / "project")
    request.addfinalizer(lambda: shutil.rmtree(folder))

    def read_as(account: int) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["cat", str(root / "store.sqlite")], user=account, extra_groups=[], capture_output=True)

    root.chmod(0o755)
    assert read_as(61_184).returncode == 0  # the attack works where the folder is open
    _close_project(open_project(root))
    for account in (61_184, 65_534):
        done = read_as(account)
        assert done.returncode != 0
        assert b"denied" in done.stderr


def test_the_kernels_session_needs_no_web_framework_and_no_database() -> None:
    code = (
        "import sys, pipeline.service.client\n"
        "print([m for m in ('fastapi', 'sqlalchemy', 'torch', 'pandas', 'uvicorn', 'jupyterhub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert done.stdout.strip() == "[]"


def test_a_save_that_fails_does_not_fail_those_beside_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    from pipeline.service.writer import GroupWriter
    from pipeline.store import appending

    held, go_on = threading.Event(), threading.Event()

    def poisoned(event):  # type: ignore[no-untyped-def]
        if event.event_id == "holder-01":
            held.set()
            assert go_on.wait(60)
        if event.event_id == "poison-01":
            raise ValueError("the database cannot take this")
        return event_to_row(event)

    monkeypatch.setattr(appending, "event_to_row", poisoned)
    with open_store(open_project(project.root).store_url, 6) as store:
        sizes: list[int] = []
        writer = GroupWriter(store, sizes.append)
        first = writer.append([vote("holder-01", 0)])
        assert held.wait(60)
        good, bad, other = (writer.append([vote(name, 1)]) for name in ("good-vote", "poison-01", "other-vote"))
        go_on.set()
        assert first.result(60)[0].seq
        assert good.result(60)[0].seq
        assert other.result(60)[0].seq
        with pytest.raises(ValueError, match="cannot take"):
            bad.result(60)
        writer.close()
    assert not issubclass(ValueError, MlfError)


def test_a_save_whose_caller_has_gone_is_no_end_of_the_writer(project: Project) -> None:
    from pipeline.service.writer import GroupWriter

    with open_store(project.store_url, 6) as store:
        writer = GroupWriter(store, lambda _n: sleep(0.05))
        gone = [writer.append([vote(f"gone-{i:04}", 0)]) for i in range(5)]
        for save in gone:
            save.cancel()
        assert writer.append([vote("stays-01", 1)]).result(60)[0].seq
        writer.close()
    assert stored_ids(project)["stays-01"] == 1


@pytest.mark.postgres
def test_work_is_not_taken_away_while_a_vote_on_it_arrives_on_postgresql(
    project: Project, postgres: PostgresServer
) -> None:
    import threading

    import sqlalchemy as sa

    from pipeline.store import SqlStore
    from pipeline.store.engine import open_engine

    project = with_store(project, postgres.new_database())
    assign_small(project)
    engine, store = open_engine(project.store_url), open_store(project.store_url, 6)
    votes = threading.Thread(target=lambda: store.append([vote("vote-on-5", 5), vote("vote-on-6", 6)]))

    def save_meanwhile(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("DELETE FROM tasks") and not votes.ident:
            votes.start()
            votes.join(1)

    sa.event.listen(engine, "before_cursor_execute", save_meanwhile)
    taker = SqlStore(engine, 6)
    taker.unassign(Round.ANNOTATION, "ann", [5])
    votes.join(60)
    done = store.passing(Round.ANNOTATION, "ann", TaskFilter.DONE, 0, 10)[1]
    said = [row for row in store.iter_states(Round.ANNOTATION) if row.annotator == "ann" and row.state.is_decided]
    taker.close()
    store.close()
    assert done == len(said) == 1
