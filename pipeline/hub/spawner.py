"""Starting a person's session: under a uid of their own, with what their role needs and nothing else.

A kernel runs whatever its owner types. So a session gets the address of the service and its own token, and no path to
the project. If the Hub runs as root, each session runs under a uid of its own, to which the project folder, the Hub's
files and the other homes are closed.

Server and kernels are reached through sockets in a folder that belongs to their owner. By default they would listen on
ports that are found free and bound only seconds later: another account could bind one first, and the owner's browser
would be sent there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyterhub.spawner import SimpleLocalProcessSpawner
from jupyterhub.utils import url_path_join
from traitlets import Bool, Dict, Integer, List, Unicode, default

from pipeline.hub.accounts import Account, home_folder, read_accounts
from pipeline.hub.landing import KERNEL_PATIENCE_S, find_landing, no_server, refusal
from pipeline.hub.notebooks import FOR_RESEARCHERS
from pipeline.hub.projects import landing_page, service_name
from pipeline.hub.session_logs import log_of_server
from pipeline.hub.sockets import HubSockets, give_second_name, make_sockets_folder, socket_url, sockets_path

#: Seconds between two looks whether a session that is starting listens yet.
_LOOK_EVERY_S = 0.1
#: Where a session that shows one page looks for what it would otherwise look for in its owner's home.
_SCRATCH_FOLDERS = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "IPYTHONDIR": "ipython"}


class SessionSpawner(SimpleLocalProcessSpawner):  # type: ignore[misc]
    """Starts people's servers as processes of this machine.

    A person's *server* is what the Hub starts for them. The class is named after the session that they open in it: the
    protocol between a widget and the work of one annotator in one round (:mod:`pipeline.annotation.session`).
    """

    accounts_path = Unicode(help="The accounts file: roles and uids.").tag(config=True)
    homes_dir = Unicode(help="Where everybody has a folder of their own.").tag(config=True)
    notebooks_dir = Unicode(help="The notebooks that sessions show; read-only to them.").tag(config=True)
    sockets_dir = Unicode(help="Where everybody has a folder for their kernels' sockets.").tag(config=True)
    service_urls = Dict(help="Project's key to the address of its annotation service, as kernels reach it.").tag(
        config=True
    )
    use_own_uids = Bool(False, help="Run each session under its account's uid; the Hub must be root.").tag(config=True)
    session_environment = Dict(help="Environment of every session, beside its token and address.").tag(config=True)
    kernel_patience_s = Integer(
        KERNEL_PATIENCE_S, help="Seconds that a kernel may take to start; its page starts another some time after that."
    ).tag(config=True)
    max_kernels = Integer(
        0, help="Kernels, and so pages, that one person may have at a time; 0 takes the default of `BoundedKernels`."
    ).tag(config=True)

    light_projects: Any = List(help="Projects whose annotators and refiners work on pages of the service.").tag(
        config=True
    )

    _owner: Account | None = None  # of the socket that was named; each poll would read the file of accounts otherwise
    _warned = ""  # what the log has been told since the last start

    @default("sockets_dir")
    def _default_sockets_dir(self) -> str:  # older configurations have no such line
        return str(sockets_path(Path(self.accounts_path).parents[1]))

    @property
    def account(self) -> Account:
        """Return the account of the session's owner."""
        account = read_accounts(Path(self.accounts_path)).get(self.user.name)
        if account is None:
            raise refusal(f"{self.user.name} no longer has an account in this hub.")
        return account

    async def start(self) -> Any:
        """Prepare the person's folder and landing page, then start the server."""
        self._warned = ""
        account = self.account
        landing = find_landing(account.roles_in(self.name), self.kernel_patience_s)
        if landing is None:
            raise no_server() if account.roles_in(self.name) else refusal("You have no part in this project.")
        if self.name in self.light_projects and not landing.is_laboratory:
            raise refusal(f"You work at /services/{service_name(self.name)}/work of this hub, and need no server.")
        self.home_dir = str(self._make_home(account))
        if landing.is_laboratory:
            self._give_notebooks(account)
        else:
            self._make_scratch(account)
        self.default_url = landing.url
        self.notebook_dir = self.home_dir if landing.is_laboratory else self.notebooks_dir
        self.args = [*landing.arguments, f"--ServerApp.sock={self._socket(account)}"]
        if self.max_kernels:
            self.args.append(f"--BoundedKernels.max_kernels={self.max_kernels}")
        # What an earlier Hub was killed while starting may listen there still. It would be taken for the new one.
        for path in (self._socket(account), self._reached(account)):
            path.unlink(missing_ok=True)
        with log_of_server(HubSockets(Path(self.sockets_dir)).log, account.name) as log:
            # A session can read, write and truncate any descriptor that it holds, so it gets none of the Hub's.
            self.popen_kwargs = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            await super().start()
        await self._until_it_listens(account)
        return socket_url(self._reached(account))

    async def _until_it_listens(self, account: Account) -> None:
        """Wait until something takes connections at the session's socket, or its process has ended.

        The Hub would look by itself, but ever more seldom: a person would wait for seconds for what is there.
        """
        while await self.poll() is None:
            try:
                self._name_socket(account)
                with socket.socket(socket.AF_UNIX) as connected:
                    connected.setblocking(False)  # whoever listens and takes nobody must not hold up the Hub
                    connected.connect(str(self._reached(account)))
            except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
                pass  # not yet
            except OSError as error:
                self._warn(error)
            else:
                return
            await asyncio.sleep(_LOOK_EVERY_S)

    def _name_socket(self, account: Account) -> None:
        """Give the session's socket the name by which it is reached; raise `OSError` where that cannot be done."""
        self._owner = account
        uid = account.uid if self.use_own_uids else os.geteuid()
        give_second_name(self._socket(account), self._reached(account), uid)

    def _keep_named(self, account: Account) -> None:
        """Name the socket of a running session again if the name is gone, or is that of an earlier one."""
        try:
            self._name_socket(account)
        except FileNotFoundError as error:
            if not os.path.lexists(self._reached(account)):  # else it is reached, whatever its owner took away
                self._warn(error)
        except OSError as error:
            self._warn(error)

    def _warn(self, error: OSError) -> None:
        """Log once why a session is not reached."""
        if str(error) != self._warned:
            self._warned = str(error)
            self.log.warning(
                "The server of %s cannot be given the name by which Hub and proxy reach it: %s. If this stays so: the "
                "Hub's account needs the capability CAP_FOWNER, and %s a file system with hard links",
                self.user.name,
                error,
                self.sockets_dir,
            )

    async def poll(self) -> Any:
        """Return None while the session runs, else how it ended; see to it that a running one can be reached."""
        status = await super().poll()
        if status is None and self.ready and self._owner is not None:
            self._keep_named(self._owner)
        return status

    @property
    def server(self) -> Any:
        """Return where the Hub reaches the session; added here, since the Hub's records have no place for a socket."""
        server = super().server
        if server is not None and server.proto == "http+unix" and not server.connect_url:
            account = read_accounts(Path(self.accounts_path)).get(self.user.name)
            if account is not None:
                self._keep_named(account)  # it may have been started by an earlier version
                server.connect_url = url_path_join(socket_url(self._reached(account)), server.base_url)
        return server

    @server.setter
    def server(self, server: Any) -> None:
        SimpleLocalProcessSpawner.server.fset(self, server)

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add what the session may know."""
        env = super().user_env(env)
        account = self.account
        landing = find_landing(account.roles_in(self.name))
        env |= {
            "LOGNAME": self.user.name,
            "JUPYTER_RUNTIME_DIR": str(self._sockets_folder(account)),
            "JUPYTERHUB_SERVICE_URL": url_path_join(socket_url(self._socket(account)), self.server.base_url),
            "MLF_SERVICE_URL": self.service_urls[self.name],
            "MLF_SERVICE_UID": str(os.geteuid()),
            "OMP_NUM_THREADS": "1",
        }
        if len(self.service_urls) > 1:
            env["MLF_FURTHER_PROJECTS"] = "1"
        if landing is not None:
            env |= landing.environment
            if not landing.is_laboratory:
                env |= {name: str(self._scratch(account) / folder) for name, folder in _SCRATCH_FOLDERS.items()}
        return env | dict(self.session_environment)

    def make_preexec_fn(self, name: str) -> Callable[[], None]:  # noqa: ARG002 - the Hub's signature
        """Return what the child does before it becomes the session: give up root, for good."""
        uid, use_own_uid = self.account.uid, self.use_own_uids
        folder = self.notebook_dir  # Voilà runs what it finds in the folder where its server starts

        def become_the_person() -> None:
            os.umask(0o077)
            if use_own_uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            os.chdir(folder)

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

    def _scratch(self, account: Account) -> Path:
        own = f"{account.uid}.{self.name}.own" if self.name else f"{account.uid}.own"
        return Path(self.sockets_dir) / own  # only the Hub may write here: nobody can replace it

    def _make_scratch(self, account: Account) -> None:
        """Make the folders of a session that shows one page, empty: nothing that its owner left anywhere is read."""
        scratch = self._scratch(account)
        with suppress(FileNotFoundError):
            shutil.rmtree(scratch)
        scratch.mkdir(mode=0o700)
        if self.use_own_uids:
            os.chown(scratch, account.uid, account.uid)

    def _sockets_folder(self, account: Account) -> Path:
        return Path(self.sockets_dir) / str(account.uid)

    def _socket(self, account: Account) -> Path:
        return HubSockets(Path(self.sockets_dir)).session(account.uid, self.name)

    def _reached(self, account: Account) -> Path:
        return HubSockets(Path(self.sockets_dir)).reached(account.uid, self.name)

    def _give_notebooks(self, account: Account) -> None:
        """Put a researcher's own copies into their folder; what they have changed stays."""
        for name in FOR_RESEARCHERS:
            source, target = Path(self.notebooks_dir) / name, Path(self.home_dir) / name
            if not source.exists() or os.path.lexists(target):
                continue
            # The folder is theirs: a link that they put there must not make the Hub write elsewhere.
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(source.read_bytes())
                if self.use_own_uids:
                    os.fchown(file.fileno(), account.uid, account.uid)


def landing_url(handler: Any, accounts_path: str, keys: Sequence[str] = ("",), light: Collection[str] = ()) -> str:
    """Return where the Hub sends a person who has just logged in; empty for their own session.

    Parameters
    ----------
    handler
        What answers the person's request.
    accounts_path
        The accounts file.
    keys
        The projects of the hub.
    light
        Those of them with light sessions.
    """
    user = handler.current_user
    account = read_accounts(Path(accounts_path)).get(user.name) if user else None
    own = [key for key in keys if account and account.roles_in(key)]
    if account is None or not own:
        return ""
    return landing_page(account, own[0], handler.base_url, light) if len(own) == 1 else f"{handler.base_url}hub/home"
