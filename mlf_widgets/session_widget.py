"""What all widgets on a session share: they take requests from the browser half and hand them to the session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlf_widgets.messages import (
    MessageError,
    changes_message,
    classes_buffer,
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
from mlf_widgets.request_widget import Answer, RequestWidget
from pipeline.annotation.session import AnnotationSession, SaveResult, TaskFilter, Unreadable

__all__ = ["Answer", "SessionWidget"]


class SessionWidget(RequestWidget):
    """A widget whose browser half talks to one session.

    Parameters
    ----------
    session
        The session that hands out the tasks and takes the decisions.
    """

    def __init__(self, session: AnnotationSession) -> None:
        super().__init__()
        self.session = session
        self._classes: bytes | None = None
        self._handlers = {
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
