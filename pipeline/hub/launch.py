"""Everything between `mlf hub PROJECT` and a running JupyterHub."""

from __future__ import annotations

import fcntl
import html
import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Role, home_folder, read_accounts, read_removed, write_accounts
from pipeline.hub.addresses import check_host, choose_base_url, free_port
from pipeline.hub.config_file import place_configuration
from pipeline.hub.front_door import held_port
from pipeline.hub.interpreter import closed_folder, server_interpreter
from pipeline.hub.keeper import Keeper
from pipeline.hub.leftovers import LeftServer, end_left_over, end_servers
from pipeline.hub.notebooks import place_notebooks
from pipeline.hub.people import AccountChanges, PeopleOfHub, change_accounts, uids_beside
from pipeline.hub.projects import HubProject
from pipeline.hub.records import forget, server_pids
from pipeline.hub.session_logs import LogKeeper
from pipeline.hub.sockets import HubSockets, make_sockets_folder, sockets_path
from pipeline.images.remote import store_environment
from pipeline.project.folder import Project
from pipeline.runs.appearance import write_appearance

#: Minutes after which a session that nobody uses ends; votes are saved at once, so nothing is lost by it.
IDLE_MINUTES = 60.0
_PACKAGE = Path(__file__).resolve().parents[1]
_SOURCE_ROOT = _PACKAGE.parent


@dataclass(frozen=True)
class PreparedHub(PeopleOfHub):
    """A hub that is ready to start.

    Attributes
    ----------
    port, url
        Where people log in.
    command, environment
        What to run.
    missing_notebooks
        Notebooks that sessions show and that were not found; whoever lands on one sees nothing.
    sockets
        The folder of all sockets; no longer needed once the hub and its sessions have ended.
    """

    port: int
    url: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    missing_notebooks: tuple[str, ...]
    sockets: Path


def default_state_dir(project: Project) -> Path:
    """Return where a project's hub keeps its files: outside the project, so that its copies hold no passwords."""
    if os.geteuid() == 0:
        return Path("/var/lib/multilabelfy") / project.settings.project.id[:12]
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "multilabelfy" / project.settings.project.id[:12]


def prepare_hub(
    project: Project,
    people: Mapping[str, Iterable[Role]],
    *,
    state: Path,
    further: Sequence[HubProject] = (),
    port: int = 8000,
    host: str = "",
    path: str = "",
    idle_minutes: float = IDLE_MINUTES,
    proxy_command: Sequence[str] = (),
    session_python: str = "",
    share_account: bool = False,
    renew: Iterable[str] = (),
    remove: Iterable[str] = (),
) -> PreparedHub:
    """Write everything that a hub needs; starts nothing.

    Anyone who gets a new password or is removed is logged out everywhere: their tokens are deleted, and any session of
    theirs that outlived a killed Hub is ended.

    Parameters
    ----------
    project
        The project that the hub serves.
    people
        Name to roles. Accounts that exist keep their passwords and get these roles.
    state
        Folder for the hub's files.
    further
        Further projects, with their people.
    port
        The port on 127.0.0.1 where people log in; 0 takes a free one.
    host
        The address that people use, such as ``https://hub.example.org``. Each session is then at
        ``NAME.hub.example.org``, an origin of its own: DNS and certificate must cover these names.
    path
        Path below which everything lies, such as ``/birds/``; if left out, the one of the last start, at first one made
        of the project's name and the hub's folder. Cookies know no ports: two hubs on one host need two paths.
    idle_minutes
        A session of which nobody has had a page open for so many minutes ends; 0: none does.
    proxy_command
        How to run configurable-http-proxy; if left out, :func:`find_proxy` looks for it.
    session_python
        Interpreter of the sessions; if left out, this one, or one like it that other accounts may run.
    share_account
        Run all sessions under the Hub's own account even though it is root.
    renew
        Names that get a new password.
    remove
        Names whose accounts are removed; must not be among `people`.

    Raises
    ------
    ProjectError
        If the proxy or the configuration is missing, if sessions under other accounts could not run, if this hub is
        already running, or if a name cannot be renewed or removed.
    """
    check_host(host)
    use_own_uids = os.geteuid() == 0 and not share_account
    state = state.resolve()  # sessions are recognized by their home's path, and the Hub runs in another folder
    proxy = list(proxy_command) or [find_proxy()]
    _make_folders(state)
    if use_own_uids:
        _check_reachable(state, "the hub's folder", "choose another with --state")
        _check_reachable(_PACKAGE, "multilabelfy", "install it below /opt")
        for served in (project, *(each.project for each in further)):
            _close_project(served)
        session_python = session_python or server_interpreter(state / "python")
    session_python = session_python or sys.executable
    private = state / "private"
    config = place_configuration(state)
    with alone(state):  # a running hub must lose neither its accounts nor its ports
        accounts = read_accounts(private / "accounts.json")
        projects = [HubProject("", "", project, people), *further]
        known = _known_projects(projects, private)
        changes = change_accounts(
            accounts,
            people,
            renew=tuple(renew),
            remove=tuple(remove),
            homes=state / "homes",
            others=uids_beside(state),
            further={each.key: each.people for each in further},
        )
        missing_notebooks = place_notebooks(state / "notebooks")
        end_left_over(state)
        port = free_port(port)  # first: a port that is taken must change no account
        base_url = choose_base_url(path, project.settings.project.name, state)
        sockets = sockets_path(state)
        make_sockets_folder(sockets)  # fails if it is somebody else's: things below it get removed
        _carry_out(changes, state, sockets)
    hub = {
        "port": port,
        "host": host.rstrip("/"),
        "python": sys.executable,
        "idle_minutes": idle_minutes,
        "base_url": base_url,
        "proxy_command": [sys.executable, "-P", "-m", "pipeline.hub.front_door", *proxy],
        "session_python": session_python,
        "sockets_dir": str(sockets),
        "use_own_uids": use_own_uids,
        "keeper": [sys.executable, "-P", "-m", "pipeline.hub.keeper"],
        "projects": [
            {
                "key": each.key,
                "name": each.project.settings.project.name,
                "service_command": service_command(each.project),
                "sessions": each.project.settings.hub.sessions,
            }
            for each in projects
        ],
        "known_projects": known,
        "service_environment": _python_path() | {"PATH": os.environ.get("PATH", "")},
        "session_environment": _python_path()
        | write_appearance(state / "jupyter")
        | {"PATH": os.pathsep.join([str(Path(session_python).parent), "/usr/local/bin", "/usr/bin", "/bin"])},
        # JupyterHub shows announcements as HTML.
        "announcement": f"{html.escape(_names(projects))}: sign in with the name and password you got",
    }
    (private / "hub.json").write_text(json.dumps(hub, indent=1), encoding="utf-8")
    return PreparedHub(
        **vars(PeopleOfHub.after(changes, state, use_own_uids=use_own_uids)),
        port=port,
        url=f"{host.rstrip('/') or f'http://127.0.0.1:{port}'}{base_url}",
        command=(sys.executable, "-P", "-m", "jupyterhub", "-f", str(config)),
        environment=_hub_environment(state),
        missing_notebooks=missing_notebooks,
        sockets=sockets,
    )


def run_hub(prepared: PreparedHub) -> int:
    """Run a prepared hub until SIGINT or SIGTERM; return 0, or the exit code of a Hub that does not start.

    A Hub that is killed is restarted and finds its sessions, which kept running meanwhile: all addresses stay the same.
    What the Hub writes goes to `private/hub.log`, and what sessions write to `private/sessions`.

    Raise `ProjectError` if this project's hub is already running, or its port has been taken meanwhile.
    """
    make_sockets_folder(prepared.sockets)
    with alone(prepared.state), held_port(prepared.port), kept_logs(prepared) as output:
        code = Keeper(
            prepared.command,
            environment=prepared.environment,
            folder=prepared.state / "private",
            output=output.fileno(),
            max_quick_failures=3,
        ).run()
        end_left_over(prepared.state)
    return code


@contextmanager
def kept_logs(prepared: PreparedHub) -> Iterator[socket.socket]:
    """Keep the logs of a hub until the block ends; yield the socket that the Hub prints to."""
    logs = LogKeeper(hub_log(prepared.state), prepared.state / "private" / "sessions", HubSockets(prepared.sockets).log)
    logs.start()
    try:
        yield logs.hub_end
    finally:
        logs.stop()


def hub_log(state: Path) -> Path:
    """Return the path of a hub's log."""
    return state / "private" / "hub.log"


@contextmanager
def alone(state: Path, name: str = "lock") -> Iterator[None]:
    """Hold a lock of a hub's folder: the hub's own, or that of whoever changes its people while it runs.

    Raise `ProjectError` if another process holds it.
    """
    with (state / "private" / name).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ProjectError(
                f"the hub in {state} is running already; stop it first (Ctrl-C where `mlf hub` runs)"
            ) from error
        yield


def find_proxy() -> str:
    """Return the path of configurable-http-proxy.

    Raise `ProjectError` if it is neither on the PATH nor in a `node_modules` beside the software or the working folder.
    """
    folders = (Path.cwd(), _SOURCE_ROOT / "deploy" / "jupyterhub", _SOURCE_ROOT)
    places = [str(folder / "node_modules" / ".bin") for folder in folders]
    path = os.pathsep.join([*places, os.environ.get("PATH", "")])
    found = shutil.which("configurable-http-proxy", path=path)
    if found is None:
        raise ProjectError(
            "JupyterHub needs configurable-http-proxy, which is not installed; run "
            "`npm install configurable-http-proxy` here (Node.js 18 or newer), or use `make hub`"
        )
    return found


def _make_folders(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    for name, mode in (("", 0o711), ("private", 0o700), ("homes", 0o711), ("notebooks", 0o755)):
        folder = state / name
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)


def _names(projects: Sequence[HubProject]) -> str:
    return ", ".join(each.project.settings.project.name for each in projects)


def _known_projects(projects: Sequence[HubProject], private: Path) -> dict[str, str]:
    """Return the id of every project that the hub has ever served, by its key.

    Raise `ProjectError` if a key was another project's: roles that somebody had there must not become roles here.
    """
    path = private / "hub.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known: dict[str, str] = found.get("known_projects", {})
    for each in projects:
        if known.setdefault(each.key, each.project.settings.project.id) != each.project.settings.project.id:
            raise ProjectError(
                f"{each.project.root}: this hub knows another project "
                + (f"by the name {each.key!r}; rename the folder" if each.key else "as its first; name that one first")
                + ", or give the hub a folder of its own with --state"
            )
    return known


def _close_project(project: Project) -> None:
    project.root.chmod(0o700)
    if project.store_url.startswith("sqlite"):  # the database may lie outside the project
        store = Path(project.store_url.partition(":///")[2])
        for file in store.parent.glob(f"{store.name}*"):
            file.chmod(0o600)


def _check_reachable(path: Path, what: str, remedy: str) -> None:
    """Raise unless every account can reach `path`, links followed."""
    closed = closed_folder(path)
    if closed is not None:
        raise ProjectError(
            f"{what} lies at {path}, and {closed} is closed to other accounts, so sessions under accounts of their own "
            f"cannot start; {remedy}, or give --share-account, which leaves the store unprotected"
        )


def _carry_out(changes: AccountChanges, state: Path, sockets: Path) -> None:
    """Apply the changes to sessions, the Hub's records and the accounts file.

    The accounts are written last: if this is cut off before, running the same command again finishes it.
    """
    path, records = state / "private" / "accounts.json", state / "private" / "hub.sqlite"
    renewed = {name: changes.accounts[name] for name in changes.passwords}
    logged_out = {**renewed, **changes.removed}
    end_servers(
        [LeftServer(name, home_folder(state / "homes", name), server_pids(records, name)) for name in logged_out]
    )
    for account in logged_out.values():
        shutil.rmtree(sockets / str(account.uid), ignore_errors=True)
    forget(records, log_ins=renewed, people=changes.removed)
    write_accounts(changes.accounts, path, {*read_removed(path), *changes.removed})


def service_command(project: Project) -> list[str]:
    """Return how to run the service of a project."""
    run = "import typer; from pipeline.commands.serve import serve; typer.run(serve)"
    return [sys.executable, "-P", "-c", run, str(project.root.resolve())]


def _python_path() -> dict[str, str]:
    """Let child processes find these packages when they run from a checkout that is not installed."""
    path = os.pathsep.join(filter(None, [str(_SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]))
    return {"PYTHONPATH": path}


def _hub_environment(state: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "USER") if name in os.environ}
    return (
        kept
        | store_environment()
        | _python_path()
        | {"MLF_HUB_STATE": str(state), "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(32)}
    )
