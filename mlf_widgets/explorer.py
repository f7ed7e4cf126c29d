"""The explorer of the data set: all images and what everybody said about them, read-only, for researchers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from mlf_widgets.request_widget import RequestWidget
from pipeline.annotation.explorer import Disagreement, ExplorerFilter, ExplorerSource
from pipeline.annotation.session import TaskFilter, Unreadable
from pipeline.sessions.answers import Answer
from pipeline.sessions.messages import MessageError, classes_buffer, small_picture_message, whole_number, whole_numbers
from pipeline.votes.words import Round


class Explorer(RequestWidget):
    """All images of a project as a grid, filtered by class, status, disagreement and annotator, in a notebook.

    Parameters
    ----------
    source
        Where the images, and what people said about them, come from.
    which
        What to show first.

    Examples
    --------
    >>> widget = open_explorer("my-project")  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "explorer"

    def __init__(self, source: ExplorerSource, which: ExplorerFilter | None = None) -> None:
        super().__init__()
        self.source = source
        self._which = which or ExplorerFilter()
        self._classes: bytes | None = None
        self._handlers = {
            "explorer_open": self._open,
            "classes": self._all_classes,
            "explorer_page": self._page,
            "images": self._images,
        }

    def _open(self, _params: Mapping[str, Any]) -> Answer:
        return {**asdict(self.source.open()), "filter": asdict(self._which)}, []

    def _all_classes(self, _params: Mapping[str, Any]) -> Answer:
        if self._classes is None:
            self._classes = classes_buffer(self.source.label_space())
        return {}, [self._classes]

    def _page(self, params: Mapping[str, Any]) -> Answer:
        page = self.source.page(parse_filter(params), whole_number(params, "start"), whole_number(params, "count"))
        return asdict(page), []

    def _images(self, params: Mapping[str, Any]) -> Answer:
        indices = whole_numbers(params, "positions")
        pictures = self.source.images(indices, whole_number(params, "max_side_px"))
        heads = [small_picture_message(*pair) for pair in zip(indices, pictures, strict=True)]
        return heads, [b"" if isinstance(picture, Unreadable) else picture.data for picture in pictures]


def parse_filter(params: Mapping[str, Any]) -> ExplorerFilter:
    """Read a filter as the browser sends it; raise `MessageError` if a field is missing or has no such value."""
    content = params.get("filter")
    if not isinstance(content, dict) or not isinstance(content.get("annotator"), str):
        raise MessageError(
            f"filter = {content!r}; expected an object with round, class_index, annotator, which, disagreement"
        )
    try:
        return ExplorerFilter(
            round=Round(str(content.get("round"))),
            class_index=None if content.get("class_index") is None else whole_number(content, "class_index"),
            annotator=content["annotator"],
            which=TaskFilter(str(content.get("which"))),
            disagreement=Disagreement(str(content.get("disagreement"))),
        )
    except ValueError as error:
        raise MessageError(f"filter: {error}") from error
