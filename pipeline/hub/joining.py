"""Joining a JupyterHub of somebody else's configuration: the lines of `mlf hub --print-config`, and their hooks.

What that hub does for other people stays as it is: the hooks act for people in our groups alone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pipeline.hub.accounts import Role
from pipeline.hub.config_file import deploy_file
from pipeline.hub.landing import SOCKETS_FOR_KERNELS, find_landing, land
from pipeline.hub.notebooks import place_notebooks
from pipeline.project.folder import Project
from pipeline.runs.appearance import write_appearance

#: Where the service listens on such a hub, whose proxy may know no sockets.
SERVICE_PORT = 8010
#: Where a spawner keeps the arguments that the hub's own configuration gives its servers.
_THEIRS = "mlf_earlier_args"
_SCOPES = ["access:services!service=mlf", "access:servers!server", "users:activity!user"]
#: What another hub's values need of ours, and how deep lines are below the second level.
_VALUES = {
    "hub": ("services", "loadRoles", "extraConfig", "networkPolicy"),
    "singleuser": ("image", "cmd", "extraEnv", "networkPolicy"),
    "proxy": ("chp",),
}
_DEEPER = 4
_VALUES_HEAD = """\
# multilabelfy: made by `mlf hub PROJECT --print-values`, to be merged into the values of your Zero to JupyterHub;
# deploy/README.md explains each. The service itself is deploy/kubernetes/service.yaml. Leave out load_groups where your
# sign-on says who is in which group; call your own pre_spawn_hook and default_url from `land` and `after_login`.
"""
_LINES = """\
# --- multilabelfy, the project {name}: made by `mlf hub {root} --print-config`. ---
# For the end of jupyterhub_config.py; with The Littlest JupyterHub, for a file of its own in
# /opt/tljh/config/jupyterhub_config.d. The Python of the Hub and that of the sessions must both have multilabelfy.
# Only the Hub's account may be able to read the project: chmod 700 {root}
from pipeline.hub.config_file import kept_token
from pipeline.hub.joining import after_login, before_spawn

# The service: it alone opens the project's store. Its keeper holds the port and starts it again. Its token is made at
# the first start and kept in a file beside the Hub's own jupyterhub_cookie_secret (or where you say): with another one
# at each start, everybody would be logged out of their pages.
c.JupyterHub.services.append({service} | {{"api_token": kept_token("mlf_service_token")}})

# Who may do what: groups with these names. Leave this out where your sign-on says who is in which group.
c.JupyterHub.load_groups.update({groups})
c.JupyterHub.load_roles.append({role})
# Beside what sessions' tokens may do by default, ours speak to the service.
c.Spawner.server_token_scopes = {scopes}

# Where people of these groups land. Nobody else notices anything.
c.Spawner.pre_spawn_hook = before_spawn(
    c.Spawner.pre_spawn_hook,
    notebooks={notebooks!r},
    settings={settings!r},
    service_port={port},
)
c.JupyterHub.default_url = after_login(c.JupyterHub.default_url{light})
"""


def lines_to_add(
    project: Project,
    people: Mapping[str, Iterable[Role]],
    folder: Path,
    service_command: list[str],
    port: int = SERVICE_PORT,
) -> str:
    """Return the lines for the end of another hub's `jupyterhub_config.py`.

    Parameters
    ----------
    project
        The project that the hub is to serve.
    people
        Name to roles.
    folder
        Where notebooks and settings of the sessions are put; every account must be able to read it.
    service_command
        How to run the service.
    port
        Port on 127.0.0.1 for the service.
    """
    notebooks = folder / "notebooks"
    for made in (folder, notebooks):
        made.mkdir(parents=True, exist_ok=True)
        made.chmod(0o755)
    place_notebooks(notebooks)
    write_appearance(folder / "jupyter")
    keeper = [sys.executable, "-P", "-m", "pipeline.hub.keeper", "--port", str(port)]
    service = {
        "name": "mlf",
        "url": f"http://127.0.0.1:{port}",
        "command": [*keeper, *service_command],
        "environment": {"PATH": os.environ.get("PATH", "")},
        "oauth_no_confirm": True,
        "display": False,
    }
    role = {"name": "mlf-people", "scopes": _SCOPES[:1], "groups": [role.value for role in Role]}
    return _LINES.format(
        name=project.settings.project.name,
        root=project.root.resolve(),
        service=_literal(service),
        groups=_literal(_groups(people)),
        role=_literal(role),
        scopes=_literal(_SCOPES),
        notebooks=str(notebooks),
        settings=str(folder / "jupyter"),
        port=port,
        light=", is_light=True" if project.settings.hub.sessions == "light" else "",
    )


def values_to_add(people: Mapping[str, Iterable[Role]]) -> str:
    """Return what to add to another hub's values for the chart of Zero to JupyterHub.

    Everything but the groups is cut from `deploy/kubernetes/values.yaml` by its indentation, as it stands there.

    Parameters
    ----------
    people
        Name to roles.
    """
    kept: list[str] = []
    top = block = ""
    for line in deploy_file("kubernetes/values.yaml").read_text(encoding="utf-8").splitlines():
        indent = len(line) - len(line.lstrip())
        word = line.strip().partition(":")[0]
        if line.strip().startswith("#") and indent < _DEEPER:
            continue
        if line.strip() and indent == 0:
            top, block = word, ""
            if top in _VALUES:
                kept.append(line)
            if top == "hub":
                scopes = json.dumps(_SCOPES)
                kept += ["  config:", "    JupyterHub:", f"      load_groups: {json.dumps(_groups(people))}"]
                kept += ["    Spawner:", f"      server_token_scopes: {scopes}"]
        elif line.strip() and indent < _DEEPER:
            block = word
        if (indent or not line.strip()) and block in _VALUES.get(top, ()):
            kept.append(line)
    return _VALUES_HEAD + "\n".join(kept)


def before_spawn(
    earlier: Any, *, notebooks: str, settings: str, service_port: int = SERVICE_PORT
) -> Callable[[Any], Awaitable[None]]:
    """Return a `pre_spawn_hook`: sessions of our people open on their work; everybody else's stay as they are.

    Parameters
    ----------
    earlier
        The hook that the hub had before, if any; it runs first.
    notebooks
        Where the notebooks lie that sessions show.
    settings
        Where Voilà's template and JupyterLab's settings lie.
    service_port
        Port on 127.0.0.1 of the service.
    """

    async def hook(spawner: Any) -> None:
        from jupyterhub.utils import maybe_future

        if callable(earlier):
            await maybe_future(earlier(spawner))
        if find_landing({group.name for group in spawner.user.groups}) is None:
            return
        # The path of a socket may be too long where that hub's homes lie: kernels have ports, as everybody's do there.
        if not hasattr(spawner, _THEIRS):  # the next start comes with the same spawner, and our arguments in it
            setattr(spawner, _THEIRS, list(spawner.args))
        land(spawner, notebooks)
        spawner.args = [*getattr(spawner, _THEIRS), *(own for own in spawner.args if own != SOCKETS_FOR_KERNELS)]
        spawner.environment |= {
            "MLF_SERVICE_URL": f"http://127.0.0.1:{service_port}{spawner.hub.base_url.removesuffix('hub/')}services/mlf",
            "OMP_NUM_THREADS": "1",
        } | {
            name: os.pathsep.join(filter(None, [settings, spawner.environment.get(name, "")]))
            for name in ("JUPYTER_PATH", "JUPYTER_CONFIG_PATH")
        }

    return hook


def after_login(earlier: Any, *, is_light: bool = False) -> Callable[[Any], str]:
    """Return a `default_url`: who only reviews lands on the reports, everybody else where they did before.

    With light sessions, annotators and refiners who are no researchers land on their page.
    """

    def landing(handler: Any) -> str:
        user = handler.current_user
        roles = {group.name for group in user.groups} & set(Role) if user else set()
        if roles == {Role.REVIEWERS}:
            return f"{handler.base_url}services/mlf/"
        if is_light and roles and Role.RESEARCHERS not in roles:
            return f"{handler.base_url}services/mlf/work"
        return str(earlier(handler)) if callable(earlier) else earlier if isinstance(earlier, str) else ""

    return landing


def _groups(people: Mapping[str, Iterable[Role]]) -> dict[str, object]:
    return {role.value: {"users": [name for name, roles in people.items() if role in roles]} for role in Role}


def _literal(value: object) -> str:
    """Return a value in lines that are both JSON and Python."""
    text = json.dumps(value, indent=4, ensure_ascii=False)
    return text.replace(": true", ": True").replace(": false", ": False")
