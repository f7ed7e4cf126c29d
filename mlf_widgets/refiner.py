"""The refinement widget: the labels on which annotators differ, and who said what, for one person to settle."""

from __future__ import annotations

from typing import Any, ClassVar

from mlf_widgets.session_widget import SessionWidget
from pipeline.annotation.session import AnnotationSession
from pipeline.errors import ProjectError
from pipeline.votes.words import Round


class Refiner(SessionWidget):
    """One refiner's work on the disputed images of one project, in a notebook.

    Parameters
    ----------
    session
        A session of the refinement round. Where the project has refiners decide blind first, it holds back what the
        annotators said about an image until the refiner has decided every label asked about.

    Raises
    ------
    ProjectError
        If the session belongs to another round: only refinement has evidence to settle.

    Examples
    --------
    >>> widget = open_refiner("my-project", "grace")  # doctest: +SKIP
    """

    bundle: ClassVar[str] = "refiner"

    def __init__(self, session: AnnotationSession) -> None:
        if session.round is not Round.REFINEMENT:
            raise ProjectError(f"the refiner works in the refinement round; this session is of {session.round.value}")
        super().__init__(session)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self._with_first_image(super()._repr_mimebundle_(**kwargs))
