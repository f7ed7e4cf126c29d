"""Several processes that serve one project.

They share a listening socket, the database, and a folder for the little that belongs to none of them alone. Each runs
the command that started the first process, which itself serves nobody: it holds the socket and starts again what ends.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.errors import ServiceError
from pipeline.hub.keeper import BACKLOG, GIVEN_SOCKET, Keeper, listen_at
from pipeline.hub.sockets import socket_of
from pipeline.project.folder import Project
from pipeline.service.metrics import METRICS_VARIABLE
from pipeline.service.run_record import make_folder
from pipeline.store import open_project_store

#: The variable that tells a process which folder it shares with the others.
_FOLDER_VARIABLE = "MLF_SHARED_FOLDER"
#: The variable that tells it how many they are: one that is started again must not read settings that changed since.
_NUMBER_VARIABLE = "MLF_SHARED_PROCESSES"
_FOLDER_PREFIX = "mlf-service-"
#: Less than the keeper of a hub waits before it kills this process, which would leave the others behind.
_PATIENCE_S = 45.0
#: A younger folder may be another service's that has not locked it yet.
_BEING_MADE_S = 60.0


def shared_folder() -> Path | None:
    """Return the folder that this process shares with others that serve the same project; None if it is alone."""
    folder = os.environ.get(_FOLDER_VARIABLE)
    if not folder:
        return None
    make_folder(Path(folder))
    return Path(folder)


def number_of_processes() -> int:
    """Return how many processes serve the project together, this one included."""
    return int(os.environ.get(_NUMBER_VARIABLE, "1"))


@contextmanager
def listening_at(url: str) -> Iterator[socket.socket]:
    """Give the socket that several processes listen at: the one this process was given, or one at the Hub's address.

    Raise `ServiceError` if something else listens there.
    """
    given, path = os.environ.get(GIVEN_SOCKET), socket_of(url)
    if given:  # already bound by the process that starts us, so that no other process can take the port meanwhile
        yield socket.socket(fileno=int(given))
    elif path:
        own = Path(path[0])
        with listen_at(own) as listening:
            made = own.stat().st_ino
            yield listening
            with suppress(OSError):
                if own.stat().st_ino == made:  # and not that of a successor
                    own.unlink()
    else:
        address = urlsplit(url)
        host, port = address.hostname or "127.0.0.1", address.port or 8010
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise ServiceError(f"cannot listen at {host}:{port}: {error}; end what listens there") from error
        with listening:
            # Handed on to every connection: the processes, which are given a descriptor, take it for no port's.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield listening


def keep_copies(project: Project, url: str) -> int:
    """Serve a project with as many processes as its settings say, until asked to stop; return the exit code.

    Raise `StoreError` if the store cannot be opened, and `ServiceError` if something else listens at the address.
    """
    # Its schema, and what a change still has to tell it: that is for one process to do, and not for all at once.
    open_project_store(project).close()
    n_processes = project.settings.hub.processes
    command = [sys.executable, *sys.orig_argv[1:]]
    with listening_at(url) as listening, _own_folder() as folder:
        variables = {_FOLDER_VARIABLE: folder, METRICS_VARIABLE: folder, _NUMBER_VARIABLE: str(n_processes)}
        environment = {**os.environ, **variables}
        keeper = Keeper(
            command, environment=environment, listening=listening, copies=n_processes, patience_s=_PATIENCE_S
        )
        return abs(keeper.run())


@contextmanager
def _own_folder() -> Iterator[str]:
    """Give a folder for as long as this process runs; one whose process was killed goes.

    While its owner runs, a folder is locked: by that, systemd knows, too, not to clean old files away in it.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*"):
        with suppress(OSError):
            found = left.lstat()
            if found.st_uid == os.getuid() and time.time() - found.st_mtime > _BEING_MADE_S:
                with _locked(left):
                    shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX) as folder, _locked(Path(folder)):
        yield folder


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)
