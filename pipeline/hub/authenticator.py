"""Logging in against the accounts file."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Unicode

from pipeline.hub.accounts import Account, make_account, read_accounts
from pipeline.project.names import settled

_MAX_FAILURES = 10
_WINDOW_S = 300
_MAX_NAMES = 10_000  # names can be made up without end


class AccountsAuthenticator(Authenticator):  # type: ignore[misc]
    """Takes a name and a password from the file that `mlf hub` writes; knows nobody else.

    After ten wrong passwords for a name within five minutes, that name waits. A name that does not exist takes as long
    and gets the same answer as a wrong password.
    """

    accounts_path = Unicode(help="The accounts file; readable by the Hub's own account alone.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._nobody, _ = make_account("nobody", (), ())

    def normalize_username(self, username: str) -> str:
        """Return the name as the store knows annotators: as it was typed, capitals included, and settled."""
        return settled(username)

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:  # noqa: ARG002 - the Hub's signature
        """Return the name if the password is right."""
        name, password = self.normalize_username(data.get("username", "")), data.get("password", "")
        failures = self._recent_failures(name)
        if len(failures) >= _MAX_FAILURES:
            self.log.warning("Login refused for %r: %d wrong passwords within %d s", name, len(failures), _WINDOW_S)
            return None
        self._count(name, failures)  # before it is looked at: guesses may come all at once
        account: Account = read_accounts(Path(self.accounts_path)).get(name, self._nobody)
        is_right = await asyncio.to_thread(account.accepts, password[:1000])
        if is_right and account is not self._nobody:
            self._failures.pop(name, None)
            return name
        return None

    def _count(self, name: str, failures: deque[float]) -> None:
        failures.append(time.monotonic())
        self._failures[name] = failures
        self._failures.move_to_end(name)
        if len(self._failures) > _MAX_NAMES:
            self._failures.popitem(last=False)

    def _recent_failures(self, name: str) -> deque[float]:
        failures = self._failures.get(name, deque(maxlen=_MAX_FAILURES))
        while failures and failures[0] < time.monotonic() - _WINDOW_S:
            failures.popleft()
        return failures
