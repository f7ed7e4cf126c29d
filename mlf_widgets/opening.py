"""Opening the fitting session: from the project folder on one machine, from the Hub's service in a hub."""

from __future__ import annotations

import os
from pathlib import Path

from mlf_widgets.annotator import Annotator
from pipeline.errors import ServiceError
from pipeline.session import AnnotationSession

SERVICE_URL_VARIABLE = "MLF_SERVICE_URL"


def open_session(project: str | Path, annotator: str, round: str = "annotation") -> AnnotationSession:  # noqa: A002
    """Return the session of one annotator.

    Parameters
    ----------
    project
        The project folder; in a hub, the name under which the service knows the project.
    annotator
        Whose tasks.
    round
        ``annotation`` or ``refinement``.

    Raises
    ------
    ProjectError
        If the folder is no project, or has no proposals yet.
    ServiceError
        If the service is away or this installation cannot talk to one.
    """
    if SERVICE_URL_VARIABLE in os.environ:
        return _remote_session(str(project), annotator, round)
    from pipeline.local_session import LocalSession
    from pipeline.project import open_project

    return LocalSession(open_project(project), annotator, round)


def open_annotator(project: str | Path, annotator: str, round: str = "annotation") -> Annotator:  # noqa: A002
    """Return the annotation widget on one annotator's session; parameters and errors as for :func:`open_session`."""
    return Annotator(open_session(project, annotator, round))


def _remote_session(project: str, annotator: str, round_: str) -> AnnotationSession:
    try:
        from pipeline.remote_session import RemoteSession
    except ImportError as error:
        raise ServiceError(
            f"{SERVICE_URL_VARIABLE} is set, but this installation cannot talk to a service; "
            "install `multilabelfy[hub]`"
        ) from error
    session: AnnotationSession = RemoteSession(project, annotator, round_)
    return session
