"""What somebody with a kernel, a browser or a stolen token might try; each is refused, and logged."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving import SCOPE, StubHub, kept_log, make_project, vote

import mlf_widgets
from pipeline.project.folder import Project
from pipeline.service.app import create_app
from pipeline.service.identity import Caller, HubIdentity
from pipeline.service.limits import Limits
from pipeline.service.wire import save_body
from pipeline.votes.words import Round

ANNOTATION = "/services/mlf/api/rounds/annotation"
REFINEMENT = "/services/mlf/api/rounds/refinement"


class Place:
    """An application, its hub and its log."""

    def __init__(self, app: FastAPI, client: TestClient, hub: StubHub, lines: list[str]) -> None:
        self.app, self.client, self.hub, self.lines = app, client, hub, lines

    def ask(self, path: str, name: str = "ann", method: str = "GET", **request: Any) -> httpx.Response:
        headers = {"Authorization": f"token token-{name}"} | request.pop("headers", {})
        response: httpx.Response = self.client.request(method, path, headers=headers, **request)
        return response

    def save(self, name: str, *events: Any, round_: str = ANNOTATION, **request: Any) -> httpx.Response:
        headers = {"Content-Type": "application/json"} | request.pop("headers", {})
        return self.ask(f"{round_}/events", name, "POST", content=save_body(list(events)), headers=headers, **request)

    def last_refusal(self) -> dict[str, Any]:
        return next(line for line in map(json.loads, reversed(self.lines)) if "refused" in line["event"])


@pytest.fixture
def place(project: Project, hub: StubHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    from jupyterhub.services.auth import HubOAuth

    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/services/mlf/")
    auth = HubOAuth(api_url=hub.api_url, api_token="service-token", oauth_client_id="service-mlf")
    limits = Limits(max_body_bytes=50_000, max_events=50, burst=60, requests_per_second=0.01)
    app = create_app(project, HubIdentity(auth, cache_s=0, patience_s=60), limits=limits, oauth=auth)
    with kept_log() as lines, TestClient(app, follow_redirects=False) as client:
        yield Place(app, client, hub, lines)


def refused(place: Place, response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"code", "message"}
    assert response.json()["code"] == code
    assert place.last_refusal()["code"] == code


def test_without_a_token_nobody_is_let_in(place: Place) -> None:
    refused(place, place.client.get(f"{ANNOTATION}/open"), 401, "Unauthorized")
    refused(place, place.ask(f"{ANNOTATION}/open", "nobody-knows"), 401, "Unauthorized")
    refused(place, place.client.get(f"{ANNOTATION}/open?token=token-ann"), 401, "Unauthorized")


def test_a_header_that_names_a_user_is_not_believed(place: Place) -> None:
    forged = {"X-Forwarded-User": "ben", "Remote-User": "ben", "X-JupyterHub-User": "ben", "X-MLF-User": "ben"}
    assert place.ask(f"{ANNOTATION}/open", headers=forged).json()["annotator"] == "ann"
    place.client.cookies.set("jupyterhub-user", "ben")
    assert place.client.get(f"{ANNOTATION}/open", headers=forged).status_code == 401


def test_a_revoked_token_stops_working(place: Place) -> None:
    assert place.ask(f"{ANNOTATION}/open").status_code == 200
    del place.hub.people["token-ann"]
    refused(place, place.ask(f"{ANNOTATION}/open"), 401, "Unauthorized")


def test_a_token_of_another_server_or_of_a_service_is_refused(place: Place) -> None:
    place.hub.add("srv", ["annotators"], scopes=["access:servers!server=ann/", "read:users!user=ann"])
    refused(place, place.ask(f"{ANNOTATION}/open", "srv"), 403, "Forbidden")
    place.hub.add("oth", ["annotators"], scopes=["access:services!service=other"])
    refused(place, place.ask(f"{ANNOTATION}/open", "oth"), 403, "Forbidden")
    place.hub.add("bot", ["annotators"], kind="service", scopes=[SCOPE])
    refused(place, place.ask(f"{ANNOTATION}/open", "bot"), 403, "Forbidden")


def test_when_the_hub_is_away_nobody_is_let_in_and_the_answer_says_try_again(place: Place) -> None:
    place.hub.is_down = True
    refused(place, place.ask(f"{ANNOTATION}/open"), 503, "ServiceError")


@pytest.mark.parametrize("name", ["rea", "rev", "nob", "cleo"])
def test_only_annotators_enter_the_annotation_round(place: Place, name: str) -> None:
    refused(place, place.ask(f"{ANNOTATION}/tasks?positions=0", name), 403, "Forbidden")
    refused(place, place.save(name, vote("role-vote-1", 0, annotator=name)), 403, "Forbidden")


def test_annotators_never_reach_refinement_evidence(place: Place) -> None:
    place.save("ben", vote("bens-secret", 0, annotator="ben"))
    refused(place, place.ask(f"{REFINEMENT}/tasks?positions=0", "ann"), 403, "Forbidden")
    answer = place.ask(f"{ANNOTATION}/tasks?positions=0,1,2,3,4,5,6,7,8,9", "ann").text
    assert "ben" not in answer
    assert '"evidence":{' not in answer


def test_a_refiner_sees_evidence_only_on_their_own_images_and_no_names(place: Place) -> None:
    place.save("ann", vote("anns-vote-1", 0), vote("anns-vote-9", 9))
    tasks = place.ask(f"{REFINEMENT}/tasks?positions=0,1,2,3,4,5,6,7,8,9", "cleo").json()
    assert [task["image_index"] for task in tasks] == [0, 1, 2, 3]
    assert tasks[0]["evidence"]["votes"] == {"0": {"A": "yes"}}
    assert '"ann"' not in json.dumps(tasks)


def test_votes_for_another_or_on_what_is_not_assigned_are_refused_and_leave_no_trace(place: Place) -> None:
    answer = place.save(
        "ann",
        vote("as-ben-0001", 0, annotator="ben"),
        vote("not-mine-01", 11),
        vote("no-class-01", 0, 999),
        vote("other-round", 0, round=Round.REFINEMENT),
    )
    assert [result["seq"] for result in answer.json()["results"]] == [None] * 4
    assert sum("event refused" in line for line in place.lines) == 4
    store = place.app.state.service.store
    assert list(store.iter_events()) == []


def test_an_event_id_of_another_person_cannot_be_taken_over(place: Place) -> None:
    place.save("ben", vote("bens-vote-1", 0, annotator="ben"))
    answer = place.save("ann", vote("bens-vote-1", 0)).json()["results"][0]
    assert answer["seq"] is None
    events = list(place.app.state.service.store.iter_events())
    assert [(event.annotator, event.event_id) for event in events] == [("ben", "bens-vote-1")]


@pytest.mark.parametrize(
    "tail",
    ["../../mlf.toml", "..%2f..%2fmlf.toml", "%2e%2e/%2e%2e/mlf.toml", "0/../../../open/x", "/etc/passwd", "0%00"],
)
def test_no_path_is_taken_from_a_caller(place: Place, tail: str) -> None:
    assert place.ask(f"{ANNOTATION}/images/{tail}").status_code in {404, 422}
    assert place.ask(f"/services/mlf/reports/{tail}", "rev").status_code == 404


def test_a_link_among_the_images_does_not_lead_out(place: Place, project: Project, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    (Path(project.images_root) / "1.png").rename(secret)
    (Path(project.images_root) / "1.png").symlink_to(secret)
    refused(place, place.ask(f"{ANNOTATION}/images/1"), 404, "DatasetError")
    assert str(tmp_path) not in place.ask(f"{ANNOTATION}/images/1").text
    answers = [
        place.ask(f"{ANNOTATION}/examples/{class_index}/0", params={"group": group})
        for class_index in range(6)
        for group in "012"  # nothing is shown beside the images of its own group
    ]
    assert all(answer.status_code == 200 or "link" in answer.text or "0 examples" in answer.text for answer in answers)
    assert any(answer.status_code == 200 or "link" in answer.text for answer in answers)


def test_a_missing_image_is_named_without_telling_where_it_would_lie(place: Place, project: Project) -> None:
    (Path(project.images_root) / "2.png").unlink()
    answer = place.ask(f"{ANNOTATION}/images/2")
    assert answer.status_code == 404
    assert str(project.images_root) not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b'{"events": 3}', 422),
        (b'{"events": [{"event_id": "x"}]}', 422),
        (b"\xff\xfe", 422),
        (b"[" * 40_000, 422),
        (b'{"events": "' + b"x" * 60_000 + b'"}', 413),
        (json.dumps({"events": [{}] * 51}).encode(), 422),
        (save_body([vote(f"many-{i:05d}", 0) for i in range(51)]), 413),
        (save_body([vote("surrogate-1", 0)]).replace(b'"yes"', b'"\\ud800"'), 422),
        (save_body([vote("huge-image1", 2**40)]), 422),
        (save_body([vote("nul-order-1", 0, order="a\x00b")]), 422),
    ],
)
def test_malformed_and_oversized_bodies_are_refused(place: Place, body: bytes, status: int) -> None:
    answer = place.ask(
        f"{ANNOTATION}/events", "ann", "POST", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert place.last_refusal()["status"] == status


def test_a_body_without_a_length_is_cut_off_too(place: Place) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 1_000

    answer = place.ask(
        f"{ANNOTATION}/events", "ann", "POST", content=endless(), headers={"Content-Type": "application/json"}
    )
    refused(place, answer, 413, "TooLarge")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ],
)
def test_another_sites_page_cannot_save(place: Place, headers: dict[str, str]) -> None:
    refused(place, place.save("ann", vote("cross-site1", 0), headers=headers), 403, "CrossSite")


def test_a_form_cannot_save_and_no_site_is_given_leave_to_read(place: Place) -> None:
    refused(place, place.save("ann", vote("form-vote-1", 0), headers={"Content-Type": "text/plain"}), 415, "Invalid")
    answer = place.ask(f"{ANNOTATION}/open", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_somebody_who_asks_without_end_is_slowed_down_alone(place: Place) -> None:
    answers = [place.ask("/services/mlf/api/me").status_code for _ in range(61)]
    assert answers == [200] * 60 + [429]
    assert place.ask("/services/mlf/api/me").headers["retry-after"]
    assert place.ask("/services/mlf/api/me", "ben").status_code == 200


def test_board_and_metrics_are_for_researchers_and_reports_for_reviewers(place: Place) -> None:
    for path in ("/services/mlf/api/rounds/annotation/board", "/services/mlf/metrics"):
        for name in ("ann", "cleo", "rev", "nob"):
            refused(place, place.ask(path, name), 403, "Forbidden")
        assert place.ask(path, "rea").status_code == 200
    for name in ("ann", "cleo", "nob"):
        refused(place, place.ask("/services/mlf/reports", name), 403, "Forbidden")
    assert place.ask("/services/mlf/reports", "rev").status_code == 200


def test_reports_show_nothing_that_runs_but_the_sites_own_script(place: Place, project: Project) -> None:
    project.reports_dir.mkdir()
    (project.reports_dir / "a.html").write_text("<script>alert(1)</script>")
    (project.reports_dir / "b.html").write_text("<META Http-Equiv=refresh content='0;url=//elsewhere'>")
    (project.reports_dir / "x<img src=x onerror=alert(1)>.html").write_text("")
    (project.reports_dir / "link.html").symlink_to("/etc/passwd")
    report = place.ask("/services/mlf/reports/a.html", "rev")
    assert report.status_code == 200
    rules = dict(rule.partition(" ")[::2] for rule in report.headers["content-security-policy"].split("; "))
    script = (Path(mlf_widgets.__file__).parent / "static" / "site.js").read_bytes().strip()
    assert rules["script-src"] == f"'sha256-{b64encode(sha256(script).digest()).decode()}'"
    assert rules["sandbox"].split() == ["allow-popups", "allow-scripts", "allow-downloads"]
    assert rules["default-src"] == rules["connect-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    # A page that would send itself elsewhere runs no script, and so a browser does not let it.
    assert "script" not in place.ask("/services/mlf/reports/b.html", "rev").headers["content-security-policy"]
    strange = {"Host": "x; script-src *"}
    assert (
        "script"
        not in place.ask("/services/mlf/reports/a.html", "rev", headers=strange).headers["content-security-policy"]
    )
    listing = place.ask("/services/mlf/reports", "rev").text
    assert "onerror" not in listing
    assert "link" not in listing
    assert place.ask("/services/mlf/reports/link.html", "rev").status_code == 404


def test_a_browser_is_sent_to_the_hub_and_a_foreign_log_in_is_refused(place: Place) -> None:
    sent = place.client.get("/services/mlf/reports")
    assert sent.status_code == 302
    assert "/hub/api/oauth2/authorize" in sent.headers["location"]
    assert "code_challenge_method=S256" in sent.headers["location"]
    refused(place, place.client.get("/services/mlf/oauth_callback?code=x&state=forged"), 403, "Forbidden")


def test_what_callers_send_cannot_write_a_line_of_the_log(place: Place) -> None:
    place.hub.people["token-eve"] = place.hub.model('eve\n{"event": "forged"}\x1b[31m<b>\x9b\u202e', ["annotators"])
    place.ask(f"{ANNOTATION}/open%0a%7b%22event%22:%22forged%22%7d", "eve")
    place.save("eve", vote("evil\nid\x1b[2J", 0, annotator=""))
    for line in place.lines:
        assert line.isprintable()
        assert line.isascii()
        assert json.loads(line)["event"] != "forged"
        assert "<" not in line


def test_sql_and_html_in_names_are_only_names(place: Place) -> None:
    name = "x'; DROP TABLE events; --<script>"
    place.hub.people["token-sql"] = place.hub.model(name, ["annotators"])
    place.save("sql", vote("sql-name-01", 0, annotator=name))
    assert place.ask(f"{ANNOTATION}/open", "sql").json()["progress"]["n_tasks"] == 0
    assert place.ask(f"{ANNOTATION}/open", "ann").status_code == 200


def test_the_callers_groups_are_the_hubs(place: Place) -> None:
    assert place.ask("/services/mlf/api/me", "ben").json() == {"name": "ben", "groups": ["annotators", "refiners"]}
    assert Caller("x").groups == frozenset()


def test_class_names_with_markup_arrive_as_data(tmp_path: Path, hub: StubHub) -> None:
    names = ["<img src=x onerror=alert(1)>", "'; DROP TABLE tasks; --", "a\u202eb", "c\x1bd", "e&f", "g"]
    project = make_project(tmp_path / "other", class_names=names)

    class Known:
        async def caller(self, _token: str) -> Caller | None:
            return Caller("ann", frozenset({"annotators"}))

    with TestClient(create_app(project, Known())) as client:
        answer = client.get(f"{ANNOTATION}/classes", headers={"Authorization": "token x"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["keys"] == names
