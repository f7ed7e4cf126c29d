"""What a session answers to each request of a widget's browser half, in a kernel or in the service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

from pipeline.annotation.guidelines import guideline_nodes
from pipeline.annotation.session import AnnotationSession, SaveResult, SessionInfo, Task, TaskFilter, Unreadable
from pipeline.project.opaque_ids import ImageNumbers
from pipeline.sessions.hub_links import hub_links
from pipeline.sessions.messages import (
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
    text,
    texts,
    whole_number,
    whole_numbers,
)

#: The JSON part of an answer, and the buffers beside it.
Answer = tuple[object, list[bytes]]
Handler = Callable[[Mapping[str, Any]], Answer]


class SessionAnswers:
    """Answers the requests of a browser half from one session.

    Parameters
    ----------
    session
        The session that hands out the tasks and takes the decisions.
    numbers
        What turns the numbers that a browser knows into images, if that is known already.
    """

    def __init__(self, session: AnnotationSession, numbers: ImageNumbers | None = None) -> None:
        self.session = session
        if numbers is not None:
            self.numbers = numbers
        self._classes: bytes | None = None
        #: The task that was asked for last, where it was asked for alone.
        self._latest: Task | None = None

    @property
    def handlers(self) -> dict[str, Handler]:
        """Return what answers each kind of request."""
        return {
            "open": self.open,
            "classes": self._all_classes,
            "tasks": self._tasks,
            "find": self._find,
            "image": self._image,
            "sprite": self._sprite,
            "first_examples": self._first_examples,
            "example": self._example,
            "images": self._images,
            "grid": self._grid,
            "save": self._save,
            "changes": self._changes,
            "guidelines": self._guidelines,
            "guideline_picture": self._guideline_picture,
            "own_progress": self._own_progress,
        }

    @cached_property
    def numbers(self) -> ImageNumbers:
        """Return what turns the numbers that a browser knows into images."""
        return _numbers_of(self.session.open())

    def open(self, _params: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Return what a browser half needs once."""
        info = self.session.open()
        self.numbers = _numbers_of(info)  # else the first tasks would open the session once more
        return session_info_message(info) | {"hub": asdict(links) if (links := hub_links()) else None}, []

    def _all_classes(self, _params: Mapping[str, Any]) -> Answer:
        if self._classes is None:
            self._classes = classes_buffer(self.session.label_space())
        return {}, [self._classes]

    def _tasks(self, params: Mapping[str, Any]) -> Answer:
        tasks = self.session.tasks(whole_numbers(params, "positions"))
        self._latest = tasks[0] if len(tasks) == 1 else None
        return [task_message(task, self.numbers) for task in tasks], []

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
        return self._sprites(whole_numbers(params, "class_indices"), text(params, "group"))

    def _first_examples(self, params: Mapping[str, Any]) -> Answer:
        """Return the examples of a task's first proposals, for a browser that has asked for the task just before.

        It does not know which they are: it says how many it wants, and which examples it has.
        """
        position, count = whole_number(params, "position"), whole_number(params, "count")
        known = set(texts(params, "known"))
        if self._latest is None or self._latest.position != position:
            self._latest = next(iter(self.session.tasks([position])), None)
        if self._latest is None:
            return [], []
        group = self._latest.example_group
        first = [proposal.class_index for proposal in self._latest.proposals[: max(0, count)]]
        return self._sprites([index for index in first if f"{index}:{group}" not in known], group)

    def _sprites(self, indices: Sequence[int], group: str) -> Answer:
        found = [self.session.sprite(index, group) for index in indices]
        heads = [sprite_message(index, sprite, group) for index, sprite in zip(indices, found, strict=True)]
        return heads, [sprite.data for sprite in found]

    def _example(self, params: Mapping[str, Any]) -> Answer:
        class_index, number = whole_number(params, "class_index"), whole_number(params, "number")
        picture = self.session.example(class_index, number, text(params, "group"))
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
                events.append(parse_event(content, self.numbers))
            except MessageError as error:
                # One event that cannot be read must not keep the others from the log.
                event_id = str(content.get("event_id", "")) if isinstance(content, dict) else ""
                results[i] = SaveResult(event_id, None, str(error))
        saved = iter(self.session.save(events))
        return [save_result_message(results[i] if i in results else next(saved)) for i in range(len(sent))], []

    def _changes(self, params: Mapping[str, Any]) -> Answer:
        return changes_message(self.session.changes(whole_number(params, "since_seq"))), []

    def _guidelines(self, _params: Mapping[str, Any]) -> Answer:
        return guideline_nodes(self.session.open().annotation.guidelines), []

    def _guideline_picture(self, params: Mapping[str, Any]) -> Answer:
        picture = self.session.guideline_picture(whole_number(params, "number"))
        return picture_message(picture), [picture.data]

    def _own_progress(self, _params: Mapping[str, Any]) -> Answer:
        return asdict(self.session.own_progress()), []


def _filter(params: Mapping[str, Any]) -> TaskFilter:
    try:
        return TaskFilter(str(params.get("which")))
    except ValueError as error:
        raise MessageError(f"no filter is called {params.get('which')!r}") from error


def _numbers_of(info: SessionInfo) -> ImageNumbers:
    return ImageNumbers(bytes.fromhex(info.image_key))
