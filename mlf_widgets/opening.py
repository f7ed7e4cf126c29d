"""Opening the right session: from the project folder on one machine, or from the Hub's service in a hub."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

from mlf_widgets.annotator import Annotator
from mlf_widgets.explorer import Explorer
from mlf_widgets.grid import Grid
from mlf_widgets.refiner import Refiner
from pipeline.annotation.explorer import ExplorerFilter, ExplorerSource
from pipeline.annotation.session import AnnotationSession
from pipeline.errors import DatasetError, ProjectError, ServiceError
from pipeline.project.label_space import LabelSpace
from pipeline.project.names import settled
from pipeline.votes.words import Round

SERVICE_URL_VARIABLE = "MLF_SERVICE_URL"
ROUND_VARIABLE = "MLF_ROUND"
PROJECT_VARIABLE = "MLF_PROJECT"
ANNOTATOR_VARIABLE = "MLF_ANNOTATOR"


def open_session(project: str | Path = "", annotator: str = "", round: str = "") -> AnnotationSession:  # noqa: A002
    """Return the session of one annotator.

    Parameters
    ----------
    project
        The project folder. Empty: the one in MLF_PROJECT, or else the current folder. In a hub it is ignored: the
        service holds the project.
    annotator
        Whose tasks. Empty: the one in MLF_ANNOTATOR, or else the person who runs this. In a hub it is ignored:
        the service knows whose session asks.
    round
        ``annotation`` or ``refinement``. Empty: the one in MLF_ROUND, or else ``annotation``.

    Raises
    ------
    ProjectError
        If the folder is not a project, or has no proposals yet, or there is no such round.
    ServiceError
        If the service is away or this installation cannot talk to one.
    """
    which = _round(round or os.environ.get(ROUND_VARIABLE, "") or Round.ANNOTATION.value)
    if os.environ.get(SERVICE_URL_VARIABLE):
        return _remote_session(which)
    from pipeline.project.folder import open_project
    from pipeline.sessions.local import LocalSession

    folder = project or os.environ.get(PROJECT_VARIABLE, "") or "."
    return LocalSession(open_project(folder), settled(annotator) or default_annotator(), which)


def open_annotator(project: str | Path = "", annotator: str = "", round: str = "") -> Annotator:  # noqa: A002
    """Return the annotation widget on one annotator's session; parameters and errors as for :func:`open_session`."""
    return Annotator(open_session(project, annotator, round))


def open_grid(
    project: str | Path = "",
    annotator: str = "",
    round: str = "",  # noqa: A002
    class_name: str = "",
) -> Grid:
    """Return the grid on one annotator's session; parameters and errors as for :func:`open_session`.

    Parameters
    ----------
    project, annotator, round
        As for :func:`open_session`.
    class_name
        Key or name of the class to open with. Empty: all tasks, and the person chooses a class.

    Raises
    ------
    DatasetError
        If no class has this key or name.
    """
    session = open_session(project, annotator, round)
    return Grid(session, find_class(session.label_space(), class_name))


def open_refiner(project: str | Path = "", annotator: str = "") -> Refiner:
    """Return the refinement widget on one refiner's session; parameters and errors as for :func:`open_session`."""
    return Refiner(open_session(project, annotator, Round.REFINEMENT.value))


def open_explorer(project: str | Path = "", class_name: str = "", round: str = "annotation") -> Explorer:  # noqa: A002
    """Return the explorer of all images and what everybody said about them; in a hub it is for researchers only.

    Parameters
    ----------
    project
        As for :func:`open_session`.
    class_name
        Key or name of the class to open with; empty for all images.
    round
        Which round it shows: ``annotation`` or ``refinement``.

    Raises
    ------
    ProjectError, ServiceError
        As for :func:`open_session`.
    DatasetError
        If no class has this key or name.
    """
    which = _round(round)
    source: ExplorerSource
    if os.environ.get(SERVICE_URL_VARIABLE):
        from pipeline.service.explorer_client import RemoteExplorer

        source = RemoteExplorer()
    else:
        from pipeline.project.folder import open_project
        from pipeline.sessions.local_explorer import LocalExplorer

        source = LocalExplorer(open_project(project or os.environ.get(PROJECT_VARIABLE, "") or "."))
    class_index = find_class(source.label_space(), class_name) if class_name else None
    return Explorer(source, ExplorerFilter(round=which, class_index=class_index))


def find_class(space: LabelSpace, name: str) -> int | None:
    """Return the index of the class with this key or, where exactly one has it, this name; None for an empty name.

    Raise `DatasetError` if there is none, or several have the name.
    """
    name = settled(name)
    if not name:
        return None
    if name in space:
        return space.index_of(name)
    found = [info for info in space if info.name.casefold() == name.casefold()]
    if len(found) > 1:
        keys = ", ".join(info.key for info in found[:5])
        raise DatasetError(f"{len(found)} classes are called {name!r}; name one by its key: {keys}")
    return found[0].index if found else space.index_of(name)


def default_annotator() -> str:
    """Return who is working here: MLF_ANNOTATOR, or else the name of the account.

    Raise `ProjectError` if the account has no name.
    """
    given = os.environ.get(ANNOTATOR_VARIABLE) or os.environ.get("JUPYTERHUB_USER")
    if given:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:  # an account with a number but no name, as in many containers
        raise ProjectError(f"it is not known who works here: set `annotator`, or {ANNOTATOR_VARIABLE}") from error


def _round(name: str) -> Round:
    try:
        return Round(name)
    except ValueError as error:
        raise ProjectError(f"round {name!r}; it must be one of {', '.join(known.value for known in Round)}") from error


def _remote_session(round_: Round) -> AnnotationSession:
    try:
        from pipeline.service.client import RemoteSession
    except ImportError as error:
        raise ServiceError(
            f"{SERVICE_URL_VARIABLE} is set, but this installation cannot talk to a service; "
            "install `multilabelfy[hub]`"
        ) from error
    session: AnnotationSession = RemoteSession(round_=round_)
    return session
