"""What every widget on a session shares: it takes requests from its browser half and hands them to the session.

Requests and replies are custom messages, not synced traits (nothing of them can end up in a saved notebook) and not
anywidget's `invoke` (which gives up after three seconds and tells a failure from a time-out no more).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import anywidget
import traitlets

from mlf_widgets.bundles import read_bundle
from mlf_widgets.messages import (
    MessageError,
    Request,
    changes_message,
    classes_buffer,
    done,
    failed,
    grid_message,
    parse_event,
    picture_message,
    save_result_message,
    session_info_message,
    small_picture_message,
    sprite_message,
    task_message,
    whole_number,
    whole_numbers,
)
from pipeline.errors import MlfError
from pipeline.session import AnnotationSession, SaveResult, TaskFilter, Unreadable

#: What a handler answers: the JSON part and the buffers beside it.
Answer = tuple[object, list[bytes]]


class SessionWidget(anywidget.AnyWidget):
    """A widget whose browser half talks to one session.

    Parameters
    ----------
    session
        Whose tasks it shows and where decisions go.
    """

    #: Name of the bundle in `mlf_widgets/static`, without its ending.
    bundle: ClassVar[str]

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)

    def __init__(self, session: AnnotationSession) -> None:
        super().__init__(_esm=read_bundle(f"{self.bundle}.js"), _css=read_bundle(f"{self.bundle}.css"))
        self.session = session
        self._classes: bytes | None = None
        self._handlers: dict[str, Callable[[Mapping[str, Any]], Answer]] = {
            "open": self._open,
            "classes": self._all_classes,
            "tasks": self._tasks,
            "find": self._find,
            "image": self._image,
            "sprite": self._sprite,
            "example": self._example,
            "images": self._images,
            "grid": self._grid,
            "save": self._save,
            "changes": self._changes,
        }
        self.on_msg(self._answer)

    def answer(self, content: object) -> tuple[Mapping[str, Any], list[bytes]]:
        """Return the reply to one message of the browser, and its buffers; every failure is put in words."""
        request_id = content.get("id", "") if isinstance(content, dict) else ""
        try:
            request = Request.parse(content)
            result, buffers = self._handler(request.kind)(request.params)
        except MlfError as error:
            return failed(str(request_id), type(error).__name__, str(error)), []
        except Exception as error:
            # The browser must hear of a defect, not wait for it; the kernel's log keeps the traceback.
            self.log.exception("request %r failed", request_id)
            return failed(str(request_id), "InternalError", f"{type(error).__name__}: {error}"), []
        return done(request.id, result), buffers

    def _handler(self, kind: str) -> Callable[[Mapping[str, Any]], Answer]:
        handler = self._handlers.get(kind)
        if handler is None:
            raise MessageError(f"no request is called {kind!r}; known are {', '.join(self._handlers)}")
        return handler

    def _answer(self, _widget: object, content: object, _buffers: object) -> None:
        reply, buffers = self.answer(content)
        self.send(reply, buffers)

    def _open(self, _params: Mapping[str, Any]) -> Answer:
        return session_info_message(self.session.open()), []

    def _all_classes(self, _params: Mapping[str, Any]) -> Answer:
        if self._classes is None:
            self._classes = classes_buffer(self.session.label_space())
        return {}, [self._classes]

    def _tasks(self, params: Mapping[str, Any]) -> Answer:
        return [task_message(task) for task in self.session.tasks(whole_numbers(params, "positions"))], []

    def _find(self, params: Mapping[str, Any]) -> Answer:
        return self.session.find(_filter(params), whole_number(params, "start"), whole_number(params, "step")), []

    def _image(self, params: Mapping[str, Any]) -> Answer:
        max_side_px = None if params.get("max_side_px") is None else whole_number(params, "max_side_px")
        picture = self.session.image(whole_number(params, "position"), max_side_px)
        return picture_message(picture), [picture.data]

    def _images(self, params: Mapping[str, Any]) -> Answer:
        positions = whole_numbers(params, "positions")
        pictures = self.session.images(positions, whole_number(params, "max_side_px"))
        heads = [small_picture_message(*pair) for pair in zip(positions, pictures, strict=True)]
        return heads, [b"" if isinstance(picture, Unreadable) else picture.data for picture in pictures]

    def _sprite(self, params: Mapping[str, Any]) -> Answer:
        indices = whole_numbers(params, "class_indices")
        sprites = [(index, self.session.sprite(index)) for index in indices]
        return [sprite_message(index, sprite) for index, sprite in sprites], [sprite.data for _, sprite in sprites]

    def _example(self, params: Mapping[str, Any]) -> Answer:
        picture = self.session.example(whole_number(params, "class_index"), whole_number(params, "number"))
        return picture_message(picture), [picture.data]

    def _grid(self, params: Mapping[str, Any]) -> Answer:
        class_index = None if params.get("class_index") is None else whole_number(params, "class_index")
        start, count = whole_number(params, "start"), whole_number(params, "count")
        return grid_message(self.session.grid(class_index, start, count, _filter(params))), []

    def _save(self, params: Mapping[str, Any]) -> Answer:
        sent = params.get("events")
        if not isinstance(sent, list):
            raise MessageError("`events` must be a list")
        results: dict[int, SaveResult] = {}
        events = []
        for i, content in enumerate(sent):
            try:
                events.append(parse_event(content))
            except MessageError as error:
                # One event that cannot be read must not keep the others from the log.
                event_id = str(content.get("event_id", "")) if isinstance(content, dict) else ""
                results[i] = SaveResult(event_id, None, str(error))
        saved = iter(self.session.save(events))
        return [save_result_message(results[i] if i in results else next(saved)) for i in range(len(sent))], []

    def _changes(self, params: Mapping[str, Any]) -> Answer:
        return changes_message(self.session.changes(whole_number(params, "since_seq"))), []


def _filter(params: Mapping[str, Any]) -> TaskFilter:
    try:
        return TaskFilter(str(params.get("which")))
    except ValueError as error:
        raise MessageError(f"no filter is called {params.get('which')!r}") from error
