"""Several processes that serve one project on PostgreSQL: what each of them knows, all of them know."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from pages import app_of
from postgres_server import PostgresServer
from serving import (
    ServiceProcess,
    StubHub,
    assign_small,
    free_port,
    kept_log,
    vote,
    wait_until,
    with_processes,
    with_store,
)

from pipeline.annotation.events import Event
from pipeline.errors import ProjectError, StoreError
from pipeline.hub.keeper import listen_at
from pipeline.hub.sockets import socket_url
from pipeline.project.folder import Project, open_project
from pipeline.project.label_space import label_space_from_keys, write_label_space
from pipeline.project.settings import write_settings
from pipeline.service.app import PREFIX
from pipeline.service.client import RemoteSession
from pipeline.service.copies import _own_folder, listening_at
from pipeline.service.limits import Limits
from pipeline.service.run_record import RunRecord
from pipeline.service.watch import StoreWatch
from pipeline.service.wire import RunState, StageRun
from pipeline.store import SqlStore, open_store
from pipeline.store.standing import Mark, read_mark, write_mark

RESEARCHER = {"Authorization": "token token-rea"}


@pytest.fixture
def service(project: Project, hub: StubHub, postgres: PostgresServer) -> Iterator[ServiceProcess]:
    """Return a service of three processes."""
    project = with_processes(with_store(project, postgres.new_database()), 3)
    assign_small(project)
    with ServiceProcess(project, hub) as started:
        wait_until(lambda: started.log.read_text().count("Started server process") == 3, 60, started.log.read_text)
        yield started


def ask(service: ServiceProcess, path: str, method: str = "GET") -> httpx.Response:
    """Ask over a connection of its own, which any of the processes may take."""
    return httpx.request(method, f"{service.url}/{path}", headers=RESEARCHER, trust_env=False, verify=False, timeout=90)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.postgres
def test_one_that_dies_is_started_again_and_the_end_is_the_end_of_all(service: ServiceProcess) -> None:
    first = service.workers()
    assert len(first) == 3
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: len(set(service.workers()) - set(first)) == 1, 90, service.log.read_text)
    assert set(first[1:]) < set(service.workers())
    left = service.workers()
    service.stop()
    wait_until(lambda: not any(map(runs, left)), 90, lambda: str(left))


@pytest.mark.postgres
def test_requests_are_counted_for_all_processes_together(service: ServiceProcess) -> None:
    for _ in range(30):
        assert ask(service, "api/me").status_code == 200

    def n_counted() -> float:  # a request is counted once it has been answered
        return sum(map(float, re.findall(r'mlf_requests_total\{.*/api/me".*\} (\S+)', ask(service, "metrics").text)))

    wait_until(lambda: n_counted() == 30, 90, lambda: ask(service, "metrics").text)
    assert n_counted() == 30


@pytest.mark.postgres
def test_what_one_process_saves_is_read_and_known_by_all(service: ServiceProcess) -> None:
    events = [vote(f"from-many-{i:03d}", i % 10) for i in range(30)]
    for event in events:
        with closing(RemoteSession(service.url, "token-ann")) as session:
            assert session.save([event])[0].seq
    seqs = []
    for event in events:
        with closing(RemoteSession(service.url, "token-ann")) as session:
            (again,) = session.save([event])
            assert session.changes(0).last_seq >= (again.seq or 0) > 0
            seqs.append(again.seq)
    assert seqs == sorted(seqs)
    with open_store(service.project.store_url, 6) as store:
        assert [event.event_id for event in store.iter_events()] == [event.event_id for event in events]
        assert store.verify().is_sound
        wait_until(lambda: read_mark(service.project.root) == store.end_of_log(), 90, lambda: "no mark")


@pytest.mark.postgres
def test_a_stage_is_run_seen_and_stopped_through_any_process(service: ServiceProcess) -> None:
    assert ask(service, "api/runs/analyze", "POST").status_code == 200
    for _ in range(6):
        assert ask(service, "api/runs/settle", "POST").status_code == 409
        assert ask(service, "api/runs").json()["runs"][0]["state"] == "running"
    for _ in range(6):
        assert ask(service, "api/runs", "DELETE").status_code == 200
        assert ask(service, "api/runs").json()["runs"][0]["state"] == "stopped"


def test_several_processes_need_postgresql(project: Project) -> None:
    write_settings(project.settings.with_changes("hub", processes=2), project.root / "mlf.toml")
    with pytest.raises(ProjectError, match=r"processes = 2.*SQLite.*postgresql\+psycopg"):
        open_project(project.root)


def test_processes_share_what_is_allowed_in_the_long_run() -> None:
    whole, each = Limits(), Limits().shared_by(4)
    for name in ("requests_per_second", "events_per_second", "bytes_per_second", "bytes_per_day"):
        assert 4 * getattr(each, name) == getattr(whole, name)
    for name in ("refusals_per_second", "strangers_per_second"):
        assert 4 * getattr(each, name) == getattr(whole, name)
    assert (each.burst, each.max_events, each.max_body_bytes) == (whole.burst, whole.max_events, whole.max_body_bytes)
    assert whole.shared_by(1) == whole


def test_the_mark_is_of_the_last_event_that_any_process_acknowledged(project: Project) -> None:
    stores = [open_store(project.store_url, 6) for _ in range(2)]
    watches = [StoreWatch(store, project.root, is_shared=True) for store in stores]
    last = [stores[i % 2].append([vote(f"in-turns-{i:03d}", 0)])[0].seq for i in range(4)][-1]
    try:
        wait_until(lambda: read_mark(project.root).seq == last, 90, lambda: str(read_mark(project.root)))
        write_mark(project.root, Mark(1, "older"))  # as if the other process had written over it
        wait_until(lambda: read_mark(project.root).seq == last, 90, lambda: str(read_mark(project.root)))
        write_mark(project.root, Mark(last + 1, "of another process, which this store does not hold"))
        wait_until(lambda: _refuses(stores[0], vote("one-more-vote", 1)), 90, lambda: "a vote is taken")
    finally:
        for watch, store in zip(watches, stores, strict=True):
            watch.close()
            store.close()


def _keep_marks(root: str, number: int) -> None:
    project = open_project(Path(root))
    with kept_log() as lines, open_store(project.store_url, 6) as store:
        watch = StoreWatch(store, project.root, is_shared=True)
        for i in range(60):
            store.append([vote(f"of-{number}-many-{i:03d}", i % 10)])
            watch._keep_mark()
        watch.close()
    assert lines == []


def test_processes_that_keep_the_mark_at_the_same_time_do_not_hinder_each_other(project: Project) -> None:
    spawn = multiprocessing.get_context("spawn")
    keeping = [spawn.Process(target=_keep_marks, args=(str(project.root), number)) for number in range(3)]
    for process in keeping:
        process.start()
    for process in keeping:
        process.join(120)
    assert [process.exitcode for process in keeping] == [0, 0, 0]
    with open_store(project.store_url, 6) as store:
        assert read_mark(project.root) == store.end_of_log()
        assert store.end_of_log().seq == 180


@pytest.mark.parametrize("content", ["", "{}", "not a mark"])
def test_a_mark_that_cannot_be_read_is_written_anew_while_others_serve(project: Project, content: str) -> None:
    with open_store(project.store_url, 6) as writing, open_store(project.store_url, 6) as reading:
        writing.append([vote("before-it-broke", 0)])
        write_mark(project.root, writing.last)
        watches = [StoreWatch(store, project.root, is_shared=True) for store in (writing, reading)]
        try:
            for watch in watches:  # also the one that has appended nothing: it knows what it has read
                (project.root / "store.mark").write_text(content)
                watch._keep_mark()
                assert read_mark(project.root) == writing.last
            StoreWatch(reading, project.root, is_shared=True).close()
        finally:
            for watch in watches:
                watch.close()


def test_a_vote_on_a_class_that_was_just_added_is_taken_by_a_process_that_has_not_looked(
    project: Project, hub: StubHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.service.admission._LOOK_EVERY_S", 3600.0)
    ann = {"Authorization": "token token-ann"}
    with TestClient(app_of(project, hub)) as client:

        def save(event_id: str, class_index: int) -> dict[str, object]:
            event = {"event_id": event_id, "image_index": 0, "kind": "vote", "shown": [], "active_ms": 1}
            event["payload"] = {"class_index": class_index, "vote": "yes"}
            answer = client.post(f"{PREFIX}/api/rounds/annotation/events", json={"events": [event]}, headers=ann)
            assert answer.status_code == 200, answer.text
            result: dict[str, object] = answer.json()["results"][0]
            return result

        assert save("there-already", 5)["seq"]
        refused = save("not-yet-there", 6)
        assert refused["seq"] is None
        assert refused["is_final"]
        write_label_space(label_space_from_keys([f"class_{i}" for i in range(7)]), project.classes_path)
        assert save("there-by-now", 6)["seq"]


def _refuses(store: SqlStore, event: Event) -> bool:
    try:
        store.append([event])
    except StoreError as error:
        return "lacks event" in str(error)
    return False


def _run_and_die(folder: str) -> None:
    record = RunRecord(Path(folder))
    assert record.take()
    record.write(StageRun("analyze", RunState.RUNNING, "rea"))
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_run_whose_process_was_killed_has_failed_and_holds_up_no_other(tmp_path: Path) -> None:
    died = multiprocessing.get_context("spawn").Process(target=_run_and_die, args=(str(tmp_path),))
    died.start()
    died.join(60)
    assert died.exitcode == -signal.SIGKILL
    one, other = RunRecord(tmp_path), RunRecord(tmp_path)
    assert one.read("analyze").state is RunState.FAILED
    assert one.take()
    assert not other.take()
    assert other.is_running()
    assert json.loads((tmp_path / "analyze.json").read_bytes())["state"] == "failed"
    one.write(StageRun("settle", RunState.RUNNING, "rea"))
    assert (other.read("settle").state, other.read("analyze").state) == (RunState.RUNNING, RunState.FAILED)
    other.ask_to_stop()
    assert one.is_to_stop
    one.let_go()
    assert other.take()
    assert not other.is_to_stop
    other.let_go()


def test_a_run_whose_state_cannot_be_kept_holds_up_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "cleaned away"
    record = RunRecord(folder)
    assert not record.is_running()
    shutil.rmtree(folder)
    assert record.take()
    shutil.rmtree(folder)
    assert record.is_running()
    assert not record.take()
    record.write(StageRun("analyze", RunState.RUNNING, "rea"))
    record.ask_to_stop()
    assert record.is_to_stop
    record.let_go()
    (folder / "settle.new").mkdir()  # as on a disk that is full: nothing can be written there
    assert record.take()
    with kept_log() as lines:
        record.write(StageRun("settle", RunState.RUNNING, "rea"))
    assert "not kept" in lines[0]
    record.let_go()
    assert RunRecord(folder).take()


@pytest.mark.parametrize("url", ["http://127.0.0.1:0", "http://[::1]:0", "http://localhost:0"])
def test_several_processes_listen_at_any_kind_of_address(url: str) -> None:
    with listening_at(url.replace(":0", f":{free_port()}")) as listening:
        host, port = listening.getsockname()[:2]
        with socket.create_connection((host, port), timeout=90):
            assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_the_socket_of_several_processes_goes_with_them_and_a_successors_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listening_at(socket_url(path)):
        assert path.exists()
    assert not path.exists()
    with listening_at(socket_url(path)):
        path.rename(tmp_path / "kept")  # so that its number is not given to the next
        listen_at(path).close()
    assert path.exists()


def test_the_folder_of_a_service_that_was_killed_goes_and_that_of_one_that_runs_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "mlf-service-left"
    left.mkdir()
    (left / "running").touch()
    with _own_folder() as first:
        os.utime(first, (1, 1))
        os.utime(left, (1, 1))
        with _own_folder() as second:
            assert {path.name for path in tmp_path.iterdir()} == {Path(first).name, Path(second).name}
    assert list(tmp_path.iterdir()) == []
