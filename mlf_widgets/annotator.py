"""The annotation widget: one image at a time, its proposals beside it, everything by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import ipywidgets

from mlf_widgets.regions import RegionMarker
from mlf_widgets.session_widget import SessionWidget
from pipeline.annotation.session import AnnotationSession, Task
from pipeline.errors import DatasetError, MlfError
from pipeline.sessions.answers import Answer
from pipeline.sessions.messages import whole_number

Submitted = Callable[[dict[str, Any] | None], None]


class Annotator(SessionWidget):
    """One annotator's work on one round of one project, in a notebook.

    Decisions are saved as they are made, so a notebook needs no more than ``Annotator(session)``. The widget also
    follows the protocol of `ipyannotations`' widgets (`display`, `data`, `on_submit`, `submit`, `on_undo`, `undo`,
    `skip`), so that it drops into a loop such as `superintendent`'s, whose items are then the positions of the tasks.

    Where the project marks regions (`annotation.regions`), :attr:`region_marker` is the widget to mark them with; a
    notebook shows it below the annotator.

    Parameters
    ----------
    session
        The session that hands out the tasks and takes the decisions.

    Examples
    --------
    >>> widget = open_annotator("my-project", "ada")  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "annotator"

    def __init__(self, session: AnnotationSession) -> None:
        super().__init__(session)
        self.submission_functions: list[Submitted] = []
        self.undo_functions: list[Callable[[], None]] = []
        self._displayed: int | None = None
        self.region_marker = RegionMarker(session, on_saved=self._regions_saved)
        self._handlers |= {
            "open": self._open,
            "submit": self._submit_request,
            "skip": self._skip_request,
            "mark_region": self._mark_region,
        }

    def display(self, item: int) -> None:
        """Show one task.

        Parameters
        ----------
        item
            Its position among the annotator's tasks, from 0.

        Raises
        ------
        DatasetError
            If the annotator has no such task.
        """
        self._displayed = self._task(item).position
        self.send({"id": "", "notice": "goto", "position": self._displayed})

    @property
    def data(self) -> dict[str, Any] | None:
        """Return what the store holds about the displayed task, or None where nothing is displayed.

        The keys are ``image_id``, ``labels`` (keys of the classes voted yes), ``votes`` (class key to vote, over every
        class that was shown, empty while nothing is decided), ``none``, ``unsure`` and ``comment``.
        """
        if self._displayed is None:
            return None
        task = self._task(self._displayed)
        key_of = self.session.label_space().keys
        return {
            "image_id": task.image_id,
            "labels": [key_of[index] for index in task.state.label_set],
            "votes": {key_of[index]: vote.value for index, vote in task.state.exposed_votes().items()},
            "none": task.state.none,
            "unsure": task.state.unsure,
            "comment": task.state.comment,
        }

    def on_submit(self, callback: Submitted) -> None:
        """Call `callback` with `data` when a person moves on from a decided task, and with None when they skip it.

        Raises
        ------
        TypeError
            If `callback` cannot be called.
        """
        if not callable(callback):
            raise TypeError(f"on_submit takes a function, not {callback!r}")
        self.submission_functions.append(callback)

    def submit(self, _sender: object = None) -> None:
        """Hand `data` to every function given to `on_submit`."""
        value = self.data
        for callback in list(self.submission_functions):
            callback(value)

    def skip(self, _sender: object = None) -> None:
        """Tell every function given to `on_submit` that the task was skipped."""
        for callback in list(self.submission_functions):
            callback(None)

    def on_undo(self, callback: Callable[[], None]) -> None:
        """Call `callback` when :meth:`undo` is called."""
        self.undo_functions.append(callback)

    def undo(self, _sender: object = None) -> None:
        """Undo the last decision in the browser, and call every function given to `on_undo`."""
        self.send({"id": "", "notice": "undo"})
        for callback in list(self.undo_functions):
            callback()

    def close(self) -> None:
        """Close the widget and what belongs to it."""
        self.region_marker.clear()
        self.region_marker.close()
        super().close()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        if not self._marks_regions():
            return self._with_first_image(super()._repr_mimebundle_(**kwargs))
        return self._with_first_image(ipywidgets.VBox([self, self.region_marker])._repr_mimebundle_(**kwargs))

    def _marks_regions(self) -> bool:
        try:
            return self.session.open().annotation.regions != "off"
        except MlfError:  # the browser half says why the session does not open, and tries again
            return False

    def _open(self, params: Mapping[str, Any]) -> Answer:
        self.region_marker.clear()  # a reloaded page has lost what was drawn
        result, buffers = self._answers.open(params)
        start = result["start_position"] if self._displayed is None else self._displayed
        return {**result, "start_position": start, "is_driven": bool(self.submission_functions)}, buffers

    def _submit_request(self, params: Mapping[str, Any]) -> Answer:
        self._displayed = whole_number(params, "position")
        self.submit()
        return None, []

    def _skip_request(self, params: Mapping[str, Any]) -> Answer:
        self._displayed = whole_number(params, "position")
        self.skip()
        return None, []

    def _mark_region(self, params: Mapping[str, Any]) -> Answer:
        self.region_marker.mark(whole_number(params, "position"), whole_number(params, "class_index"))
        return None, []

    def _regions_saved(self) -> None:
        self.send({"id": "", "notice": "changed"})

    def _task(self, position: int) -> Task:
        tasks = self.session.tasks([position])
        if not tasks:
            raise DatasetError(f"{self.session.annotator!r} has no task {position} in this round")
        return tasks[0]
