"""Pages of light sessions: who may open one, who may ask from one, and that they answer as a kernel does."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from pages import WORK, Browser, app_of, browser, with_pages
from serving import StubHub, vote, wait_until

from pipeline.annotation.as_json import event_as_json
from pipeline.errors import ProjectError
from pipeline.project.folder import Project, open_project
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.project.settings import write_settings
from pipeline.service.limits import Limits
from pipeline.service.watch import StoreWatch
from pipeline.service.wire import pack_answer
from pipeline.sessions.answers import SessionAnswers
from pipeline.sessions.local import LocalSession
from pipeline.store import open_project_store
from pipeline.store.standing import Mark, read_mark
from pipeline.votes.words import Round


@pytest.fixture(scope="module")
def open_page(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Return Ann's browser with her page open, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("light") / "all"
    shutil.copytree(template, folder)
    with StubHub() as hub, browser(app_of(with_pages(open_project(folder / "project")), hub), "ann") as opened:
        yield opened


def test_each_role_lands_on_its_round_and_whoever_has_none_is_refused(light: Project, hub: StubHub) -> None:
    app = app_of(light, hub)
    with browser(app, "cleo", Round.REFINEMENT) as cleo:
        assert cleo.client.get(f"{WORK}/annotation").status_code == 403
        assert cleo.send("open", {}).status_code == 200
    app = app_of(light, hub)
    with pytest.raises(KeyError), browser(app, "rev"):  # nowhere to be led
        pass


def test_there_are_no_pages_where_everybody_has_a_server(project: Project, hub: StubHub) -> None:
    with TestClient(app_of(project, hub)) as client:
        for path in ("annotation", "annotation/image?position=0"):
            answer = client.get(f"{WORK}/{path}", headers={"Authorization": "token token-ann"})
            assert (answer.status_code, answer.json()["code"]) == (404, "NotFound")
        assert client.post(f"{WORK}/annotation/open", headers={"Authorization": "token token-ann"}).status_code == 404


def test_a_page_answers_as_a_kernel_does(open_page: Browser) -> None:
    kernel = SessionAnswers(LocalSession(open_page.project, "ann")).handlers
    requests: list[tuple[str, dict[str, Any]]] = [
        ("open", {}),
        ("tasks", {"positions": [3, 0, 99]}),
        ("find", {"which": "not_done", "start": 2, "step": -1}),
        ("sprite", {"class_indices": [0, 5], "group": "1"}),
        ("first_examples", {"position": 3, "count": 2, "known": ["0:"]}),
        ("example", {"class_index": 0, "number": 0, "group": "1"}),
        ("images", {"positions": [1, 2, 50], "max_side_px": 32}),
        ("grid", {"class_index": 2, "start": 0, "count": 4, "which": "all"}),
        ("changes", {"since_seq": 0}),
        ("guidelines", {}),
    ]
    for kind, params in requests:
        result, buffers = kernel[kind](params)
        assert open_page.ask(kind, params) == (json.loads(json.dumps(result)), buffers), kind
    picture = open_page.client.get(f"{WORK}/annotation/image", params={"position": 1, "max_side_px": 40})
    _, [data] = kernel["image"]({"position": 1, "max_side_px": 40})
    assert (picture.content, picture.headers["x-mlf-width-px"]) == (data, "80")
    listed = open_page.client.get(re.search(r'data-mlf-classes="([^"]+)"', open_page.page)[1])  # type: ignore[index]
    assert "immutable" in listed.headers["cache-control"]
    [columns] = kernel["classes"]({})[1]
    assert {**listed.json(), **json.loads(columns)} == listed.json()


def test_the_first_answers_come_with_the_page_and_name_no_file(open_page: Browser) -> None:
    kernel = SessionAnswers(LocalSession(open_page.project, "ann")).handlers
    assert open_page.brought["open"] == json.loads(json.dumps(kernel["open"]({})[0]))
    assert open_page.brought["tasks"] == json.loads(json.dumps(kernel["tasks"]({"positions": list(range(10))})[0]))
    address = re.search(r'<img [^>]*src="([^"]+)"', open_page.page)[1].replace("&amp;", "&")  # type: ignore[index]
    assert open_page.client.get(address).headers["content-type"] == "image/jpeg"
    assert "image_index" not in open_page.page
    assert ".png" not in open_page.page


def test_what_a_page_may_do_is_its_own_script_and_its_own_requests(open_page: Browser) -> None:
    answer = open_page.client.get(f"{WORK}/annotation")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == f"http://testserver{WORK}/static/"
    assert policy["connect-src"] == f"http://testserver{WORK}/"
    script = re.search(r'<script type="module" src="([^"]+)"', answer.text)[1]  # type: ignore[index]
    loaded = open_page.client.get(script)
    assert (loaded.headers["content-encoding"], loaded.status_code) == ("gzip", 200)
    assert "immutable" in loaded.headers["cache-control"]
    assert open_page.client.get(f"{WORK}/static/x/..%2F..%2Fmlf.toml").status_code == 404
    assert open_page.client.get(f"{WORK}/static/x/site.js").status_code == 404


def test_a_project_called_like_a_script_stays_text(light: Project, hub: StubHub) -> None:
    name = "</script><script>alert(1)</script>\" onload='x"
    write_settings(light.settings.with_changes("project", name=name), light.root / "mlf.toml")
    with browser(app_of(open_project(light.root), hub), "ann") as opened:
        assert opened.page.count("<script") == 2
        assert opened.brought["open"]["project_name"] == name


def test_only_the_page_itself_may_ask_with_its_readers_log_in(open_page: Browser) -> None:
    assert open_page.send("open", {}, X_MLF_Key="").status_code == 403
    another = open_page.key[:-4] + "AAA="
    assert open_page.send("open", {}, X_MLF_Key=another).status_code == 401
    state = f"{WORK}/annotation/state"
    assert open_page.client.get(state, headers={"X-MLF-Key": open_page.key}).status_code == 204
    # A tab from before somebody logged in anew: it hears that, and opens again.
    assert open_page.client.get(state, headers={"X-MLF-Key": another}).status_code == 401
    assert open_page.send("open", {}, Sec_Fetch_Site="same-site").status_code == 403
    assert open_page.send("open", {}, Origin="https://evil.example").status_code == 403
    assert open_page.send("save", {"events": []}, X_MLF_Key="").status_code == 403
    fetched = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert open_page.client.get(f"{WORK}/annotation", headers=fetched).status_code == 403
    framed = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert open_page.client.get(f"{WORK}/annotation", headers=framed).status_code == 403
    sibling = {"Sec-Fetch-Site": "same-site"}
    assert open_page.client.get(f"{WORK}/annotation/image?position=0", headers=sibling).status_code == 403
    assert open_page.send("open", {}, Content_Type="text/plain").status_code == 415
    assert open_page.send("open", {}).status_code == 200


def test_marks_are_kept_while_the_store_is_checked_and_checks_go_on_after_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.service.watch._MARK_EVERY_S", 0.01)
    checks, is_marked = [], threading.Event()

    def check(_mark: Mark | None = None) -> None:
        checks.append(1)
        if len(checks) == 2:
            assert is_marked.wait(60)
            raise OSError("too many open files")

    store: Any = SimpleNamespace(last=Mark(3, "c"), check_standing=check)
    watch = StoreWatch(store, tmp_path, check_every_s=0.01)
    wait_until(lambda: len(checks) == 2, 60, lambda: "no check")
    store.last = Mark(4, "d")
    wait_until(lambda: read_mark(tmp_path) == Mark(4, "d"), 60, lambda: "no mark while the store is checked")
    is_marked.set()
    wait_until(lambda: len(checks) > 3, 60, lambda: "no check after an error")
    watch.close()


def test_saves_are_exact_once_own_alone_and_one_that_cannot_be_read_holds_up_no_other(
    ann: Browser, light: Project
) -> None:
    numbers = ImageNumbers.of(light.secret)

    def sent(event_id: str, image_index: int, **changes: Any) -> dict[str, Any]:
        content = event_as_json(vote(event_id, image_index))
        del content["image_index"]
        return content | {"image_number": numbers.number(image_index)} | changes

    events = [
        sent("event-good-1", 1),
        sent("event-other", 1, annotator="ben"),
        sent("event-round", 1, round="refinement"),
        sent("event-text", 1, payload={"text": "\ud800"}, kind="comment"),
        sent("event-far", 11),
        {"event_id": "event-odd"},
        sent("event-\ud800", 1),
        sent("event-good-2", 2),
    ]
    for _ in range(2):
        results, _ = ann.ask("save", {"events": events})
        assert [bool(one["seq"]) for one in results] == [True, *[False] * 6, True]
        assert all(one["is_final"] and one["error"] for one in results if one["seq"] is None)
        assert "this image is not assigned" in results[4]["error"], "no place in the data set is told"
        assert [one["event_id"] for one in results] == [one["event_id"].replace("\ud800", "?") for one in events]
    with open_project_store(light) as store:
        assert [event.event_id for event in store.iter_events()] == ["event-good-1", "event-good-2"]


#: What no page asks for, and how it is refused.
MISFITS: list[tuple[str, object, int]] = [
    ("dance", {}, 404),
    ("classes", {}, 404),
    ("mark_region", {"position": 0, "class_index": 0}, 404),
    ("tasks", {"positions": [2**40]}, 422),
    ("tasks", {"positions": [-1]}, 422),
    ("tasks", {"positions": "all"}, 422),
    ("tasks", {"positions": 7}, 422),
    ("sprite", {"class_indices": "abc", "group": ""}, 422),
    ("first_examples", {"position": 0, "count": 5, "known": [7]}, 422),
    ("first_examples", {"position": 0, "count": 5, "known": ["0:"] * 501}, 413),
    ("first_examples", {"position": 0, "count": 21, "known": []}, 422),
    ("first_examples", {"position": 0, "count": 100_000, "known": []}, 422),
    ("images", {"positions": [0], "max_side_px": 0}, 422),
    ("grid", {"class_index": None, "start": 0, "count": 2**31 - 1, "which": "all"}, 422),
    ("tasks", {"positions": list(range(501))}, 413),
    ("images", {"positions": list(range(101)), "max_side_px": 8}, 413),
    ("images", {"positions": [0], "max_side_px": 5000}, 422),
    ("sprite", {"class_indices": [0] * 101, "group": ""}, 413),
    ("sprite", {"class_indices": [0], "group": "../../etc"}, 422),
    ("example", {"class_index": 99, "number": 0, "group": ""}, 404),
    ("changes", {"since_seq": 10**30}, 422),
    ("grid", {"class_index": None, "start": -5, "count": 10, "which": "all"}, 422),
    ("grid", {"class_index": None, "start": 0, "count": "many", "which": "all"}, 422),
    ("find", {"which": "mine", "start": 0, "step": 1}, 422),
    ("open", b"[" * 100_000, 422),
    ("open", b"\xff", 422),
    ("save", {"events": [{}] * 101}, 413),
    ("save", {"events": 5}, 422),
]


def test_what_no_page_asks_for_is_refused_in_words(open_page: Browser) -> None:
    for kind, params, status in MISFITS:
        answer = open_page.send(kind, params)
        assert answer.status_code == status, (kind, answer.text)
        assert set(answer.json()) == {"code", "message"}
        assert "/" not in answer.json()["message"]


def test_no_request_counts_as_more_than_anybody_has(light: Project, hub: StubHub) -> None:
    with browser(app_of(light, hub, limits=Limits(burst=18, requests_per_second=1000)), "ann") as opened:
        answer = opened.send("first_examples", {"position": 0, "count": 20, "known": []})
    assert answer.status_code in {200, 429}, answer.text


def test_a_page_is_held_to_the_same_allowance_as_every_other_caller(light: Project, hub: StubHub) -> None:
    limits = Limits(burst=60, requests_per_second=0.001, opening_requests=5)
    with browser(app_of(light, hub, limits=limits), "ann") as opened:
        answers = [opened.send("changes", {"since_seq": 0}).status_code for _ in range(70)]
        dear = opened.send("tasks", {"positions": list(range(10))})
    assert answers.count(200) <= 60 - limits.opening_requests
    assert answers[-1] == dear.status_code == 429


def test_a_large_answer_counts_by_its_size_and_is_packed_in_no_turn_of_anybody_else(
    light: Project, hub: StubHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed_in: list[str] = []

    def pack(*given: Any) -> bytes:
        packed_in.append(threading.current_thread().name)
        return pack_answer(*given)

    monkeypatch.setattr("pipeline.service.page_requests.pack_answer", pack)
    limits = Limits(burst=40, requests_per_second=0.001, opening_requests=1, report_bytes_a_request=10)
    with browser(app_of(light, hub, limits=limits), "ann") as opened:
        statuses = [opened.send("changes", {"since_seq": 0}).status_code for _ in range(6)]
        loop = opened.client.portal.call(threading.current_thread).name  # type: ignore[union-attr]
    assert statuses[-1] == 429
    assert packed_in.count(loop) == 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda part: st.lists(part) | st.dictionaries(st.text() | st.integers(), part),
        max_leaves=30,
    )
)
@example(list(range(1_200)))
@example([[i] if i % 700 == 0 else i for i in range(1_500)])
def test_an_answer_written_in_pieces_is_the_same_json(result: object) -> None:
    body = pack_answer(result, [b"ab"])
    end = 4 + int.from_bytes(body[:4], "big")
    whole = json.dumps({"result": result, "sizes": [2]}, ensure_ascii=False, separators=(",", ":"))
    assert (body[4:end].decode(), body[end:]) == (whole, b"ab")


def test_a_project_that_marks_regions_cannot_have_light_sessions(light: Project) -> None:
    write_settings(light.settings.with_changes("annotation", regions="box"), light.root / "mlf.toml")
    with pytest.raises(ProjectError, match=r'\[hub\] sessions = "light".*regions'):
        open_project(light.root)


def test_long_answers_are_compressed_for_those_who_take_it(open_page: Browser) -> None:
    answer = open_page.send("tasks", {"positions": list(range(10))}, Accept_Encoding="gzip")
    assert answer.headers["content-encoding"] == "gzip"
    plain = open_page.send("tasks", {"positions": list(range(10))}, Accept_Encoding="identity")
    assert "content-encoding" not in plain.headers
    assert answer.content == plain.content
    assert len(gzip.compress(plain.content)) < int(answer.headers["content-length"]) * 1.2
