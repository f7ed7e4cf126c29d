"""Stages that the service runs for researchers: who may, one at a time, stopped without a trace, failures told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from serving import wait_until

from pipeline.hub.accounts import Role
from pipeline.project.folder import Project
from pipeline.service.app import create_app
from pipeline.service.identity import Caller

RUNS = "/services/mlf/api/runs"


class Named:
    """Takes a token for its owner's role."""

    async def caller(self, token: str) -> Caller | None:
        return Caller("rea" if token == Role.RESEARCHERS else "ann", frozenset({token}))


@pytest.fixture
def client(project: Project) -> Iterator[TestClient]:
    with TestClient(create_app(project, Named())) as client:
        client.headers["Authorization"] = f"token {Role.RESEARCHERS.value}"
        yield client


def run_of(client: TestClient, stage: str) -> dict[str, Any]:
    runs = client.get(RUNS).json()["runs"]
    assert [run["stage"] for run in runs] == ["analyze", "settle", "evaluate", "report"]
    return next(run for run in runs if run["stage"] == stage)


def test_nobody_but_researchers_runs_sees_or_stops_a_stage(client: TestClient) -> None:
    for role in set(Role) - {Role.RESEARCHERS}:
        headers = {"Authorization": f"token {role.value}"}
        for method, path in (("GET", RUNS), ("POST", f"{RUNS}/analyze"), ("DELETE", RUNS)):
            assert client.request(method, path, headers=headers).status_code == 403
    assert run_of(client, "analyze")["state"] == "never"


def test_one_stage_runs_at_a_time_and_one_that_is_stopped_leaves_no_result(
    client: TestClient, project: Project
) -> None:
    for unknown in ("propose", "serve", "..%2fanalyze", "analyze --out"):
        assert client.post(f"{RUNS}/{unknown}").status_code == 404
    assert client.post(f"{RUNS}/analyze").status_code == 200
    running = run_of(client, "analyze")
    assert (running["state"], running["by"], running["finished"]) == ("running", "rea", "")
    second = client.post(f"{RUNS}/settle")
    assert second.status_code == 409
    assert "analyze is running, started by rea" in second.json()["message"]
    assert client.delete(RUNS).status_code == 200
    assert run_of(client, "analyze")["state"] == "stopped"
    assert not project.reports_dir.exists()


def test_a_run_that_cannot_be_written_down_lets_the_next_one_run(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as full:
        full.setattr("pathlib.Path.write_bytes", is_full)
        assert client.post(f"{RUNS}/analyze").status_code == 200
        assert client.delete(RUNS).status_code == 200
    with monkeypatch.context() as broken:
        broken.setattr("pipeline.service.stage_runs._now", is_full)
        assert client.post(f"{RUNS}/analyze").status_code == 500
    assert client.post(f"{RUNS}/settle").status_code == 200
    assert client.delete(RUNS).status_code == 200
    assert run_of(client, "settle")["state"] == "stopped"


def test_a_stage_that_fails_says_why_and_names_no_folder(client: TestClient, project: Project) -> None:
    (project.root / "mlf.toml").write_text("[project\n")
    assert client.post(f"{RUNS}/settle").status_code == 200
    wait_until(lambda: run_of(client, "settle")["state"] != "running", 240, lambda: str(run_of(client, "settle")))
    failed = run_of(client, "settle")
    assert failed["state"] == "failed"
    told = "\n".join(failed["lines"])
    assert "mlf.toml" in told
    assert str(project.root.parent) not in told
