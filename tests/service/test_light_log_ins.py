"""Log-ins of light pages: how long one lasts and where it counts, and what the hub keeps of them."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from pages import WORK, Browser, app_of, browser
from serving import StubHub
from traitlets.config import Config

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role, read_accounts
from pipeline.hub.backup import back_up_hub
from pipeline.hub.configuration import configure
from pipeline.hub.launch import prepare_hub
from pipeline.hub.projects import HubProject
from pipeline.hub.running import change_people
from pipeline.project.folder import Project
from pipeline.service.limits import Limits


def test_a_log_in_is_known_to_another_process_of_the_service_and_to_no_other_service(
    light: Project, hub: StubHub
) -> None:
    with browser(app_of(light, hub, secret="same"), "ann") as opened:
        cookie = opened.client.cookies["mlf-login"]
    for secret, status in (("same", 200), ("other", 401)):
        with TestClient(app_of(light, hub, secret=secret), cookies={"mlf-login": cookie}) as client:
            assert client.get(f"{WORK}/annotation/state").status_code == (204 if status == 200 else 401)
            asked = client.post(f"{WORK}/annotation/open", json={}, headers={"X-MLF-Key": opened.key})
            assert asked.status_code == status
    assert "token-ann" not in cookie


def test_a_log_in_ends_with_its_token(ann: Browser, hub: StubHub) -> None:
    assert ann.client.get(f"{WORK}/annotation/state").status_code == 204
    del hub.people["token-ann"]
    assert ann.client.get(f"{WORK}/annotation/state").status_code == 401
    assert ann.client.get(f"{WORK}/annotation").status_code == 302  # to the Hub's log-in


def test_two_tabs_log_in_at_once_and_a_waiting_page_does_not_spend_the_code(light: Project, hub: StubHub) -> None:
    with TestClient(app_of(light, hub), follow_redirects=False) as client:
        paths = [f"{WORK}/annotation", "/services/mlf/reports"]
        sent = [parse_qs(urlsplit(client.get(path).headers["location"]).query)["state"][0] for path in paths]
        fetched = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
        for path, state in zip(paths, sent, strict=True):
            given = {"code": "ann", "state": state}
            assert client.get("/services/mlf/oauth_callback", params=given, headers=fetched).status_code == 403
            back = client.get("/services/mlf/oauth_callback", params=given)
            assert (back.status_code, back.headers["location"]) == (302, path)
            assert client.get("/services/mlf/oauth_callback", params=given).status_code == 403
        client.cookies.clear()
        for _ in range(12):
            client.get(WORK)
        assert len(client.cookies) == 8


def test_a_page_that_is_opened_while_the_hub_is_away_waits_and_leads_on(light: Project, hub: StubHub) -> None:
    app = app_of(light, hub, limits=Limits(burst=30, requests_per_second=0.001, opening_requests=20))
    page = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    with browser(app, "ann") as opened:
        crowded = opened.client.get(f"{WORK}/annotation", headers=page)
        assert (crowded.status_code, 'content="2"' in crowded.text) == (429, True)
        assert opened.client.get(f"{WORK}/annotation").json()["code"] == "RateLimited"
    with TestClient(app_of(light, hub, away=True), follow_redirects=False) as client:
        state = parse_qs(urlsplit(client.get(WORK).headers["location"]).query)["state"][0]
        given = {"code": "ann", "state": state}
        waiting = client.get("/services/mlf/oauth_callback", params=given, headers=page)
        assert (waiting.status_code, f'content="2; url={WORK}"' in waiting.text) == (503, True)
        assert "mlf-login" not in client.cookies


@pytest.fixture
def prepared(light: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of a hub that could be started."""
    state = tmp_path / "hub"
    command = {"proxy_command": ["configurable-http-proxy"], "session_python": sys.executable}
    prepare_hub(light, {"ann": [Role.ANNOTATORS]}, state=state, share_account=True, **command)  # type: ignore[arg-type]
    monkeypatch.setenv("MLF_HUB_STATE", str(state))
    yield state
    shutil.rmtree(json.loads((state / "private" / "hub.json").read_text())["sockets_dir"], ignore_errors=True)


def test_log_ins_outlive_a_hub_that_is_started_again_or_restored(prepared: Path, tmp_path: Path) -> None:
    def token() -> str:
        config = Config()
        configure(config)
        return str(next(one["api_token"] for one in config.JupyterHub.services if one["name"] == "mlf"))

    first = token()
    assert token() == first
    [kept] = (prepared / "private").glob("*.service_token")
    assert kept.stat().st_mode & 0o777 == 0o600
    back_up_hub(prepared, tmp_path / "copy")
    assert (tmp_path / "copy" / "private" / kept.name).read_text() == first


def test_new_passwords_are_told_even_if_the_hub_fails_after_they_count(
    prepared: Path, light: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_given: Any) -> None:
        raise ProjectError("the running hub does not answer")

    stub = SimpleNamespace(people=fails)
    monkeypatch.setattr("pipeline.hub.running._Hub", lambda *_given: nullcontext(stub))
    with pytest.raises(ProjectError, match=r"does not answer.*shown this once: ann ") as told:
        change_people([HubProject("", "", light, {})], state=prepared, renew=["ann"])
    account = read_accounts(prepared / "private" / "accounts.json")["ann"]
    assert account.accepts(str(told.value).rpartition(" ")[2])
