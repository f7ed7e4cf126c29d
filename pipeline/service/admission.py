"""Who may come in: one project with its store, and how a request is let through or refused."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

from fastapi import Request

from pipeline.errors import MlfError
from pipeline.hub.accounts import Role
from pipeline.project.folder import SETTINGS_FILE, Project, open_project
from pipeline.service.identity import Caller, Identity, RefusedToken
from pipeline.service.limits import Allowances, Limits
from pipeline.service.logs import log
from pipeline.service.metrics import Metrics
from pipeline.service.serving import ServedTables
from pipeline.service.watch import StoreWatch
from pipeline.service.wire import ErrorBody
from pipeline.service.writer import GroupWriter
from pipeline.store import SqlStore, open_project_store
from pipeline.store.trouble import trouble_in_plain_words

#: A session's kernel handles one request at a time: while one waits here, its annotator's saves wait there.
LONGEST_WAIT_S = 1.5
#: How the addresses of saves, and of open pages that ask for news, end: they are many, and for them it is soon enough
#: to look at the files this often.
_MANY = ("/events", "/save", "/changes")
_LOOK_EVERY_S = 1.0


class Refusal(Exception):  # noqa: N818 - an answer, not a defect
    """A request that is answered with an error: status, code and message; `reason` is for the log alone."""

    def __init__(self, status: int, code: str, message: str, reason: str = "", retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(code, message)
        self.reason = reason
        self.retry_after_s = retry_after_s


@dataclass
class Service:
    """What the routes work with; there is one per process.

    `shared` is the folder of several processes that serve the project together, and None for one that is alone.
    """

    project: Project
    identity: Identity
    limits: Limits = field(default_factory=Limits)
    shared: Path | None = None
    metrics: Metrics = field(default_factory=Metrics)
    last_write: str = "none"

    def __post_init__(self) -> None:
        # So every message names the folder in the same way, however it was written when the service was started.
        self.project = replace(self.project, root=self.project.root.resolve())
        self._watched = _served_files(self.project)
        self._looked_at, self._served = time.monotonic(), self._stamp()
        self.tables = ServedTables(self.project)
        self.store: SqlStore = open_project_store(self.project)
        self.watch = StoreWatch(self.store, self.project.root, is_shared=self.shared is not None)
        self.writer = GroupWriter(self.store, self.metrics.saves_per_commit.observe)
        self.allowances = Allowances(self.limits)
        self._at_work: WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = WeakValueDictionary()

    def refresh(self) -> None:
        """Serve the project as it is now, if its settings, classes, images or proposals changed since the last look.

        What cannot be read, such as settings that somebody is just writing, leaves everything as it was.
        """
        self._looked_at, stamp = time.monotonic(), self._stamp()
        if stamp == self._served:
            return
        self._served = stamp
        try:
            project = open_project(self.project.root)
            tables = ServedTables(project)
        except MlfError as error:
            log("the project changed and cannot be read; it is served as it was", reason=str(error))
            return
        space = tables.label_space
        self.store.know_classes(len(space), space.gone, space.ancestors_of)
        self.project, self.tables, self._watched = project, tables, _served_files(project)
        log("the project changed and is served as it is now")

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        """Return what tells one version of the files that are served from another."""
        found = []
        for path in self._watched:
            try:
                status = os.stat(path)  # noqa: PTH116 - for each question, so as cheap as possible
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((status.st_mtime_ns, status.st_ino, status.st_size))
        return tuple(found)

    @asynccontextmanager
    async def turn_of(self, name: str, to: Literal["read", "save", "report"] = "read") -> AsyncIterator[None]:
        """Hold one of a person's few places for requests that run at the same time; further requests wait for one.

        There are places to read, to save and for reports, so that nobody's pictures hold up their own saves.

        Raise `Refusal` if no place becomes free in time.
        """
        places = self._at_work.get((name, to))
        if places is None:
            limits = self.limits
            n_places = {"read": limits.at_once, "save": limits.saves_at_once, "report": limits.reports_at_once}
            places = self._at_work[name, to] = asyncio.Semaphore(n_places[to])
        try:
            if not places.locked():
                await places.acquire()
            else:
                async with asyncio.timeout(LONGEST_WAIT_S):
                    await places.acquire()
        except TimeoutError:
            raise Refusal(
                503, "Crowded", "you are asking for a lot at once; try again in a moment", retry_after_s=1
            ) from None
        try:
            yield
        finally:
            places.release()

    def charge(self, caller: Caller, n_requests: float) -> None:
        """Count a request for many things as `n_requests` requests; raise `Refusal` if that is too many for now."""
        refuse_until(self.allowances.requests.take(caller.name, max(0.0, n_requests - 1)))

    def charge_bytes(self, caller: Caller, n_bytes: int, n_counted: float) -> None:
        """Count an answer by its size, beyond the requests that it counted as; it is given, and the next ones wait."""
        dear = min(n_bytes / self.limits.report_bytes_a_request, self.limits.burst / 2)
        if dear > max(n_counted, 1.0):
            self.allowances.requests.owe(caller.name, dear - max(n_counted, 1.0))

    async def caller(self, request: Request) -> Caller:
        """Return who sent a request with a token in its Authorization header.

        Raise `Refusal` if there is no token, if it belongs to nobody or is not for this service, or if its owner sends
        too much.
        """
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() not in {"token", "bearer"} or not token.strip():
            raise Refusal(401, "Unauthorized", "send your Hub token as `Authorization: token …`", "no token")
        return await self.admit(request, token.strip())

    async def admit(self, request: Request, token: str) -> Caller:
        """Return whose token this is, and count the request against them; raises like :meth:`caller`."""
        try:
            caller = await self.identity.caller(token)
        except RefusedToken as error:
            raise Refusal(403, "Forbidden", str(error), "token out of scope") from error
        if caller is None:
            raise Refusal(401, "Unauthorized", "the Hub does not know this token; restart your session", "bad token")
        request.scope["mlf_user"] = caller.name
        path = request.scope["path"]
        if not (path.endswith(_MANY) and time.monotonic() - self._looked_at < _LOOK_EVERY_S):
            self.refresh()
        refuse_until(self.allowances.requests.take(caller.name))
        return caller

    def told_to_callers(self, error: Exception, is_read: bool) -> str:
        """Return what a caller is told about an error: no folder of this machine, and no place of the database."""
        trouble = trouble_in_plain_words(error)
        if trouble is None:
            return self.without_places(str(error))
        return f"{trouble}; " + ("try again in a moment" if is_read else "your work is kept and sent again")

    def without_places(self, message: str) -> str:
        """Return a message without the folders of this machine: callers need not know them."""
        for place in (self.project.images_root, self.project.examples_root, str(self.project.root)):
            if place:
                message = message.replace(place.rstrip("/") + "/", "").replace(place, "the project")
        return message

    def close(self) -> None:
        """Finish what is queued, then close the store."""
        self.writer.close()
        self.watch.close()
        self.store.close()


def _served_files(project: Project) -> tuple[str, ...]:
    """Return the files of a project whose change changes what is served."""
    tables = (project.images_path, project.proposals_path, project.examples_path)
    return tuple(map(str, (project.root / SETTINGS_FILE, project.classes_path, project.class_pairs_path, *tables)))


def refuse_until(wait_s: float) -> None:
    """Raise `Refusal` if the caller has to wait before asking again."""
    if wait_s:
        raise Refusal(429, "RateLimited", "too many requests; wait a moment", retry_after_s=max(1, round(wait_s)))


def require(caller: Caller, *roles: Role) -> None:
    """Raise `Refusal` unless the caller has one of the roles."""
    if not caller.is_in(*roles):
        needed = " or ".join(role.value for role in roles)
        raise Refusal(403, "Forbidden", f"only {needed} may see this; you are not in that group of the Hub", "role")
