"""Marking where a label is: the marker below the annotator, and what reaches the store."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import ipywidgets
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _instances
from PIL import Image

from mlf_widgets import Annotator, regions
from mlf_widgets.region_words import _GERMAN
from mlf_widgets.regions import CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX, make_marker, regions_of
from pipeline.annotation.events import MAX_REGIONS, Event, EventKind
from pipeline.annotation.session import Picture
from pipeline.project.folder import Project
from pipeline.sessions.local import LocalSession
from pipeline.votes.words import Round

NASTY_CLASS = 3


def ask(annotator: Annotator, kind: str, **params: Any) -> dict[str, Any]:
    return dict(annotator.answer({"id": "request", "kind": kind, "params": params})[0])


def position_of(session: LocalSession, image_id: str) -> int:
    """Return the position of the task on an image with this name; sessions themselves do not give names away."""
    names = pq.read_table(session._project.images_path, columns=["image_id"]).column(0).to_pylist()
    return next(task.position for task in session.tasks(range(12)) if names[task.image_index] == image_id)


@pytest.fixture
def open_annotator(make_project: Callable[..., Project]) -> Callable[..., Annotator]:
    def open_with(**annotation: object) -> Annotator:
        return Annotator(LocalSession(make_project(**annotation), "ada"))

    return open_with


def drag(canvas: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Call on a canvas what `ipycanvas` calls when a mouse is dragged."""
    canvas.on_click(*start)
    canvas.on_drag(*end)
    canvas.on_release(*end)


def test_a_dragged_box_is_saved_as_shares_of_the_image_and_the_browser_is_told(
    open_annotator: Callable[..., Annotator], monkeypatch: pytest.MonkeyPatch
) -> None:
    annotator = open_annotator(regions="box")
    said: list[object] = []
    monkeypatch.setattr(annotator, "send", lambda content, _buffers=None: said.append(content))
    position = position_of(annotator.session, "4.png")  # 120 × 90 pixels: drawn at its own size, in the middle
    assert ask(annotator, "mark_region", position=position, class_index=5)["ok"]
    _, marker = annotator.region_marker.children
    left, top = (CANVAS_WIDTH_PX - 120) / 2, (CANVAS_HEIGHT_PX - 90) / 2
    drag(marker.canvas, (left + 12, top + 9), (left + 60, top + 45))
    drag(marker.canvas, (left + 90, top + 60), (left + 30, top + 30))  # from the lower right corner
    marker.submit_button.click()
    state = annotator.session.tasks([position])[0].state
    assert state.regions == {
        5: [
            {"kind": "box", "x": 0.1, "y": 0.1, "width": 0.4, "height": 0.4},
            {"kind": "box", "x": 0.25, "y": 0.33333, "width": 0.5, "height": 0.33334},
        ]
    }
    assert said == [{"id": "", "notice": "changed"}]
    assert annotator.region_marker.children == ()
    assert annotator.session.open().undo[-1][1] == position


def test_what_was_marked_before_is_shown_again_and_keeping_it_saves_nothing(
    open_annotator: Callable[..., Annotator],
) -> None:
    annotator = open_annotator(regions="point")
    session = annotator.session
    position = position_of(session, "4.png")
    image_index = session.tasks([position])[0].image_index
    marked = [{"kind": "point", "x": 0.25, "y": 0.5}, {"kind": "point", "x": 1, "y": 0}]
    payload = {"class_index": 5, "regions": marked}
    session.save([Event("region-0001", Round.ANNOTATION, "ada", image_index, EventKind.REGION, payload)])
    ask(annotator, "mark_region", position=position, class_index=5)
    marker = annotator.region_marker.children[1]
    assert [mark["coordinates"] for mark in marker.data] == [(30, 45), (120, 0)]
    before = session.open().last_seq
    marker.submit_button.click()
    assert session.open().last_seq == before
    ask(annotator, "mark_region", position=position, class_index=5)
    marker = annotator.region_marker.children[1]
    marker.canvas.on_click(CANVAS_WIDTH_PX / 2, CANVAS_HEIGHT_PX / 2)
    marker.undo_button.click()
    assert [mark["coordinates"] for mark in marker.data] == [(30, 45), (120, 0)]
    marker.undo_button.click()
    assert [mark["coordinates"] for mark in marker.data] == [(30, 45)]
    marker.undo_button.click()
    marker.undo_button.click()  # nothing is left
    marker.submit_button.click()
    assert session.tasks([position])[0].state.regions == {}


def test_marks_of_the_other_kind_stay_when_the_project_has_come_to_mark_otherwise(
    make_project: Callable[..., Project],
) -> None:
    project = make_project(regions="point")
    session = LocalSession(project, "ada")
    position = position_of(session, "4.png")
    box = {"kind": "box", "x": 0.1, "y": 0.2, "width": 0.3, "height": 0.4}
    point = {"kind": "point", "x": 0.5, "y": 0.5}
    payload = {"class_index": 5, "regions": [point, box]}
    image_index = session.tasks([position])[0].image_index
    session.save([Event("region-0001", Round.ANNOTATION, "ada", image_index, EventKind.REGION, payload)])
    annotator = Annotator(session)
    ask(annotator, "mark_region", position=position, class_index=5)
    title, marker = annotator.region_marker.children
    assert "1 box marked before stays as it is." in title.value
    before = session.open().last_seq
    marker.submit_button.click()
    assert session.open().last_seq == before
    ask(annotator, "mark_region", position=position, class_index=5)
    marker = annotator.region_marker.children[1]
    marker.canvas.on_click(CANVAS_WIDTH_PX / 2 + 30, CANVAS_HEIGHT_PX / 2)  # 30 of 120 pixels right of the middle
    marker.submit_button.click()
    kept = session.tasks([position])[0].state.regions[5]
    assert kept == [box, point, {"kind": "point", "x": 0.75, "y": 0.5}]


def test_a_mark_too_many_is_refused_with_the_count_and_none_is_lost(open_annotator: Callable[..., Annotator]) -> None:
    annotator = open_annotator(regions="point")
    session = annotator.session
    position = position_of(session, "4.png")
    ask(annotator, "mark_region", position=position, class_index=5)
    marker = annotator.region_marker.children[1]
    left, top = (CANVAS_WIDTH_PX - 120) / 2, (CANVAS_HEIGHT_PX - 90) / 2
    for number in range(MAX_REGIONS + 2):
        marker.canvas.on_click(left + 1 + 8 * (number % 14), top + 1 + 5 * (number // 14))
    marker.submit_button.click()
    assert session.open().last_seq == 0
    note = annotator.region_marker.children[2].value
    assert 'role="alert"' in note
    assert "202 marks, and nothing is saved yet: one label of an image holds at most 200. Take 2 away with Undo" in note
    marker.undo_button.click()
    marker.undo_button.click()
    marker.submit_button.click()
    assert len(session.tasks([position])[0].state.regions[5]) == MAX_REGIONS
    assert annotator.region_marker.children == ()


def test_cancel_saves_nothing(open_annotator: Callable[..., Annotator]) -> None:
    annotator = open_annotator(regions="box")
    ask(annotator, "mark_region", position=0, class_index=5)
    marker = annotator.region_marker.children[1]
    drag(marker.canvas, (320, 240), (360, 280))
    marker.skip_button.click()
    assert annotator.region_marker.children == ()
    assert annotator.session.open().last_seq == 0


def test_the_marker_has_no_child_that_jupyterlab_cannot_show_and_no_picture_in_its_state(
    open_annotator: Callable[..., Annotator],
) -> None:
    annotator = open_annotator(regions="box")
    ask(annotator, "mark_region", position=0, class_index=NASTY_CLASS)

    def walk(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
        return [widget, *(inner for child in getattr(widget, "children", ()) for inner in walk(child))]

    shown = walk(annotator.region_marker)
    assert not [widget for widget in shown if isinstance(widget, ipywidgets.Image) or "Event" in type(widget).__name__]
    assert not [value for widget in shown for value in widget.get_state().values() if isinstance(value, bytes)]
    title = annotator.region_marker.children[0].value
    assert "<img" not in title
    assert "&lt;img src=x onerror=alert(1)&gt;" in title


def test_a_page_loaded_anew_closes_what_it_can_no_longer_show(open_annotator: Callable[..., Annotator]) -> None:
    annotator = open_annotator(regions="box")
    ask(annotator, "mark_region", position=0, class_index=5)
    ask(annotator, "open")
    assert annotator.region_marker.children == ()


def test_a_project_without_regions_refuses_them_and_shows_the_annotator_alone(
    open_annotator: Callable[..., Annotator],
) -> None:
    annotator = open_annotator()
    refusal = ask(annotator, "mark_region", position=0, class_index=5)
    assert refusal["ok"] is False
    assert 'annotation.regions = "box"' in refusal["message"]
    shown = annotator._repr_mimebundle_()[0]["application/vnd.jupyter.widget-view+json"]
    assert shown["model_id"] == annotator.model_id


def test_with_regions_the_place_for_them_is_shown_below_the_annotator(
    open_annotator: Callable[..., Annotator],
) -> None:
    annotator = open_annotator(regions="box")
    shown = annotator._repr_mimebundle_()["application/vnd.jupyter.widget-view+json"]["model_id"]
    box = ipywidgets.widgets.widget._instances[shown]
    assert box.children == (annotator, annotator.region_marker)


def test_an_image_without_a_file_cannot_be_marked(open_annotator: Callable[..., Annotator]) -> None:
    annotator = open_annotator(regions="box")
    position = position_of(annotator.session, "without a file")
    refusal = ask(annotator, "mark_region", position=position, class_index=5)
    assert (refusal["ok"], refusal["code"]) == (False, "DatasetError")


@given(
    st.lists(
        st.tuples(*[st.integers(-50, 2000)] * 4).map(lambda c: {"type": "box", "label": "x", "xyxy": c})
        | st.tuples(*[st.integers(-50, 2000)] * 2).map(lambda c: {"type": "point", "label": "x", "coordinates": c}),
        max_size=200,
    ),
    st.integers(1, 1500),
    st.integers(1, 1500),
)
def test_every_marking_is_one_that_the_store_takes(marks: list[dict[str, Any]], width: int, height: int) -> None:
    for mark in marks:
        if mark["type"] == "box":  # `ipyannotations` hands corners over in this order
            x0, y0, x1, y1 = mark["xyxy"]
            mark["xyxy"] = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    regions = regions_of(marks, width, height)
    payload = {"class_index": 0, "regions": regions}
    Event("region-0001", Round.ANNOTATION, "ada", 0, EventKind.REGION, payload).check(n_classes=1)
    for region in regions:
        assert region["x"] + region.get("width", 0) <= 1.00001
        assert region["y"] + region.get("height", 0) <= 1.00001


def test_the_marker_speaks_the_language_of_the_page(open_annotator: Callable[..., Annotator]) -> None:
    annotator = open_annotator(regions="box", language="de")
    point = {"kind": "point", "x": 0.5, "y": 0.5}
    task = annotator.session.tasks([0])[0]
    payload = {"class_index": NASTY_CLASS, "regions": [point]}
    event = Event("marked-before", Round.ANNOTATION, "ada", task.image_index, EventKind.REGION, payload, (NASTY_CLASS,))
    assert annotator.session.save([event])[0].seq
    annotator.region_marker.mark(0, NASTY_CLASS)
    title, marker = annotator.region_marker.children
    assert title.value.index("Markieren, wo <b>") < title.value.index("</b> auf Bild 1 ist: von Ecke zu Ecke ziehen")
    assert "1 Punkt von vorher bleibt, wie er ist." in title.value
    buttons = (marker.submit_button, marker.skip_button, marker.undo_button)
    assert [button.description for button in buttons] == ["Markierungen behalten", "Abbrechen", "Rückgängig"]


def test_all_that_the_marker_says_is_there_in_german_with_the_same_values() -> None:
    calls = [node for node in ast.walk(ast.parse(Path(regions.__file__).read_text())) if isinstance(node, ast.Call)]
    said = [node.args[0] for node in calls if isinstance(node.func, ast.Name) and node.func.id == "said"]
    words = {node.value for node in said if isinstance(node, ast.Constant)}
    assert len(words) >= 7
    assert words | set(regions._HOW.values()) <= set(_GERMAN)
    for english, german in _GERMAN.items():
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", german))


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([(720, 540), (90, 120), (640, 31)]))
def test_marks_that_are_shown_again_move_by_less_than_a_pixel(x: float, y: float, size: tuple[int, int]) -> None:
    buffer = BytesIO()
    Image.new("RGB", size).save(buffer, "JPEG")
    picture = Picture(buffer.getvalue(), "image/jpeg", *size)
    marker = make_marker("point", "thing", picture, [{"kind": "point", "x": x, "y": y}])
    (kept,) = regions_of(marker.data, *size)
    assert abs(kept["x"] - x) * size[0] <= 0.51
    assert abs(kept["y"] - y) * size[1] <= 0.51


def test_marking_again_and_again_leaves_no_widget_behind(open_annotator: Callable[..., Annotator]) -> None:
    marker = open_annotator(regions="box").region_marker
    counts = []
    for _ in range(3):
        marker.mark(0, NASTY_CLASS)
        marker.clear()
        counts.append(len(_instances))
    assert len(set(counts)) == 1
