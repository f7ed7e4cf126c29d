"""The grid: many images at once, one class, one checkbox per image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mlf_widgets.session_widget import SessionWidget
from pipeline.annotation.session import AnnotationSession
from pipeline.sessions.answers import Answer


class Grid(SessionWidget):
    """One annotator's tasks as a grid for one class, in a notebook.

    A tick is a vote like any other, in the same store; it says nothing about any class but the one asked about. An
    image with a tick counts as done in the annotator's list, though its other proposals have not been shown. So walk
    through the images first, and use the grid to check one class over all of them.

    Parameters
    ----------
    session
        The session that hands out the tasks and takes the decisions.
    class_index
        The class to open with; None opens with all tasks, and the person chooses a class.

    Raises
    ------
    DatasetError
        If there is no such class.

    Examples
    --------
    >>> widget = open_grid("my-project", "ada", class_name="space heater")  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "grid"

    def __init__(self, session: AnnotationSession, class_index: int | None = None) -> None:
        super().__init__(session)
        self._class_index = class_index
        self._handlers["open"] = self._open

    def _open(self, params: Mapping[str, Any]) -> Answer:
        result, buffers = self._answers.open(params)
        return {**result, "class_index": self._class_index}, buffers
