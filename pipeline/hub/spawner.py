"""Starting a person's session: under a uid of their own, with what their role needs and nothing else.

A kernel runs whatever its owner types. So a session gets the address of the service and its own token, and no path to
the project; and where the Hub runs as root, each session runs under a numeric account of its own, to which the project
folder, the Hub's files and the other homes are closed.

Kernels are reached by sockets in a folder of their owner's. By Jupyter's default they would listen on ports, which the
server looks up free and the kernel takes seconds later: of many that start at once, two now and then get the same one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from jupyterhub.spawner import SimpleLocalProcessSpawner
from jupyterhub.utils import random_port
from traitlets import Bool, Dict, Integer, Unicode, default

from pipeline.hub.accounts import Account, Role, home_folder, read_accounts
from pipeline.hub.landing import KERNEL_PATIENCE_S, find_landing, no_session, refusal
from pipeline.hub.notebooks import FOR_RESEARCHERS
from pipeline.hub.sockets import make_sockets_folder, sockets_path


class SessionSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc]
    """Starts sessions as processes of this machine."""

    accounts_path = Unicode(help="The accounts file: roles and uids.").tag(config=True)
    homes_dir = Unicode(help="Where everybody has a folder of their own.").tag(config=True)
    notebooks_dir = Unicode(help="The notebooks that sessions show; read-only to them.").tag(config=True)
    sockets_dir = Unicode(help="Where everybody has a folder for their kernels' sockets.").tag(config=True)
    service_url = Unicode(help="Address of the annotation service, as kernels reach it.").tag(config=True)
    use_own_uids = Bool(False, help="Run each session under its account's uid; the Hub must be root.").tag(config=True)
    session_environment = Dict(help="Environment of every session, beside its token and address.").tag(config=True)
    kernel_patience_s = Integer(
        KERNEL_PATIENCE_S, help="Seconds that a kernel may take to start; its page starts another some time after that."
    ).tag(config=True)

    @default("sockets_dir")
    def _default_sockets_dir(self) -> str:  # a configuration of before has no such line
        return str(sockets_path(Path(self.accounts_path).parents[1]))

    #: Port of each session's server. One that was looked up free is taken only when the server is up.
    _ports: ClassVar[dict[str, int]] = {}

    @property
    def account(self) -> Account:
        """Return the account of the session's owner."""
        account = read_accounts(Path(self.accounts_path)).get(self.user.name)
        if account is None:
            raise refusal(f"{self.user.name} has no account in this hub any more.")
        return account

    async def start(self) -> Any:
        """Prepare the person's folder and landing page, then start the server."""
        account = self.account
        landing = find_landing(account.roles, self.kernel_patience_s)
        if landing is None:
            raise no_session()
        self.home_dir = str(self._make_home(account))
        if landing.is_laboratory:
            self._give_notebooks(account)
        self.default_url = landing.url
        self.notebook_dir = self.home_dir if landing.is_laboratory else self.notebooks_dir
        self.args = list(landing.arguments)
        self.port = self._ports[account.name] = self._free_port(account.name)
        return await super().start()

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add what the session may know."""
        env = super().user_env(env)
        account = self.account
        landing = find_landing(account.roles)
        env |= {
            "LOGNAME": self.user.name,
            "JUPYTER_RUNTIME_DIR": str(self._sockets_folder(account)),
            "MLF_SERVICE_URL": self.service_url,
            "OMP_NUM_THREADS": "1",
        }
        if landing is not None:
            env |= landing.environment
        return env | dict(self.session_environment)

    def make_preexec_fn(self, name: str) -> Callable[[], None]:  # noqa: ARG002 - the Hub's signature
        """Return what the child does before it becomes the session: give up root, for good."""
        uid, home, use_own_uid = self.account.uid, self.home_dir, self.use_own_uids

        def become_the_person() -> None:
            os.umask(0o077)
            if use_own_uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            os.chdir(home)

        return become_the_person

    def _make_home(self, account: Account) -> Path:
        home = home_folder(Path(self.homes_dir), account.name)
        sockets = self._sockets_folder(account)
        make_sockets_folder(sockets.parent)
        for folder in (home, sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
            if self.use_own_uids:
                os.chown(folder, account.uid, account.uid)
        return home

    def _sockets_folder(self, account: Account) -> Path:
        return Path(self.sockets_dir) / str(account.uid)

    def _free_port(self, name: str) -> int:
        """Return a port that is free and given to no other session, also not to one that is still on its way."""
        given = {port for other, port in self._ports.items() if other != name}
        while (port := int(random_port())) in given:
            pass
        return port

    def _give_notebooks(self, account: Account) -> None:
        """Put a researcher's own copies into their folder; what they have changed stays."""
        for name in FOR_RESEARCHERS:
            source, target = Path(self.notebooks_dir) / name, Path(self.home_dir) / name
            if not source.exists() or os.path.lexists(target):
                continue
            # The folder is theirs: a link that they put there must not lead the Hub's pen elsewhere.
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(source.read_bytes())
                if self.use_own_uids:
                    os.fchown(file.fileno(), account.uid, account.uid)


def landing_url(handler: Any, accounts_path: str) -> str:
    """Return where the Hub sends a person who has just logged in; empty for their own session."""
    user = handler.current_user
    account = read_accounts(Path(accounts_path)).get(user.name) if user else None
    if account and set(account.roles) == {Role.REVIEWERS}:
        return "/services/mlf/reports"
    return ""
