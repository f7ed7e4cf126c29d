"""Who is calling: what the Hub says about a token, and nothing that callers say about themselves."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.errors import ServiceError
from pipeline.hub.accounts import MONITOR, Role

#: Seconds for which the Hub's answer about a token is trusted: how long a revoked or expired one may still work.
TOKEN_CACHE_S = 10.0
#: Seconds for which it is trusted when the Hub cannot be asked: work goes on while the Hub restarts or does not answer.
KEPT_ANSWER_S = 300.0
#: Seconds that the Hub has to answer. Saves wait for it, and a healthy Hub takes a few milliseconds.
HUB_PATIENCE_S = 2.0
#: Seconds after a failure in which people who are already known do not wait for the Hub.
_PAUSE_S = 5.0
_MAX_CACHED = 20_000
_MAX_TOKEN_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, as the Hub knows them; for `groups`, the Hub's groups, see :class:`pipeline.hub.accounts.Role`.

    `is_monitor` says that it is no person but the program that reads the metrics; it is in no group.
    """

    name: str
    groups: frozenset[str] = field(default_factory=frozenset)
    is_monitor: bool = False

    def is_in(self, *roles: Role) -> bool:
        """Return whether the person has one of these roles."""
        return any(role.value in self.groups for role in roles)


class RefusedToken(Exception):  # noqa: N818 - an answer, not a defect
    """The token is valid, but not for this service; the text says why."""


class Identity(Protocol):
    """Resolves tokens; a hub in production, a table in tests."""

    async def caller(self, token: str) -> Caller | None:
        """Return whose token it is, or None if it is nobody's.

        Raise `RefusedToken` if it belongs to no person, or its scopes do not reach this service. Raise `ServiceError`
        if the Hub cannot be asked now.
        """


class HubIdentity:
    """Asks JupyterHub about tokens.

    Parameters
    ----------
    hub_auth
        A `jupyterhub.services.auth.HubAuth`; if left out, made from the environment that the Hub gives its services.
    service_name
        The name under which the Hub runs this service: a token needs ``access:services!service=<name>``.
    cache_s
        Seconds for which an answer is kept.
    patience_s
        Seconds that the Hub has to answer.
    group_prefix
        What the groups of the service's project begin with; other projects' groups do not count here.
    """

    def __init__(
        self,
        hub_auth: Any = None,
        service_name: str = "mlf",
        cache_s: float = TOKEN_CACHE_S,
        patience_s: float = HUB_PATIENCE_S,
        group_prefix: str = "",
    ) -> None:
        from jupyterhub.services.auth import HubOAuth

        self.hub_auth: Any = hub_auth or HubOAuth()
        self._needed = {"access:services", f"access:services!service={service_name}"}
        self._group_prefix = group_prefix
        self._cache_s, self._patience_s = cache_s, patience_s
        self._failed_at = -_PAUSE_S
        self._answers: OrderedDict[bytes, tuple[float, Mapping[str, Any] | None]] = OrderedDict()
        self._pending: dict[bytes, asyncio.Task[Mapping[str, Any] | None]] = {}

    async def caller(self, token: str) -> Caller | None:
        """Return whose token it is; see :class:`Identity`."""
        if not token or len(token) > _MAX_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable():
            return None
        model = await self._model(token)
        if model is None:
            return None
        if model.get("kind") == "service" and model.get("name") == MONITOR:
            return Caller(MONITOR, is_monitor=True)
        if model.get("kind") != "user":
            raise RefusedToken(f"the token belongs to a {model.get('kind')}, not to a person")
        if not self._needed & set(model.get("scopes") or ()):
            raise RefusedToken("the token may not be used for this service (its scopes do not include it)")
        groups = (str(group) for group in model.get("groups") or ())
        own = (group.removeprefix(self._group_prefix) for group in groups if group.startswith(self._group_prefix))
        return Caller(str(model["name"]), frozenset(own))

    async def _model(self, token: str) -> Mapping[str, Any] | None:
        # Tokens themselves are not kept: a dump of this process must not hand them out.
        key = hashlib.sha256(token.encode()).digest()
        asked_at, model = self._answers.get(key, (0.0, None))
        age_s = time.monotonic() - asked_at
        if key in self._answers and age_s < self._cache_s:
            return model
        is_kept = model is not None and age_s < KEPT_ANSWER_S
        task = self._pending.get(key)
        if task is None:  # fifty requests of one page ask the Hub once
            task = self._pending[key] = asyncio.ensure_future(self._ask(key, token))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to await it
        if is_kept and time.monotonic() - self._failed_at < _PAUSE_S:
            return model  # the Hub was away a moment ago; if it is back, its answer will be used next time
        try:
            return await asyncio.shield(task)
        except ServiceError:
            if is_kept:
                return model
            raise

    async def _ask(self, key: bytes, token: str) -> Mapping[str, Any] | None:
        from tornado.web import HTTPError

        model: Mapping[str, Any] | None
        try:
            async with asyncio.timeout(self._patience_s):
                model = await self.hub_auth.user_for_token(token, use_cache=False, sync=False)
        except (HTTPError, TimeoutError, OSError) as error:
            self._failed_at = time.monotonic()
            raise ServiceError(
                "the Hub does not answer, so the service cannot know who you are; your work is kept and sent again"
            ) from error
        finally:
            self._pending.pop(key, None)
        self._answers[key] = (time.monotonic(), model)
        self._answers.move_to_end(key)
        if len(self._answers) > _MAX_CACHED:
            self._answers.popitem(last=False)
        return model
