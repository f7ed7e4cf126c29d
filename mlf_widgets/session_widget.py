"""What all widgets on a session share: they take requests from the browser half and hand them to the session."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any

from mlf_widgets.request_widget import RequestWidget
from pipeline.annotation.session import AnnotationSession
from pipeline.errors import MlfError
from pipeline.sessions.answers import SessionAnswers

#: Set in kernels that Voilà starts: what they show is never saved.
_VOILA_VARIABLE = "VOILA_REQUEST_URL"
#: Longest side of the image that a page shows until its scripts have come, in pixels.
_FIRST_IMAGE_PX = 640


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
        self._answers = SessionAnswers(session)
        self._handlers = self._answers.handlers

    def _with_first_image(self, shown: Any) -> Any:
        """Return what a notebook shows; in Voilà's page, with the first image, which needs no script to be seen."""
        if not os.environ.get(_VOILA_VARIABLE):
            return shown
        try:
            info = self.session.open()
            side_px = min(info.annotation.display_px, _FIRST_IMAGE_PX)
            data = self.session.image(info.start_position, side_px).data
        except MlfError:  # the browser half says so, if it is still so by then
            return shown
        image = {"image/jpeg": b64encode(data).decode("ascii")}
        return (shown[0] | image, *shown[1:]) if isinstance(shown, tuple) else shown | image
