"""Who may come in: one project with its store, and how a request is let through or refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from fastapi import Request

from pipeline.hub.accounts import Role
from pipeline.project.folder import Project
from pipeline.service.identity import Caller, Identity, RefusedToken
from pipeline.service.limits import Allowances, Limits
from pipeline.service.metrics import Metrics
from pipeline.service.serving import ServedTables
from pipeline.service.watch import StoreWatch
from pipeline.service.wire import ErrorBody
from pipeline.service.writer import GroupWriter
from pipeline.store import SqlStore, open_store
from pipeline.store.trouble import trouble_in_plain_words

#: A session's kernel handles one request at a time: while one waits here, its annotator's saves wait there.
LONGEST_WAIT_S = 1.5


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
    """What the routes work with; there is one per process."""

    project: Project
    identity: Identity
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)
    last_write: str = "none"

    def __post_init__(self) -> None:
        # So every message names the folder in the same way, however it was written when the service was started.
        self.project = replace(self.project, root=self.project.root.resolve())
        self._places = (self.project.images_root, self.project.examples_root, str(self.project.root))
        self.tables = ServedTables(self.project)
        self.store: SqlStore = open_store(self.project.store_url, len(self.tables.label_space))
        self.watch = StoreWatch(self.store, self.project.root)
        self.writer = GroupWriter(self.store, self._committed)
        self.allowances = Allowances(self.limits)
        self._at_work: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def _committed(self, n_saves: int) -> None:
        self.metrics.saves_per_commit.observe(n_saves)
        self.watch.committed()

    @asynccontextmanager
    async def turn_of(self, name: str) -> AsyncIterator[None]:
        """Hold one of a person's few places for requests that run at the same time; further requests wait for one.

        Raises
        ------
        Refusal
            If no place becomes free in time.
        """
        places = self._at_work.get(name)
        if places is None:
            places = self._at_work[name] = asyncio.Semaphore(self.limits.at_once)
        try:
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
        """Count a request for many things as `n_requests` requests.

        Raises
        ------
        Refusal
            If that is too many for now.
        """
        refuse_until(self.allowances.requests.take(caller.name, max(0.0, n_requests - 1)))

    async def caller(self, request: Request) -> Caller:
        """Return who sent a request with a token in its Authorization header.

        Raises
        ------
        Refusal
            If there is no token, if it belongs to nobody or is not for this service, or if its owner sends too much.
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
        for place in self._places:
            if place:
                message = message.replace(place.rstrip("/") + "/", "").replace(place, "the project")
        return message

    def close(self) -> None:
        """Finish what is queued, then close the store."""
        self.writer.close()
        self.watch.close()
        self.store.close()


def refuse_until(wait_s: float) -> None:
    """Raise `Refusal` if the caller has to wait before asking again."""
    if wait_s:
        raise Refusal(429, "RateLimited", "too many requests; wait a moment", retry_after_s=max(1, round(wait_s)))


def require(caller: Caller, *roles: Role) -> None:
    """Raise `Refusal` unless the caller has one of the roles."""
    if not caller.is_in(*roles):
        needed = " or ".join(role.value for role in roles)
        raise Refusal(403, "Forbidden", f"only {needed} may see this; you are not in that group of the Hub", "role")
