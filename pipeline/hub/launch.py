"""Everything between `mlf hub PROJECT` and a running JupyterHub."""

from __future__ import annotations

import html
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ProjectError
from pipeline.hub.accounts import Account, Role, make_account, read_accounts, write_accounts
from pipeline.project import Project

_CONFIG_NAME = "jupyterhub_config.py"
_NOTEBOOKS = ("2_annotate.ipynb", "4_refine.ipynb")
_SOURCE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class PreparedHub:
    """A hub that is ready to start.

    Attributes
    ----------
    state
        The folder of its files.
    url
        Where people log in.
    command, environment
        What to run.
    passwords
        Name to password of the accounts that are new; kept nowhere else.
    use_own_uids
        Each session runs under a uid of its own; False means that all share one, and the store is not protected.
    missing_notebooks
        Notebooks that sessions show and that were not found; who lands on one sees nothing.
    """

    state: Path
    url: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    passwords: Mapping[str, str]
    accounts: Mapping[str, Account]
    use_own_uids: bool
    missing_notebooks: tuple[str, ...]


def default_state_dir(project: Project) -> Path:
    """Return where a project's hub keeps its files: outside the project, which can be copied without its passwords."""
    if os.geteuid() == 0:
        return Path("/var/lib/multilabelfy") / project.settings.project.id[:12]
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "multilabelfy" / project.settings.project.id[:12]


def prepare_hub(
    project: Project,
    people: Mapping[str, Iterable[Role]],
    *,
    state: Path,
    port: int = 8000,
    proxy_command: Sequence[str] = (),
    service_command: Sequence[str] = (),
    session_python: str = sys.executable,
    share_account: bool = False,
    renew: Iterable[str] = (),
) -> PreparedHub:
    """Write everything that a hub needs; starts nothing.

    Parameters
    ----------
    project
        The project that the hub serves.
    people
        Name to roles. Accounts that exist keep their passwords and get these roles.
    state
        Folder for the hub's files.
    port
        Where people log in, on 127.0.0.1; 0 takes a free one.
    proxy_command
        How to run configurable-http-proxy; looked for where left out.
    service_command
        How to run the service; `mlf serve` on the project where left out.
    session_python
        Interpreter of the sessions.
    share_account
        Run all sessions under the Hub's own account although it is root.
    renew
        Names that get a new password.

    Raises
    ------
    ProjectError
        If the proxy or the configuration is missing, or sessions under other accounts could not run.
    """
    use_own_uids = os.geteuid() == 0 and not share_account
    proxy = list(proxy_command) or [find_proxy()]
    _make_folders(state)
    if use_own_uids:
        _check_reachable(Path(session_python), "the Python interpreter", "install Python and multilabelfy below /opt")
        _check_reachable(state, "the hub's folder", "choose another with --state")
        _close_project(project)
    private = state / "private"
    notebooks = state / "notebooks"
    accounts, passwords = _update_accounts(private / "accounts.json", people, set(renew))
    _copy_notebooks(notebooks)
    config = state / _CONFIG_NAME
    if not config.exists():
        shutil.copyfile(_find_deploy_config(), config)
    end_left_over_proxy(state)
    port, hub_port, proxy_port, service_port = _free_ports(port)
    hub = {
        "port": port,
        "hub_port": hub_port,
        "proxy_port": proxy_port,
        "service_port": service_port,
        "proxy_command": proxy,
        "session_python": session_python,
        "use_own_uids": use_own_uids,
        "service_command": list(service_command) or _service_command(project),
        "service_environment": _python_path() | {"PATH": os.environ.get("PATH", "")},
        "session_environment": _python_path()
        | {"PATH": os.pathsep.join([str(Path(session_python).parent), "/usr/local/bin", "/usr/bin", "/bin"])},
        # JupyterHub shows announcements as HTML.
        "announcement": f"{html.escape(project.settings.project.name)}: sign in with the name and password you got",
    }
    (private / "hub.json").write_text(json.dumps(hub, indent=1), encoding="utf-8")
    return PreparedHub(
        state=state,
        url=f"http://127.0.0.1:{port}/",
        command=(sys.executable, "-m", "jupyterhub", "-f", str(config)),
        environment=_hub_environment(state),
        passwords=passwords,
        accounts=accounts,
        use_own_uids=use_own_uids,
        missing_notebooks=tuple(name for name in _NOTEBOOKS if not (notebooks / name).exists()),
    )


def find_proxy() -> str:
    """Return the path of configurable-http-proxy.

    Raises
    ------
    ProjectError
        If it is neither on the PATH nor in a `node_modules` beside the software or the working folder.
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


def end_left_over_proxy(state: Path) -> None:
    """End the proxy of a hub that was killed: it would hold the port, and nobody has its token any more."""
    try:
        pid = int((state / "private" / "proxy.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if b"configurable-http-proxy" in command:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.05)


def _make_folders(state: Path) -> None:
    state.mkdir(parents=True, exist_ok=True)
    for name, mode in (("", 0o711), ("private", 0o700), ("homes", 0o711), ("notebooks", 0o755)):
        folder = state / name
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)


def _close_project(project: Project) -> None:
    project.root.chmod(0o700)
    for file in project.root.glob("store.sqlite*"):
        file.chmod(0o600)


def _check_reachable(path: Path, what: str, remedy: str) -> None:
    """Raise unless any account may come to `path`, links followed."""
    seen = {path.absolute(), path.resolve()}
    for start in seen:
        for folder in start.parents:
            if folder.exists() and not folder.stat().st_mode & 0o001:
                raise ProjectError(
                    f"{what} lies at {start}, and {folder} is closed to other accounts, so sessions under accounts of "
                    f"their own cannot start; {remedy}, or give --share-account, which leaves the store unprotected"
                )


def _update_accounts(
    path: Path, people: Mapping[str, Iterable[Role]], renew: set[str]
) -> tuple[dict[str, Account], dict[str, str]]:
    accounts, passwords = read_accounts(path), {}
    unknown = sorted(renew - set(people) - set(accounts))
    if unknown:
        raise ProjectError(f"no account {unknown[0]!r} to give a new password; known are {', '.join(accounts)}")
    for name, roles in people.items():
        old = accounts.get(name)
        if old and name not in renew:
            accounts[name] = Account(name, tuple(sorted(set(roles))), old.uid, old.salt, old.password_hash)
            continue
        taken = [account.uid for account in accounts.values()]
        fresh, passwords[name] = make_account(name, roles, taken)
        uid = old.uid if old else fresh.uid
        accounts[name] = Account(name, fresh.roles, uid, fresh.salt, fresh.password_hash)
    write_accounts(accounts, path)
    return accounts, passwords


def _copy_notebooks(target: Path) -> None:
    for name in _NOTEBOOKS:
        source = _SOURCE_ROOT / "notebooks" / name
        if source.exists():
            shutil.copyfile(source, target / name)
            (target / name).chmod(0o644)


def _find_deploy_config() -> Path:
    config = _SOURCE_ROOT / "deploy" / "jupyterhub" / _CONFIG_NAME
    if not config.exists():
        raise ProjectError(
            f"no {config}; put deploy/jupyterhub/{_CONFIG_NAME} of the source code into the hub's folder (--state)"
        )
    return config


def _free_ports(port: int) -> tuple[int, int, int, int]:
    sockets = [socket.socket() for _ in range(4)]
    try:
        try:
            sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sockets[0].bind(("127.0.0.1", port))
        except OSError as error:
            raise ProjectError(
                f"port {port} is taken ({error}); choose another with --port, or 0 for a free one"
            ) from error
        for other in sockets[1:]:
            other.bind(("127.0.0.1", 0))
        a, b, c, d = (s.getsockname()[1] for s in sockets)
        return a, b, c, d
    finally:
        for each in sockets:
            each.close()


def _service_command(project: Project) -> list[str]:
    run = "import typer; from pipeline.commands.serve import serve; typer.run(serve)"
    return [sys.executable, "-c", run, str(project.root.resolve())]


def _python_path() -> dict[str, str]:
    """Let children find these packages where they run from a checkout that is not installed."""
    path = os.pathsep.join(filter(None, [str(_SOURCE_ROOT), os.environ.get("PYTHONPATH", "")]))
    return {"PYTHONPATH": path}


def _hub_environment(state: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL", "USER") if name in os.environ}
    return kept | _python_path() | {"MLF_HUB_STATE": str(state), "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(32)}
