"""The kernel halves of the grid, refiner and explorer, asked as their browser halves would ask."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ipywidgets
import pytest

from mlf_widgets import Explorer, Grid, Refiner, open_explorer, open_grid, open_refiner
from mlf_widgets.opening import find_class
from pipeline.annotation.as_json import event_as_json
from pipeline.annotation.events import Event, EventKind
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project, open_project
from pipeline.project.label_space import ClassInfo, LabelSpace
from pipeline.project.settings import write_settings
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round


@pytest.fixture(autouse=True)
def closed_widgets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every widget that a test opened, but not all widgets: libraries keep some of their own."""
    opened: list[ipywidgets.Widget] = []
    open_widget = ipywidgets.Widget.open

    def open_and_note(widget: ipywidgets.Widget) -> None:
        opened.append(widget)
        open_widget(widget)

    monkeypatch.setattr(ipywidgets.Widget, "open", open_and_note)
    yield
    for widget in opened:
        widget.close()


def ask(widget: Grid | Refiner | Explorer, kind: str, **params: Any) -> tuple[Mapping[str, Any], list[bytes]]:
    """Return the reply to a request, as it would travel."""
    reply, buffers = widget.answer({"id": "1", "kind": kind, "params": params})
    return json.loads(json.dumps(reply)), buffers


def vote(name: str, round_: Round, image_index: int, class_index: int, word: str = "yes", number: int = 0) -> Event:
    """Return a vote of somebody who was shown classes 0 to 24."""
    payload = {"class_index": class_index, "vote": word}
    event_id = f"{name}-{round_.value}-{image_index}-{class_index}-{number}"
    return Event(event_id, round_, name, image_index, EventKind.VOTE, payload, tuple(range(25)), 100)


def test_a_grid_opens_with_the_class_it_was_given_and_lists_by_status(project: Project) -> None:
    widget = open_grid(project.root, "ada", class_name="thing 7")
    opened, _ = ask(widget, "open")
    assert opened["result"]["class_index"] == 7
    listed, _ = ask(widget, "grid", class_index=7, start=0, count=100, which="all")
    session = LocalSession(project, "ada")
    offering = [t.position for t in session.tasks(range(12)) if 7 in [p.class_index for p in t.proposals]]
    assert listed["result"] == {"class_index": 7, "positions": offering, "n_total": len(offering)}
    first = session.tasks([offering[0]])[0]
    saved, _ = ask(
        widget, "save", events=[event_as_json(vote("ada", Round.ANNOTATION, first.image_index, 7, "unsure"))]
    )
    assert saved["result"][0]["seq"] is not None
    unsure, _ = ask(widget, "grid", class_index=7, start=0, count=100, which="unsure")
    assert unsure["result"]["positions"] == [offering[0]]
    everything, _ = ask(widget, "grid", class_index=None, start=2, count=3, which="all")
    assert everything["result"] == {"class_index": None, "positions": [2, 3, 4], "n_total": 12}
    refused, _ = ask(widget, "grid", class_index=7, start=0, count=1, which="some")
    assert (refused["ok"], refused["code"]) == (False, "MessageError")


def test_a_grid_without_a_class_opens_with_none(project: Project) -> None:
    assert ask(open_grid(project.root, "ada"), "open")[0]["result"]["class_index"] is None


def test_small_pictures_come_together_and_the_missing_one_says_why(project: Project) -> None:
    session = LocalSession(project, "ada")
    without = next(task.position for task in session.tasks(range(12)) if not task.has_image)
    others = [position for position in range(4) if position != without]
    reply, buffers = ask(Grid(session), "images", positions=[without, *others], max_side_px=48)
    heads = reply["result"]
    assert [head["position"] for head in heads] == [without, *others]
    assert heads[0]["reason"] != ""
    assert buffers[0] == b""
    assert all(head["reason"] == "" for head in heads[1:])
    assert all(buffer.startswith(b"\xff\xd8") for buffer in buffers[1:])


def test_a_class_is_found_by_key_or_by_a_name_that_only_it_has() -> None:
    classes = [
        ClassInfo(i, key, name, (), "") for i, (key, name) in enumerate([("n1", "Cup"), ("n2", "Bat"), ("n3", "bat")])
    ]
    space = LabelSpace(tuple(classes), "three")
    assert [find_class(space, text) for text in ("", "n3", "cup")] == [None, 2, 0]
    with pytest.raises(DatasetError, match="n2, n3"):
        find_class(space, "bat")
    with pytest.raises(DatasetError, match="no class 'n4'"):
        find_class(space, "n4")


@pytest.fixture
def disputed(make_project: Callable[..., Project], give_to_refiners: Callable[..., None]) -> Callable[[bool], Project]:
    """Return a function that makes a project where ada and ben differ on image 2, which is assigned to grace."""

    def make(blind_first: bool) -> Project:
        project = make_project()
        write_settings(project.settings.with_changes("refinement", blind_first=blind_first), project.root / "mlf.toml")
        project = open_project(project.root)
        for name, ticked in (("ada", (4, 6)), ("ben", (4,))):
            session = LocalSession(project, name)
            assert all(r.seq for r in session.save([vote(name, Round.ANNOTATION, 2, c) for c in ticked]))
        give_to_refiners(project, [2], "grace")
        return project

    return make


def test_the_refiner_works_in_refinement_alone(project: Project) -> None:
    with pytest.raises(ProjectError, match="annotation"):
        Refiner(LocalSession(project, "ada"))


def test_a_refiner_is_told_who_said_what_without_names(disputed: Callable[[bool], Project]) -> None:
    (task,) = ask(open_refiner(disputed(False).root, "grace"), "tasks", positions=[0])[0]["result"]
    assert task["open_labels"] == [6]
    evidence = task["evidence"]
    assert sorted(evidence["votes"]["6"].values()) == ["no", "yes"]
    assert set(evidence["votes"]["4"].values()) == {"yes"}
    assert evidence["voices"] == ["A", "B"]
    assert "ada" not in json.dumps(task)
    assert "ben" not in json.dumps(task)


def test_a_blind_refiners_kernel_sends_no_evidence_before_a_decision(disputed: Callable[[bool], Project]) -> None:
    widget = open_refiner(disputed(True).root, "grace")
    assert ask(widget, "open")[0]["result"]["refinement"]["blind_first"] is True
    (task,) = ask(widget, "tasks", positions=[0])[0]["result"]
    assert (task["evidence"], task["open_labels"]) == (None, [6])
    ask(widget, "save", events=[event_as_json(vote("grace", Round.REFINEMENT, 2, 6, "no"))])
    (task,) = ask(widget, "tasks", positions=[0])[0]["result"]
    assert sorted(task["evidence"]["votes"]["6"].values()) == ["no", "yes"]
    undo = Event("undo-of-grace", Round.REFINEMENT, "grace", 2, EventKind.UNDO, {"target": "grace-refinement-2-6-0"})
    ask(widget, "save", events=[event_as_json(undo)])
    assert ask(widget, "tasks", positions=[0])[0]["result"][0]["evidence"] is None


def test_the_explorer_shows_everybodys_words_and_takes_no_votes(disputed: Callable[[bool], Project]) -> None:
    project = disputed(False)
    widget = open_explorer(project.root, "thing 6")
    opened, _ = ask(widget, "explorer_open")
    which = opened["result"]["filter"]
    assert which["class_index"] == 6
    assert [person["name"] for person in opened["result"]["people"]] == ["ada", "ben", "grace"]
    chosen = which | {"disagreement": "disputed"}
    page, _ = ask(widget, "explorer_page", filter=chosen, start=0, count=10)
    (image,) = page["result"]["images"]
    assert (image["image_index"], image["is_disputed"], image["open_labels"]) == (2, True, [6])
    assert {word["annotator"]: word["vote"] for word in image["words"]} == {"ada": "yes", "ben": "no"}
    heads, buffers = ask(widget, "images", positions=[2], max_side_px=32)
    assert heads["result"][0]["reason"] == ""
    assert buffers[0].startswith(b"\xff\xd8")
    for kind in ("save", "tasks", "open"):
        assert ask(widget, kind, events=[], positions=[0])[0]["code"] == "MessageError"


@pytest.mark.parametrize("change", [{"round": "third"}, {"which": ""}, {"class_index": "6"}, {"annotator": None}])
def test_a_filter_that_is_none_is_refused_in_words(project: Project, change: dict[str, object]) -> None:
    widget = open_explorer(project.root)
    which = ask(widget, "explorer_open")[0]["result"]["filter"] | change
    reply, _ = ask(widget, "explorer_page", filter=which, start=0, count=10)
    assert (reply["ok"], reply["code"]) == (False, "MessageError")
    assert reply["message"]
