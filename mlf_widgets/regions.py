"""Marking where a label is, with the box or point annotator of `ipyannotations`, if `annotation.regions` turns it on.

The image is drawn on the annotator's canvas by a message with a buffer, just as every other picture travels here.
In a synced trait, as `ipyannotations` itself would send it, it could end up in a saved notebook.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from io import BytesIO
from typing import Any

import ipywidgets

from mlf_widgets.region_words import said
from pipeline.annotation.events import MAX_REGIONS, Event, EventKind
from pipeline.annotation.session import AnnotationSession, Picture, Task
from pipeline.errors import DatasetError, MlfError, StoreError
from pipeline.project.settings import Language, RegionKind
from pipeline.sessions.messages import MessageError

CANVAS_WIDTH_PX = 720
CANVAS_HEIGHT_PX = 540
#: Shares of the image are rounded to a hundred-thousandth, which is finer than a pixel of any screen.
_DECIMALS = 5
_MANY = {"box": "boxes", "point": "points"}
_HOW = {"box": "drag from corner to corner, once for each place.", "point": "click, once for each place."}

Region = dict[str, Any]


class RegionMarker(ipywidgets.VBox):  # type: ignore[misc]
    """A place below the annotation widget, empty until a person marks where a label is.

    Parameters
    ----------
    session
        Whose regions; they go to the store as `region` events, like every vote.
    on_saved
        Called once the marks are in the store.
    """

    children: tuple[Any, ...]

    def __init__(self, session: AnnotationSession, on_saved: Callable[[], None]) -> None:
        super().__init__()
        self._session = session
        self._on_saved = on_saved
        self._language: Language = "en"

    def mark(self, position: int, class_index: int) -> None:
        """Show the image of a task, and what has been marked on it so far for one class.

        Raise `MessageError` if the project marks no regions. Raise `DatasetError` if there is no such task, class or
        image.
        """
        settings = self._session.open().annotation
        kind, self._language = settings.regions, settings.language
        if kind == "off":
            raise MessageError(
                'this project marks no regions; mlf.toml turns them on with `annotation.regions = "box"`'
            )
        task = _task(self._session, position)
        space = self._session.label_space()
        if not 0 <= class_index < len(space):
            raise DatasetError(f"no class {class_index}; the label space has indices 0 to {len(space) - 1}")
        name = space[class_index].name
        picture = self._session.image(position, max(CANVAS_WIDTH_PX, CANVAS_HEIGHT_PX))
        before = task.state.regions.get(class_index, [])
        marker = make_marker(kind, name, picture, before, self._language)
        marker.on_submit(lambda data: self._submit(task, class_index, data, marker, kind))
        words = said(
            "Mark where {name} is on image {number}: {how}",
            self._language,
            name=f"<b>{escape(name)}</b>",
            number=position + 1,
            how=said(_HOW[kind], self._language),
        )
        stays = _stays(_of_other_kind(before, kind), self._language)
        title = ipywidgets.HTML(f'<div data-mlf="regions" role="status" style="padding: 0.5em 0">{words} {stays}</div>')
        self.clear()
        self.children = (title, marker)

    def clear(self) -> None:
        """Remove what is shown, so that nothing of an image stays in the kernel."""
        shown, self.children = self.children, ()
        for child in shown:
            _close(child)

    def _submit(
        self, task: Task, class_index: int, data: list[dict[str, Any]] | None, marker: Any, kind: RegionKind
    ) -> None:
        if data is None:  # "Cancel"
            self.clear()
            return
        canvas = marker.canvas
        marked = regions_of(data, canvas.original_width, canvas.original_height)
        # The image may have been marked in another tab since: compare with what the store holds now.
        before = _task(self._session, task.position).state.regions.get(class_index, [])
        others = _of_other_kind(before, kind)
        n_marks = len(others) + len(marked)
        if n_marks > MAX_REGIONS:
            self._complain(
                said(
                    "{n} marks, and nothing is saved yet: one label of an image holds at most {most}. "
                    "Take {surplus} away with Undo",
                    self._language,
                    n=n_marks,
                    most=MAX_REGIONS,
                    surplus=n_marks - MAX_REGIONS,
                )
            )
            return
        if marked != [region for region in before if region["kind"] == kind]:
            try:
                self._save(task, class_index, [*others, *marked])
            except MlfError as error:
                self._complain(str(error))
                return
        self.clear()
        self._on_saved()

    def _save(self, task: Task, class_index: int, marked: Sequence[Region]) -> None:
        info = self._session.open()
        event = Event(
            event_id=uuid.uuid4().hex,
            round=info.round,
            annotator=info.annotator,
            image_index=task.image_index,
            kind=EventKind.REGION,
            payload={"class_index": class_index, "regions": list(marked)},
            shown=(class_index,),
            order=task.order,
            client_time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        result = self._session.save([event])[0]
        if result.seq is None:
            raise StoreError(said("the marks were not saved: {reason}", self._language, reason=result.error))

    def _complain(self, words: str) -> None:
        told = said("{reason}. Try again, or cancel.", self._language, reason=escape(words))
        note = ipywidgets.HTML(f'<p role="alert">{told}</p>')
        self.children = (*self.children[:2], note)


def make_marker(
    kind: RegionKind, name: str, picture: Picture, regions: Sequence[Region], language: Language = "en"
) -> Any:
    """Return an annotator of `ipyannotations` that shows a picture and the regions marked on it so far.

    Parameters
    ----------
    kind
        ``box`` or ``point``.
    name
        Name of what is marked.
    picture
        The image at about the size of the canvas.
    regions
        Marks made before; those of the other kind cannot be shown by this annotator, and are left out.
    language
        Of what the buttons say.
    """
    from ipyannotations.images import BoxAnnotator, PointAnnotator

    annotator_class = BoxAnnotator if kind == "box" else PointAnnotator
    marker = annotator_class(canvas_size=(CANVAS_WIDTH_PX, CANVAS_HEIGHT_PX), options=[name])
    # ipyevents' widget has no view of its own: JupyterLab shows a red box in its place.
    marker.children = tuple(child for child in marker.children if child is not marker.event_watcher)
    marker.event_watcher.close()
    marker.visualisation_controls.layout.display = "none"
    marker.class_selector.layout.display = "none"
    marker.submit_button.description = said("Keep marks", language)
    marker.skip_button.description = said("Cancel", language)
    marker.undo_button.description = said("Undo", language)
    _draw(marker.canvas, picture)
    size = marker.canvas.original_width, marker.canvas.original_height
    marker.data = [mark for region in regions if (mark := _mark_of(region, name, *size))["type"] == kind]
    marker.on_undo(lambda: _take_last(marker))
    return marker


def _take_last(marker: Any) -> None:
    """Remove the last mark. Called once everything drawn since the marker opened has been undone."""
    marker.data = marker.data[:-1]


def regions_of(data: Sequence[dict[str, Any]], width_px: int, height_px: int) -> list[Region]:
    """Return the marks of an `ipyannotations` annotator as regions: shares of the image, cut at its edges.

    Parameters
    ----------
    data
        Its `data`: boxes with `xyxy`, points with `coordinates`, in pixels of the picture it shows.
    width_px, height_px
        Size of that picture.
    """
    return [_region_of(mark, width_px, height_px) for mark in data]


def _of_other_kind(regions: Sequence[Region], kind: RegionKind) -> list[Region]:
    """Return the marks that an annotator of one kind can neither show nor change: they stay as they are."""
    return [region for region in regions if region["kind"] != kind]


def _stays(others: Sequence[Region], language: Language) -> str:
    if not others:
        return ""
    kind = others[0]["kind"]
    if len(others) == 1:
        return said(f"1 {kind} marked before stays as it is.", language)
    return said("{n} " + _MANY[kind] + " marked before stay as they are.", language, n=len(others))


def _region_of(mark: dict[str, Any], width_px: int, height_px: int) -> Region:
    if mark["type"] == "point":
        x, y = mark["coordinates"]
        return {"kind": "point", "x": _share(x, width_px), "y": _share(y, height_px)}
    x0, y0, x1, y1 = mark["xyxy"]
    left, top = _share(x0, width_px), _share(y0, height_px)
    return {
        "kind": "box",
        "x": left,
        "y": top,
        "width": round(_share(x1, width_px) - left, _DECIMALS),
        "height": round(_share(y1, height_px) - top, _DECIMALS),
    }


def _mark_of(region: Region, name: str, width_px: int, height_px: int) -> dict[str, Any]:
    x, y = region["x"] * width_px, region["y"] * height_px
    if region["kind"] == "point":
        return {"type": "point", "label": name, "coordinates": (x, y)}
    corner = (x + region["width"] * width_px, y + region["height"] * height_px)
    return {"type": "box", "label": name, "xyxy": (x, y, *corner)}


def _share(value_px: float, size_px: int) -> float:
    return round(min(max(value_px / size_px, 0.0), 1.0), _DECIMALS)


def _draw(canvas: Any, picture: Picture) -> None:
    import numpy as np  # imported here: a hub session that marks no regions does without it
    from PIL import Image

    with Image.open(BytesIO(picture.data)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((CANVAS_WIDTH_PX, CANVAS_HEIGHT_PX))
    left, top = (CANVAS_WIDTH_PX - image.width) // 2, (CANVAS_HEIGHT_PX - image.height) // 2
    canvas.image_canvas.put_image_data(np.asarray(image), left, top)
    canvas.image_extent = (left, top, left + image.width, top + image.height)
    canvas.original_width, canvas.original_height = image.width, image.height


def _task(session: AnnotationSession, position: int) -> Task:
    tasks = session.tasks([position])
    if not tasks:
        raise DatasetError(f"{session.annotator!r} has no task {position} in this round")
    return tasks[0]


def _close(widget: Any) -> None:
    # A multi-layer canvas keeps its layers apart from `children`; what is not closed stays in memory, pixels and all.
    for child in (*getattr(widget, "children", ()), *getattr(widget, "_canvases", ())):
        _close(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None)):
        if isinstance(part, ipywidgets.Widget):
            part.close()
    widget.close()
