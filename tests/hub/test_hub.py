"""A real JupyterHub: who gets in, where they land, what their kernels can reach, and that every vote arrives."""

from __future__ import annotations

import asyncio
import json
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest
from hub_fixtures import fetch, whole_lines
from intruder import run_as
from serving import wait_until

from pipeline.hub.launch import hub_log
from pipeline.store import open_project_store

pytestmark = [pytest.mark.hub, pytest.mark.slow, pytest.mark.xdist_group("hub")]

PROBE = """
import json, os, pathlib
def attempt(path, mode):
    try:
        with open(path, mode) as file:
            return "opened" if mode == "ab" else len(file.read())
    except OSError as error:
        return type(error).__name__
paths = {paths!r}
environment = json.dumps(dict(os.environ))
print("RESULT" + json.dumps({{
    "uid": os.getuid(),
    "read": {{p: attempt(p, "rb") for p in paths}},
    "write": {{p: attempt(p, "ab") for p in paths}},
    "environment": environment,
}}))
"""


def result_of(printed: str) -> dict[str, object]:
    return json.loads(printed.split("RESULT", 1)[1])


@pytest.fixture(scope="module")
def ada(hub_benchmark: ModuleType, running: SimpleNamespace) -> SimpleNamespace:
    """Return Ada, logged in, with her session."""
    person = hub_benchmark.Person(running.hub, "Ada")
    person.log_in()
    person.start_session()
    return SimpleNamespace(person=person)


def test_a_wrong_password_an_unknown_name_and_no_login_let_nobody_in(
    hub_benchmark: ModuleType, running: SimpleNamespace
) -> None:
    for name, password in (("Ada", "wrong"), ("nobody", "x"), ("ada", running.hub.passwords["Ada"])):
        stranger = hub_benchmark.Person(running.hub, name)
        answer = stranger.log_in(password)
        assert answer.status_code in {401, 403}
        assert "Invalid username or password" in answer.text
    assert "/hub/login" in str(fetch(running.hub.url + "user/Ada/lab", follow_redirects=True).url)


def test_a_reviewer_lands_on_the_reports_and_gets_no_kernel(
    hub_benchmark: ModuleType, running: SimpleNamespace
) -> None:
    reviewer = hub_benchmark.Person(running.hub, "tom")
    answer = reviewer.log_in()
    assert str(answer.url).rstrip("/") == running.hub.url + "services/mlf/reports"
    assert "Reviewers read the reports" in reviewer.client.get("hub/spawn/tom").text


def test_an_annotator_lands_on_the_annotation_notebook_and_a_researcher_on_the_board(
    hub_benchmark: ModuleType, running: SimpleNamespace, ada: SimpleNamespace
) -> None:
    landing = ada.person.client.get("user/Ada/", follow_redirects=False).headers["location"]
    assert "/user/Ada/voila/render/2_annotate.ipynb" in landing
    researcher = hub_benchmark.Person(running.hub, "maria")
    researcher.log_in()
    researcher.start_session()
    landing = researcher.client.get("user/maria/", follow_redirects=False).headers["location"]
    assert "/user/maria/voila/render/progress.ipynb" in landing
    assert researcher.client.get("user/maria/lab").status_code == 200


def test_nobody_reaches_anothers_session(
    hub_benchmark: ModuleType, running: SimpleNamespace, ada: SimpleNamespace
) -> None:
    ben = hub_benchmark.Person(running.hub, "ben")
    ben.log_in()
    assert ben.client.get("user/Ada/api/status").status_code in {403, 404}
    assert ben.client.get("user/Ada/api/kernels").status_code in {403, 404}


def test_an_account_cannot_open_the_store_the_accounts_or_anothers_home(
    needs_root: None, running: SimpleNamespace, ada: SimpleNamespace
) -> None:
    state, root = running.hub.state, running.project.root.resolve()
    closed = [
        str(root / "store.sqlite"),
        str(root / "secret"),  # with it, voices, pairs and audits could be foreseen
        str(root / "mlf.toml"),
        str(root / "images.parquet"),  # the original labels
        str(root / "proposals.parquet"),
        str(state / "private" / "accounts.json"),
        str(state / "private" / "hub.sqlite"),
        str(state / "private" / "cookie_secret"),
    ]
    found = run_as(running.hub, "Ada", PROBE.format(paths=closed))
    assert found["uid"] == running.hub.accounts["Ada"].uid != 0
    assert found["read"] == dict.fromkeys(closed, "PermissionError")
    assert found["write"] == dict.fromkeys(closed, "PermissionError")


def test_a_session_knows_the_service_and_its_own_token_and_not_where_the_project_lies(
    running: SimpleNamespace, ada: SimpleNamespace
) -> None:
    found = run_as(running.hub, "Ada", PROBE.format(paths=[]))
    environment = json.loads(str(found["environment"]))
    assert environment["MLF_SERVICE_URL"].endswith("/services/mlf")
    assert environment["JUPYTERHUB_USER"] == "Ada"
    assert str(running.project.root.resolve()) not in str(found["environment"])
    assert "CONFIGPROXY_AUTH_TOKEN" not in environment


def test_annotators_vote_through_the_service_and_the_store_holds_what_was_acknowledged(
    hub_benchmark: ModuleType, running: SimpleNamespace
) -> None:
    names = ["Ada", "ben", "cleo"]
    before = hub_benchmark.last_seq(running.project)
    reports = asyncio.run(hub_benchmark.run_sessions(running.hub, names, [], 0))
    assert sum(len(report.acknowledged) for report in reports) == 24
    assert hub_benchmark.check_store(running.project, reports, before) == []


def test_a_made_up_token_and_a_made_up_name_are_refused_by_the_service(
    running: SimpleNamespace, ada: SimpleNamespace
) -> None:
    forged = {"Authorization": "token 0123456789abcdef0123456789abcdef", "X-JupyterHub-User": "Ada"}
    base = running.hub.url + "services/mlf"
    document = fetch(f"{base}/openapi.json", headers=forged)
    assert document.status_code in {200, 401, 403}
    code = (
        "import httpx, os, json; base = os.environ['MLF_SERVICE_URL'];"
        "from pipeline.service.client import RemoteSession\n"
        "try:\n    RemoteSession(token='0' * 32).open()\n    print('RESULT\"let in\"')\n"
        "except Exception as error:\n    print('RESULT' + json.dumps(type(error).__name__))\n"
    )
    assert run_as(running.hub, "Ada", code) == "ServiceError"


def test_the_token_of_one_session_never_opens_the_work_of_another(
    hub_benchmark: ModuleType, running: SimpleNamespace, ada: SimpleNamespace
) -> None:
    """Her process may send any name it likes: the service goes by the token, not by the name."""
    code = (
        "import json, uuid\nfrom pipeline.service.client import RemoteSession\n"
        "from pipeline.annotation.events import Event, EventKind\n"
        "from pipeline.votes.words import Round\n"
        "session = RemoteSession()\ninfo = session.open()\ntask = session.tasks([0])[0]\n"
        "event = Event(uuid.uuid4().hex, Round.ANNOTATION, 'ben', task.image_index,"
        " EventKind.UNSURE, {'value': True})\n"
        "try:\n    answer = session.save([event])[0].seq\n"
        "except Exception as error:\n    answer = type(error).__name__\n"
        "print('RESULT' + json.dumps([info.annotator, answer]))\n"
    )
    name, answer = run_as(running.hub, "Ada", code)
    assert name == "Ada"
    assert not isinstance(answer, int) or not _has_unsure(running.project, "ben")


def _has_unsure(project, annotator: str) -> bool:
    with open_project_store(project) as store:
        found = [e for e in store.iter_events(annotator=annotator) if e.kind == "unsure"]
    return bool(found)


def test_the_board_is_for_researchers_and_shows_everyone(
    hub_benchmark: ModuleType, running: SimpleNamespace, ada: SimpleNamespace
) -> None:
    code = (
        "import json\nfrom pipeline.service.board_client import RemoteBoard\n"
        "try:\n    answer = [row.annotator for row in RemoteBoard().read().rows]\n"
        "except Exception as error:\n    answer = f'{type(error).__name__}: {error}'\n"
        "print('RESULT' + json.dumps(answer))\n"
    )
    refused = run_as(running.hub, "Ada", code)
    assert str(refused).startswith("ServiceError: only researchers may see this")
    maria = hub_benchmark.Person(running.hub, "maria")
    maria.log_in()
    maria.start_session()
    assert result_of(asyncio.run(maria.run_in_kernel(maria.new_kernel(), code))) == ["Ada", "ben", "cleo", "zoe"]


def test_a_stolen_token_opens_its_owners_work_alone_and_ends_with_the_session(
    hub_benchmark: ModuleType, running: SimpleNamespace, ada: SimpleNamespace
) -> None:
    """A process under Cleo's account gives away her token; Maria gives away one of her own that soon expires."""
    cleo = hub_benchmark.Person(running.hub, "cleo")
    cleo.log_in()
    cleo.start_session()
    code = "import json, os; print('RESULT' + json.dumps(os.environ['JUPYTERHUB_API_TOKEN']))"
    stolen = run_as(running.hub, "cleo", code)
    xsrf = {"X-XSRFToken": cleo._token("/hub/")}
    maria = hub_benchmark.Person(running.hub, "maria")
    maria.log_in()

    def make_token(person: Any, **asked: object) -> httpx.Response:
        headers = {"X-XSRFToken": person._token("/hub/"), "Referer": running.hub.url + "hub/token"}
        return person.client.post(f"hub/api/users/{person.name}/tokens", json=asked, headers=headers)

    assert make_token(cleo, note="another").status_code == 403  # the Hub keeps tokens: annotators make none
    with pytest.raises((httpx.TransportError, AssertionError)):  # nor does it keep what is large
        assert make_token(maria, note="x" * 200_000).status_code == 201
    made = make_token(maria, expires_in=1, scopes=["access:services!service=mlf"])
    assert made.status_code == 201, made.text
    short_lived = made.json()["token"]

    def asked(token: object, path: str = "services/mlf/api/rounds/annotation/open") -> int:
        headers = {"Authorization": f"token {token}"}
        return fetch(running.hub.url + path, headers=headers).status_code

    answer = fetch(
        running.hub.url + "services/mlf/api/rounds/annotation/open", headers={"Authorization": f"token {stolen}"}
    )
    assert answer.json()["annotator"] == "cleo"
    assert asked(stolen, "services/mlf/api/rounds/refinement/open") == 403
    assert asked(stolen, "user/Ada/api/status") == 403
    assert asked(stolen, "hub/api/users") == 403
    assert asked(stolen, "hub/api/users/Ada") in {403, 404}
    ended = cleo.client.delete("hub/api/users/cleo/server", headers=xsrf | {"Referer": running.hub.url + "hub/home"})
    assert ended.status_code in {202, 204}, ended.text
    # The service keeps the Hub's answer about a token for TOKEN_CACHE_S seconds.
    wait_until(lambda: asked(stolen) == asked(short_lived) == 401, 90, lambda: "the tokens live on")

    def refusals() -> set[str]:
        lines = [line for line in whole_lines(hub_log(running.hub.state)) if line.startswith('{"time"')]
        return {json.loads(line)["code"] for line in lines if '"refused"' in line}

    wait_until(lambda: {"Unauthorized", "Forbidden"} <= refusals(), 60, lambda: str(refusals()))


@pytest.mark.browser
def test_an_annotator_logs_in_with_a_browser_and_labels_without_code_in_sight(
    annotation_page: None, hub_benchmark: ModuleType, running: SimpleNamespace
) -> None:
    from lab_server import launch_chromium
    from playwright.sync_api import sync_playwright
    from wire import Wire, images_beside_themselves

    hub = running.hub
    before = hub_benchmark.last_seq(running.project)
    report = hub_benchmark.annotate_in_browser(hub, "zoe", 3)
    assert len(report.acknowledged) == 3
    assert hub_benchmark.check_store(running.project, [report], before) == []
    with sync_playwright() as playwright:  # another browser, later: they go on at what is not done
        browser = launch_chromium(playwright)
        page = browser.new_page()
        page.set_default_timeout(120_000)
        wire = Wire(page)
        page.goto(hub.url)
        page.get_by_label("Username").fill("zoe")
        page.get_by_label("Password").fill(hub.passwords["zoe"])
        page.keyboard.press("Enter")
        root = page.locator('[data-mlf="annotator"][data-ready="true"]')
        root.wait_for()
        resumed = root.get_attribute("data-image-id")
        assert resumed not in {image for image, *_ in report.acknowledged}
        assert page.locator(".jp-InputArea, .cm-editor").count() == 0
        n_known, beside_themselves = images_beside_themselves(wire, running.project)
        assert n_known > 0
        assert beside_themselves == []
        mine = page.url
        page.get_by_role("link", name="Projects").wait_for()
        page.get_by_role("link", name="Log out").click()
        page.goto(mine)
        page.get_by_label("Password").wait_for()
        browser.close()
