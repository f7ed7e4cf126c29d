"""Logging in against the accounts file."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Unicode

from pipeline.hub.accounts import Account, make_account, read_accounts
from pipeline.hub.throttle import Failures, Turns
from pipeline.project.names import settled

#: Wrong passwords within five minutes that cost no time: for one name from one address, and from one address in all.
_N_FREE, _N_FREE_OF_ADDRESS = 5, 50
_KNOWN_DAYS = 180


class AccountsAuthenticator(Authenticator):  # type: ignore[misc]
    """Checks names and passwords against the file that `mlf hub` writes; knows nobody else.

    After five wrong passwords for a name from an address within five minutes, each further one from there waits a
    little longer, up to eight seconds. Nobody is refused because of what others tried, and a browser from which
    somebody has logged in before is counted separately. A name that does not exist takes as long as a wrong password
    and gets the same answer.
    """

    accounts_path = Unicode(help="The accounts file; readable by the Hub's own account alone.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._of_name, self._of_address = Failures(_N_FREE), Failures(_N_FREE_OF_ADDRESS)
        # A check takes 32 MiB and a processor. However many strangers there are, known browsers do not wait for them.
        self._strangers, self._known = Turns(1), Turns(1)
        self._nobody, _ = make_account("nobody", (), ())

    def normalize_username(self, username: str) -> str:
        """Return the name as the store knows annotators: as it was typed, capitals included, in its settled form."""
        return settled(username)

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """Return the name if the password is right."""
        name, password = self.normalize_username(data.get("username", "")), data.get("password", "")
        address = str(handler.request.remote_ip)
        browser = _known_browser(handler, name)
        key = (name, browser or address)
        wait_s = self._of_name.count(key)  # before checking the password: guesses may come all at once
        if not browser:
            wait_s = max(wait_s, self._of_address.count(address))
        if wait_s:
            self.log.warning("Login of %r from %s slowed by %.1f s: many wrong passwords", name[:100], address, wait_s)
            await self._wait(wait_s)
        async with self._known.turn(browser) if browser else self._strangers.turn(address):
            account = self._account(name)  # only now: it may have got another password while this waited
            is_right = await asyncio.to_thread(account.accepts, password[:1000])
        if not is_right or account is self._nobody or self._account(name).password_hash != account.password_hash:
            return None
        self._of_name.forget(key)
        _remember_browser(handler, name)
        return name

    def _account(self, name: str) -> Account:
        return read_accounts(Path(self.accounts_path)).get(name, self._nobody)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def _cookie(name: str) -> str:
    return f"mlf-known-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:16]}"


def _known_browser(handler: Any, name: str) -> str:
    """Return what identifies a browser from which this person has logged in before; empty for any other."""
    value = handler.get_signed_cookie(_cookie(name), max_age_days=_KNOWN_DAYS)
    return f"browser {value.decode()}" if value else ""


def _remember_browser(handler: Any, name: str) -> None:
    """Mark the browser; the Hub signs the mark, which grants no access and only spares its owner the wait."""
    handler.set_signed_cookie(
        _cookie(name),
        secrets.token_hex(16),
        expires_days=_KNOWN_DAYS,
        path=handler.hub.base_url,
        httponly=True,
        samesite="lax",
        secure=handler.request.protocol == "https",
    )
