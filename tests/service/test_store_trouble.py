"""A store in trouble: annotators are told so plainly; only the operator's log says where the store is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from by_name import EVENTS, HEADERS, ByName
from fastapi.testclient import TestClient
from postgres_server import PostgresServer
from serving import ServiceProcess, StubHub, assign_small, kept_log, make_project, vote, with_store

from pipeline.errors import StoreError
from pipeline.project.folder import Project, open_project
from pipeline.service.app import create_app
from pipeline.service.client import RemoteSession
from pipeline.service.identity import Caller
from pipeline.service.wire import save_body
from pipeline.store import open_store

AWAY_SAVING = "the store cannot be reached; your work is kept and sent again"
AWAY_READING = "the store cannot be reached; try again in a moment"
READS = [
    ("ann", "/api/rounds/annotation/open"),
    ("ann", "/api/rounds/annotation/tasks?positions=0,1"),
    ("ann", "/api/rounds/annotation/images/0"),
    ("ann", "/api/rounds/annotation/pictures?positions=0,1&max_side_px=64"),
    ("ann", "/api/rounds/annotation/changes?since_seq=0"),
    ("rea", "/api/rounds/annotation/board"),
    ("rea", "/api/explorer/open"),
]


def refused_lines(log: Path) -> list[dict[str, Any]]:
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith('{"time"'))
    return [line for line in lines if line["event"] == "refused"]


@contextmanager
def closed(postgres: PostgresServer, name: str) -> Iterator[None]:
    """Close a database to new connections, and end those that are open."""
    import psycopg

    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


@contextmanager
def killed(postgres: PostgresServer, _name: str) -> Iterator[None]:
    """End the whole server, and start it again."""
    postgres.kill()
    yield
    postgres.start()


@pytest.mark.postgres
@pytest.mark.parametrize("trouble", [closed, killed])
def test_nobody_is_told_where_a_postgresql_lies_that_cannot_be_reached(
    project: Project, hub: StubHub, postgres: PostgresServer, trouble: Any
) -> None:
    url = postgres.new_database()
    name = url.rpartition("/")[2]
    project = with_store(project, url)
    assign_small(project)
    secrets = (name, "127.0.0.1", str(postgres.port), "owner", "psycopg", "postgres", "sqlalche")
    with ServiceProcess(project, hub) as service, httpx.Client(trust_env=False, timeout=60) as asked:
        session = RemoteSession(service.url, "token-ann", sleep=lambda _s: None)
        assert session.save([vote("before-0001", 0)])[0].seq
        with trouble(postgres, name):
            with pytest.raises(StoreError) as saving:
                session.save([vote("while-away1", 1)])
            assert str(saving.value) == AWAY_SAVING
            answers = [
                asked.get(service.url + path, headers={"Authorization": f"token token-{who}"}) for who, path in READS
            ]
            assert [answer.status_code for answer in answers] == [503] * len(READS)
            assert {answer.json()["message"] for answer in answers} == {AWAY_READING}
            health = asked.get(f"{service.url}/health")
            assert (health.status_code, health.json()["store"]) == (503, "away")
            metrics = asked.get(f"{service.url}/metrics", headers={"Authorization": "token token-rea"})
            assert 'mlf_refusals_total{code="StoreError"}' in metrics.text
            for answer in (*answers, health, metrics):
                told = f"{answer.text} {dict(answer.headers)}".lower()
                assert [secret for secret in secrets if secret in told] == []
        assert session.save([vote("while-away1", 1)])[0].seq
        reasons = {line["reason"] for line in refused_lines(service.log) if line["status"] == 503}
        assert reasons
        assert all("the store " in reason for reason in reasons)
        where = name if trouble is closed else str(postgres.port)
        assert any(where in reason for reason in reasons), reasons


def test_nobody_is_told_in_which_folder_a_sqlite_file_is_missed(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "secret folder"
    folder.mkdir()
    project = with_store(project, f"sqlite:///{folder / 'store.sqlite'}")
    assign_small(project)

    class Everyone:
        async def caller(self, _token: str) -> Caller | None:
            return Caller("ann", frozenset({"annotators", "researchers"}))

    headers = {"Authorization": "token x"}
    with kept_log() as lines, TestClient(create_app(project, Everyone()), headers=headers) as client:
        client.app.state.service.store.close()  # type: ignore[attr-defined] - it reconnects when it is asked
        folder.rename(tmp_path / "moved")
        answers = [client.get("/services/mlf" + path) for _, path in READS]
        saving = client.post(
            "/services/mlf/api/rounds/annotation/events",
            content=save_body([vote("no-folder-1", 0)]),
            headers={"Content-Type": "application/json"},
        )
        assert {answer.json()["message"] for answer in answers} == {AWAY_READING}
        assert (saving.status_code, saving.json()["message"]) == (503, AWAY_SAVING)
        health = client.get("/services/mlf/health")
        assert health.json() == {"status": "failing", "store": "away", "last_write": "failed"}
        for answer in (*answers, saving, health, client.get("/services/mlf/metrics")):
            assert str(tmp_path) not in answer.text
            assert "secret" not in answer.text
        (tmp_path / "moved").rename(folder)
        assert client.get("/services/mlf/health").status_code == 503  # the last write failed
        saved = client.post(
            "/services/mlf/api/rounds/annotation/events",
            content=save_body([vote("no-folder-1", 0)]),
            headers={"Content-Type": "application/json"},
        )
        assert saved.json()["results"][0]["seq"]
        assert client.get("/services/mlf/health").status_code == 200
    reasons = {json.loads(line)["reason"] for line in lines if json.loads(line)["event"] == "refused"}
    assert any("unable to open database file" in reason for reason in reasons)


def test_a_table_that_is_missed_is_named_without_its_folder(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the folder was named when the service was started: here by a link, or by a relative path."""
    from pipeline.project.folder import open_project

    class Ann:
        async def caller(self, _token: str) -> Caller | None:
            return Caller("ann", frozenset({"annotators"}))

    project.proposals_path.unlink()
    (tmp_path / "by a link").symlink_to(project.root)
    monkeypatch.chdir(project.root.parent)
    for named in (project.root, tmp_path / "by a link", Path("project")):
        with TestClient(create_app(open_project(named), Ann()), headers={"Authorization": "token x"}) as client:
            answer = client.get("/services/mlf/api/rounds/annotation/tasks?positions=0")
        assert answer.status_code == 503
        assert answer.json()["message"] == (
            "the project has no proposals.parquet yet; run `mlf propose the project` first"
        )


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
