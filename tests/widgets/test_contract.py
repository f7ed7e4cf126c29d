"""The messages between browser and kernel: `tests/contract/*.json`, which the browser's own tests read too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from PIL import Image

from mlf_widgets import Annotator
from pipeline.annotation.as_json import event_as_json
from pipeline.annotation.events import Event, EventKind
from pipeline.annotation.folding import fold, undo_stacks
from pipeline.annotation.session import Evidence
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.sessions.local import LocalSession
from pipeline.sessions.messages import Request, RequestKind, evidence_message, parse_event
from pipeline.votes.words import Round

CONTRACT = Path(__file__).parents[1] / "contract"
SAMPLES = json.loads((CONTRACT / "messages.json").read_text(encoding="utf-8"))
FOLDS = json.loads((CONTRACT / "folds.json").read_text(encoding="utf-8"))
#: Objects whose keys are indices or letters, not names of fields.
OPEN_ENDED = {"votes", "regions", "states", "comments", "keys"}


def shape(value: object, name: str = "") -> object:
    """Return what a message looks like: names of fields and kinds of values; numbers are one kind, as in JavaScript."""
    if isinstance(value, dict):
        if name in OPEN_ENDED:
            return {"…": shape(next(iter(value.values())))} if value else "…"
        return {key: shape(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else "…"
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return type(value).__name__
    return "number"


def fits(found: object, sample: object) -> bool:
    """Return whether two shapes agree as far as both have something to show."""
    if found == "…" or sample == "…":
        return True
    if isinstance(found, dict) and isinstance(sample, dict):
        return found.keys() == sample.keys() and all(fits(found[key], sample[key]) for key in found)
    if isinstance(found, list) and isinstance(sample, list):
        return fits(found[0], sample[0])
    return found == sample


def first_number(annotator: Annotator) -> int:
    """Return the number of the first task's image, as the browser knows it."""
    reply, _ = annotator.answer({"id": "a", "kind": "tasks", "params": {"positions": [0]}})
    number: int = reply["result"][0]["image_number"]
    return number


@pytest.fixture
def annotator(make_project: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Annotator]:
    """Return a widget whose first task is image 5, with a vote, a region and a comment on it."""
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/birds/user/ada/")
    project = make_project(regions="box", guidelines="Tick what you see.", own_progress="pace")
    keys = project.label_space.keys
    lines = ("![](a.png)", "# Classes", f"- {keys[3]} / {keys[4]}: Stripes, not spots.")
    (project.root / "guidelines.md").write_text("\n".join(lines))
    Image.new("RGB", (8, 6)).save(project.root / "a.png")
    session = LocalSession(project, "ada")
    first = session.tasks([0])[0].image_index
    for content in SAMPLES["events"]:
        if content["event_id"] in {"event-vote-01", "event-region1", "event-comment"}:
            numbers = ImageNumbers(bytes.fromhex(session.open().image_key))
            session.save([parse_event(content | {"image_number": numbers.number(first)}, numbers)])
    widget = Annotator(session)
    yield widget
    widget.close()


def test_there_is_a_sample_of_every_request_and_its_result() -> None:
    assert set(SAMPLES["requests"]) == set(SAMPLES["results"]) == set(get_args(RequestKind))
    assert {event["kind"] for event in SAMPLES["events"]} == set(EventKind)


@pytest.mark.parametrize("kind", get_args(RequestKind))
def test_the_kernel_answers_each_sample_request_in_the_sampled_shape(annotator: Annotator, kind: str) -> None:
    params = json.loads(json.dumps(SAMPLES["requests"][kind]))
    if kind == "save":
        params["events"][0] |= {"event_id": "event-new-01", "image_number": first_number(annotator)}
    reply, buffers = annotator.answer({"id": "request-1", "kind": kind, "params": params})
    assert reply["ok"], reply
    assert reply["id"] == "request-1"
    over_the_wire = json.loads(json.dumps(reply["result"]))
    found, sample = shape(over_the_wire), shape(SAMPLES["results"][kind])
    assert fits(found, sample), f"\n{found}\n{sample}"
    one, two = {"classes", "image", "example", "guideline_picture"}, {"sprite", "first_examples", "images"}
    assert len(buffers) == (1 if kind in one else 2 if kind in two else 0)
    if kind == "classes":
        assert fits(shape(json.loads(buffers[0])), shape(SAMPLES["classes"]))


@pytest.mark.parametrize("content", SAMPLES["events"], ids=lambda content: content["event_id"])
def test_each_sample_event_is_read_and_written_as_it_is(content: dict[str, Any]) -> None:
    numbers = ImageNumbers(bytes(32))
    named = dict(content)
    index = numbers.index(named.pop("image_number"))
    event = parse_event(content, numbers)
    assert replace(event, image_index=5) == parse_event(named | {"image_index": 5}, numbers)  # of an earlier version
    replace(event, image_index=5).check(n_classes=25)
    assert event_as_json(event) == named | {"image_index": index}


def test_evidence_is_written_in_the_sampled_shape() -> None:
    region = {"kind": "point", "x": 0.5, "y": 0.5}
    evidence = Evidence({3: {"A": "yes", "B": "no"}}, {"A": "hm"}, {"A": {3: [region]}}, ("A", "B"), ("B",))
    assert evidence_message(evidence) == SAMPLES["evidence"]


def test_a_refusal_has_the_sampled_shape(annotator: Annotator) -> None:
    reply, buffers = annotator.answer({"id": "request-1", "kind": "dance", "params": {}})
    assert shape(dict(reply)) == shape(SAMPLES["failed"])
    assert reply["code"] == "MessageError"
    assert "'dance'" in reply["message"]
    assert buffers == []


@pytest.mark.parametrize(
    "content",
    [
        None,
        "open",
        {},
        {"id": "", "kind": "open"},
        {"id": "a", "kind": 3},
        {"id": "a", "kind": "open", "params": []},
        {"id": "a", "kind": "tasks", "params": {"positions": "0"}},
        {"id": "a", "kind": "tasks", "params": {"positions": [True]}},
        {"id": "a", "kind": "find", "params": {"which": "best", "start": 0, "step": 1}},
        {"id": "a", "kind": "image", "params": {"position": 0.5}},
        {"id": "a", "kind": "image", "params": {"position": 99}},
        {"id": "a", "kind": "sprite", "params": {"class_indices": [99], "group": ""}},
        {"id": "a", "kind": "save", "params": {"events": {}}},
        {"id": "a", "kind": "changes", "params": {}},
        {"id": "a", "kind": "mark_region", "params": {"position": 0, "class_index": -1}},
    ],
)
def test_what_is_not_understood_is_refused_in_words(annotator: Annotator, content: object) -> None:
    reply, buffers = annotator.answer(content)
    assert reply["ok"] is False
    assert reply["code"] in {"MessageError", "DatasetError"}
    assert reply["message"]
    assert buffers == []


def test_an_event_that_cannot_be_read_keeps_no_other_from_the_log(annotator: Annotator) -> None:
    good = SAMPLES["events"][0] | {
        "event_id": "event-good-1",
        "image_number": first_number(annotator),
    }
    events = [{"event_id": "event-bad-01"}, good, good | {"event_id": "event-bad-02", "kind": "dance"}, 7]
    reply, _ = annotator.answer({"id": "a", "kind": "save", "params": {"events": events}})
    results = reply["result"]
    assert [result["event_id"] for result in results] == ["event-bad-01", "event-good-1", "event-bad-02", ""]
    assert [result["seq"] is not None for result in results] == [False, True, False, False]
    assert all(result["error"] and result["is_final"] for result in results if result["seq"] is None)


@pytest.mark.parametrize("case", FOLDS, ids=lambda case: case["name"])
def test_the_log_implies_the_written_state_and_stacks(case: dict[str, Any]) -> None:
    events = [
        Event(
            event_id=content["event_id"],
            round=Round.ANNOTATION,
            annotator="ada",
            image_index=0,
            kind=EventKind(content["kind"]),
            payload=content["payload"],
            shown=tuple(content["shown"]),
            active_ms=content["active_ms"],
            seq=number + 1,
        )
        for number, content in enumerate(case["events"])
    ]
    state = fold(events)
    expected = case["state"]
    assert {str(c): vote for c, vote in state.votes.items()} == expected["votes"]
    assert {str(c): regions for c, regions in state.regions.items()} == expected["regions"]
    assert (state.none, state.unsure, state.comment) == (expected["none"], expected["unsure"], expected["comment"])
    assert (list(state.shown), state.active_ms) == (expected["shown"], expected["active_ms"])
    assert (state.searched, state.saw_frames) == (expected["searched"], expected["saw_frames"])
    assert [list(state.offered), list(state.open_again)] == [expected["offered"], expected["open_again"]]
    undo, redo = undo_stacks(events)
    assert [event.event_id for event in undo] == case["undo"]
    assert [event.event_id for event in redo] == case["redo"]


def test_a_request_without_params_has_empty_ones() -> None:
    assert Request.parse({"id": "a", "kind": "open"}) == Request("a", "open", {})


def test_the_classes_are_sent_whole(annotator: Annotator, tmp_path: Path) -> None:
    _, buffers = annotator.answer({"id": "a", "kind": "classes"})
    space = annotator.session.label_space()
    assert json.loads(buffers[0])["names"] == list(space.names)


def test_nothing_of_images_votes_or_tasks_is_in_synced_state(annotator: Annotator) -> None:
    annotator.answer({"id": "a", "kind": "tasks", "params": {"positions": [0]}})
    annotator.answer({"id": "a", "kind": "image", "params": {"position": 0, "max_side_px": None}})
    state = annotator.get_state()
    own = {name: value for name, value in state.items() if not name.startswith("_")}
    assert set(own) <= {"layout", "tabbable", "tooltip"}
    assert {"_esm", "_css"} <= set(state)
