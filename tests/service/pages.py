"""Browsers with a page of the service open, logged in at a stand-in for the Hub."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving import StubHub
from tornado.web import HTTPError

from pipeline.project.folder import Project, open_project
from pipeline.project.settings import write_settings
from pipeline.service.app import create_app
from pipeline.service.identity import HubIdentity
from pipeline.votes.words import Round

WORK = "/services/mlf/work"


def with_pages(project: Project) -> Project:
    """Return the project with its annotators and refiners working on pages of the service."""
    write_settings(project.settings.with_changes("hub", sessions="light"), project.root / "mlf.toml")
    return open_project(project.root)


def app_of(project: Project, hub: StubHub, *, away: bool = False, **given: Any) -> FastAPI:
    """Return the service with a stand-in for the Hub's log-in: the code is the person's name; it may be `away`."""
    from jupyterhub.services.auth import HubOAuth

    async def token_for_code(code: str, *, sync: bool) -> str:
        assert not sync
        if away:
            raise HTTPError(500, "Failed to connect to Hub API")
        return f"token-{code}"

    oauth = SimpleNamespace(
        oauth_client_id="service-mlf",
        oauth_redirect_uri="/services/mlf/oauth_callback",
        oauth_authorization_url="/hub/api/oauth2/authorize",
        token_for_code=token_for_code,
    )
    auth = HubOAuth(api_url=hub.api_url, api_token="service-token", oauth_client_id="service-mlf")
    return create_app(project, HubIdentity(auth, cache_s=0, patience_s=60), oauth=oauth, **given)


@dataclass
class Browser:
    """A browser with a page of its own open: the page's key, and what came with it."""

    client: TestClient
    page: str
    round: Round
    project: Project

    @property
    def key(self) -> str:
        return re.search(r'data-mlf-key="([^"]+)"', self.page)[1]  # type: ignore[index]

    @property
    def brought(self) -> dict[str, Any]:
        return json.loads(re.search(r'id="mlf-opening">(.*?)</script>', self.page)[1])  # type: ignore[index]

    def send(self, kind: str, params: object, **headers: str) -> Any:
        """Ask as the page does; `headers` replace its own."""
        given = {"X-MLF-Key": self.key, "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}
        content = params if isinstance(params, bytes) else json.dumps(params).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"{WORK}/{self.round.value}/{kind}", content=content, headers=given | named)

    def ask(self, kind: str, params: object) -> tuple[Any, list[bytes]]:
        """Return what the page gets: the result and its buffers."""
        answer = self.send(kind, params)
        assert answer.status_code == 200, answer.text
        end = 4 + int.from_bytes(answer.content[:4], "big")
        head, buffers = json.loads(answer.content[4:end]), []
        for size in head["sizes"]:
            buffers.append(answer.content[end : end + size])
            end += size
        assert end == len(answer.content)
        return head["result"], buffers


@contextmanager
def browser(app: FastAPI, name: str, round_: Round = Round.ANNOTATION) -> Iterator[Browser]:
    """Log somebody in, and open the page that they land on."""
    with TestClient(app, follow_redirects=False) as client:
        sent = client.get(WORK)
        state = parse_qs(urlsplit(sent.headers["location"]).query)["state"][0]
        back = client.get("/services/mlf/oauth_callback", params={"code": name, "state": state})
        assert back.headers["location"] == WORK
        assert client.get(WORK).headers["location"] == f"{WORK}/{round_.value}"
        page = client.get(f"{WORK}/{round_.value}")
        assert page.status_code == 200, page.text
        yield Browser(client, page.text, round_, app.state.service.project)
