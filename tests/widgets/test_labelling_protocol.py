"""The annotator in another labelling loop: the protocol of `ipyannotations`' widgets, as `superintendent` uses it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from ipyannotations.base import LabellingWidgetMixin

from mlf_widgets import Annotator
from pipeline.annotation.events import Event, EventKind
from pipeline.errors import DatasetError
from pipeline.project.folder import Project
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round


class Loop:
    """A queue of items and a widget, wired as `superintendent.Superintendent` wires them."""

    def __init__(self, items: list[int], labelling_widget: Any) -> None:
        self.widget = labelling_widget
        self.queue = deque(items)
        self.popped: list[int] = []
        self.labels: dict[int, Any] = {}
        self.widget.on_submit(self._apply_annotation)
        self.widget.on_undo(self._undo)
        self._annotate_next()

    def _annotate_next(self) -> None:
        if self.queue:
            self.popped.append(self.queue.popleft())
            self.widget.display(self.popped[-1])

    def _apply_annotation(self, y: Any) -> None:
        if y is not None:
            self.labels[self.popped[-1]] = y
        self._annotate_next()

    def _undo(self) -> None:
        self.queue.extendleft([self.popped.pop(), self.popped.pop()])
        self.labels.pop(self.queue[0], None)
        self._annotate_next()


@pytest.fixture
def annotator(project: Project) -> Iterator[Annotator]:
    widget = Annotator(LocalSession(project, "ada"))
    yield widget
    widget.close()


@pytest.fixture
def sent(annotator: Annotator, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the list to which every message from kernel to browser is added."""
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(annotator, "send", lambda content, _buffers=None: said.append(content))
    return said


def ask(annotator: Annotator, kind: str, **params: Any) -> Any:
    reply, _ = annotator.answer({"id": "request", "kind": kind, "params": params})
    assert reply["ok"], reply
    return reply["result"]


def tick(annotator: Annotator, position: int, number: int, event_id: str) -> int:
    """Do what the browser half does when a person ticks the n-th proposal; returns its class."""
    task = ask(annotator, "tasks", positions=[position])[0]
    class_index = task["proposals"][number]["class_index"]
    event = {
        "event_id": event_id,
        "round": "annotation",
        "annotator": "ada",
        "image_number": task["image_number"],
        "kind": "vote",
        "payload": {"class_index": class_index, "vote": "yes"},
        "shown": [proposal["class_index"] for proposal in task["proposals"][:5]],
        "active_ms": 0,
        "order": task["order"],
        "client_time": "",
    }
    assert ask(annotator, "save", events=[event])[0]["seq"] is not None
    return int(class_index)


def test_it_has_every_method_of_a_labelling_widget() -> None:
    public = {name for name in vars(LabellingWidgetMixin) if not name.startswith("_")}
    assert public - {"clear"} <= set(dir(Annotator))


def test_a_loop_goes_from_item_to_item_and_collects_what_was_decided(
    annotator: Annotator, sent: list[dict[str, Any]]
) -> None:
    loop = Loop([4, 2, 7], annotator)
    assert ask(annotator, "open")["start_position"] == 4
    assert ask(annotator, "open")["is_driven"] is True
    class_index = tick(annotator, 4, 1, "event-one-01")
    ask(annotator, "submit", position=4)
    tick(annotator, 2, 0, "event-two-01")
    tick(annotator, 2, 2, "event-two-02")
    ask(annotator, "submit", position=2)
    assert [said["position"] for said in sent if said["notice"] == "goto"] == [4, 2, 7]
    assert list(loop.labels) == [4, 2]
    key = f"class_{class_index:02d}"
    assert loop.labels[4]["labels"] == [key]
    assert loop.labels[4]["votes"][key] == "yes"
    assert sorted(loop.labels[4]["votes"].values()) == ["no"] * 4 + ["yes"]
    assert len(loop.labels[2]["labels"]) == 2


def test_a_skipped_item_hands_none_to_the_loop_and_leaves_no_trace(
    annotator: Annotator, sent: list[dict[str, Any]]
) -> None:
    loop = Loop([3, 5], annotator)
    ask(annotator, "skip", position=3)
    assert loop.labels == {}
    assert sent[-1] == {"id": "", "notice": "goto", "position": 5}
    assert annotator.session.open().progress.n_done == 0


def test_undo_tells_the_browser_and_the_loop(annotator: Annotator, sent: list[dict[str, Any]]) -> None:
    loop = Loop([3, 5, 6], annotator)
    tick(annotator, 3, 0, "event-one-01")
    ask(annotator, "submit", position=3)
    annotator.undo()
    assert {"id": "", "notice": "undo"} in sent
    assert loop.labels == {}
    assert sent[-1] == {"id": "", "notice": "goto", "position": 3}


def test_data_is_what_the_store_holds_about_the_displayed_item(annotator: Annotator) -> None:
    assert annotator.data is None
    annotator.display(2)
    task = annotator.session.tasks([2])[0]
    undecided = {
        "image_id": task.image_id,
        "labels": [],
        "votes": {},
        "none": False,
        "unsure": False,
        "comment": "",
    }
    assert annotator.data == undecided
    none = Event("event-none-01", Round.ANNOTATION, "ada", task.image_index, EventKind.NONE, {"value": True}, (1, 2))
    annotator.session.save([none])
    assert annotator.data == undecided | {"votes": {"class_01": "no", "class_02": "no"}, "none": True}


def test_an_item_that_is_not_there_is_refused_by_name(annotator: Annotator) -> None:
    with pytest.raises(DatasetError, match="'ada' has no task 12"):
        annotator.display(12)
    with pytest.raises(TypeError, match="on_submit takes a function"):
        annotator.on_submit("print")  # type: ignore[arg-type]


def test_left_alone_it_is_nobodys_loop(annotator: Annotator) -> None:
    assert ask(annotator, "open")["is_driven"] is False
