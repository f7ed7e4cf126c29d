"""The API as its own document describes it: whatever is sent, the answer is never an internal error."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from serving import make_project

from pipeline.hub.accounts import Role
from pipeline.service.app import create_app
from pipeline.service.identity import Caller
from pipeline.service.limits import Limits

EVERYONE = frozenset(role.value for role in Role)


class AnnWithEveryRole:
    async def caller(self, _token: str) -> Caller | None:
        return Caller("ann", EVERYONE)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    project = make_project(tmp_path_factory.mktemp("api"))
    return create_app(project, AnnWithEveryRole(), limits=Limits(burst=10**9, refusals_burst=10**9))


@pytest.mark.hypothesis
def test_no_request_whatever_meets_a_defect(app: FastAPI) -> None:
    schema = schemathesis.openapi.from_asgi("/services/mlf/openapi.json", app)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) >= 14
    for operation in operations:
        _send_anything(operation)


def _send_anything(operation: Any) -> None:
    @settings(max_examples=25, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": "token x"}
        response = case.call()
        assert response.status_code < 500, f"{case.method} {case.path}: {response.status_code} {response.text[:500]}"
        if response.status_code >= 400:
            assert set(response.json()) == {"code", "message"}

    send()


def test_the_document_names_every_route(app: FastAPI) -> None:
    paths = set(app.openapi()["paths"])
    names = ("open", "classes", "tasks", "find", "changes", "events")
    assert {f"/services/mlf/api/rounds/{{round}}/{name}" for name in names} <= paths
    assert {"/services/mlf/health", "/services/mlf/metrics", "/services/mlf/api/rounds/{round_}/board"} <= paths


def test_every_reference_of_the_document_leads_somewhere(app: FastAPI) -> None:
    document = app.openapi()

    def references(part: Any) -> set[str]:
        if isinstance(part, list):
            return set().union(*map(references, part)) if part else set()
        if not isinstance(part, dict):
            return set()
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))

    found = references(document)
    assert found
    for reference in found:
        place: Any = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
