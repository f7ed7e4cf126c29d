"""What all widgets on a session share: they take requests from the browser half and hand them to the session."""

from __future__ import annotations

from mlf_widgets.request_widget import RequestWidget
from pipeline.annotation.session import AnnotationSession
from pipeline.sessions.answers import SessionAnswers


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
