"""What `mlf hub` tells JupyterHub; the operator's `jupyterhub_config.py` may then change anything.

What differs from hub to hub (port, paths, projects) is in `private/hub.json`, in the folder that MLF_HUB_STATE names.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tornado.httpserver import HTTPServer

from pipeline.hub.accounts import GROUP_PREFIX, MONITOR, Account, Role, read_accounts
from pipeline.hub.config_file import MONITOR_FILE, PEOPLE_FILE, kept_token, service_token_file
from pipeline.hub.projects import group_prefix, projects_of, service_name
from pipeline.hub.sockets import HubSockets, socket_url
from pipeline.hub.spawner import landing_url
from pipeline.images.remote import store_environment


def configure(c: Any) -> dict[str, Any]:
    """Set everything that a hub of `mlf hub` needs.

    Parameters
    ----------
    c
        What `get_config()` returns in a file of JupyterHub's configuration.

    Returns
    -------
    dict
        What `mlf hub` wrote to `private/hub.json`.
    """
    state = Path(os.environ["MLF_HUB_STATE"])
    hub: dict[str, Any] = json.loads((state / "private" / "hub.json").read_text(encoding="utf-8"))
    accounts_path = state / "private" / "accounts.json"
    accounts = read_accounts(accounts_path)
    _set_addresses(c, hub, HubSockets(Path(hub["sockets_dir"])), state / "private")
    _set_people(c, hub, accounts_path, accounts)
    _set_sessions(c, hub, state)
    _set_services(c, hub, state / "private")
    _set_upkeep(c, hub, state / "private")
    return hub


def _set_addresses(c: Any, hub: dict[str, Any], sockets: HubSockets, private: Path) -> None:
    # One port, on this machine alone; to let others in, put a TLS-terminating web server before it. All else is reached
    # by sockets in a folder that only the Hub's account can change: nobody can stand in for a part that is away.
    # Cookies know no ports, so a path of its own keeps a hub's log-ins apart from those of other hubs on this host.
    c.JupyterHub.bind_url = f"http://127.0.0.1:{hub['port']}{hub['base_url']}"
    c.JupyterHub.hub_routespec = "/"  # whoever asks for the bare address is sent to that path
    # `mlf hub --host https://hub.example.org`: each session is an origin of its own, NAME.hub.example.org. Without it,
    # all share one. Annotators and refiners run no code of theirs; researchers do, and what their servers show can act
    # for whoever looks at it: vote as them, run code in another researcher's kernel, ask for a password.
    c.JupyterHub.subdomain_host = hub["host"]
    if hub["host"]:  # a web server before it tells where people come from: wrong passwords are counted by that
        c.JupyterHub.trusted_downstream_ips = ["127.0.0.1", "::1"]
    c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = socket_url(sockets.hub)
    c.JupyterHub.hub_socket_mode = 0o666
    c.JupyterHub.proxy_class = "pipeline.hub.proxy.SocketProxy"
    c.ConfigurableHTTPProxy.api_url = socket_url(sockets.proxy)
    c.ConfigurableHTTPProxy.command_umask = 0o077
    c.ConfigurableHTTPProxy.command = hub["proxy_command"]
    c.ConfigurableHTTPProxy.pid_file = str(private / "proxy.pid")
    # What the Hub itself remembers. `private` is closed to every account but the Hub's.
    c.JupyterHub.db_url = f"sqlite:///{private / 'hub.sqlite'}"
    c.JupyterHub.upgrade_db = True  # when a newer JupyterHub needs that; it keeps a copy
    c.JupyterHub.cookie_secret_file = str(private / "cookie_secret")
    c.JupyterHub.pid_file = str(private / "hub.pid")


def _set_people(c: Any, hub: dict[str, Any], accounts_path: Path, accounts: dict[str, Account]) -> None:
    # Who may come in: the accounts file, and nobody else.
    c.JupyterHub.authenticator_class = "pipeline.hub.authenticator.AccountsAuthenticator"
    c.AccountsAuthenticator.accounts_path = str(accounts_path)
    c.Authenticator.allowed_users = set(accounts)
    names = {project["key"]: project["name"] for project in hub["projects"]}
    light = _light_projects(hub)
    c.JupyterHub.default_url = partial(landing_url, accounts_path=str(accounts_path), keys=tuple(names), light=light)
    c.JupyterHub.template_paths = [str(Path(__file__).with_name("templates"))]
    c.JupyterHub.template_vars = {
        "announcement_login": hub["announcement"],
        "has_several_projects": len(names) > 1,
        "projects": lambda user: projects_of(
            read_accounts(accounts_path).get(user.name) if user else None, names, hub["base_url"], light
        ),
    }
    # Each role in a project is a group; the project's service reads a caller's groups from the Hub's answer about their
    # token. Nobody's token reaches the service of a project in which they have no role.
    c.JupyterHub.load_groups = {
        group_prefix(key) + role: {
            "users": [name for name, account in accounts.items() if role in account.roles_in(key)]
        }
        for key in names
        for role in Role
    }
    c.JupyterHub.load_roles = [
        {
            "name": "-".join(filter(None, ("mlf-people", key))),
            "description": "May call the annotation service; what it answers depends on their group.",
            "scopes": [f"access:services!service={service_name(key)}"],
            "groups": [group_prefix(key) + role for role in Role],
        }
        for key in names
    ]
    # The Hub keeps tokens and their notes, and reads nothing else meanwhile: few make them, and nothing that it is sent
    # is larger than a form.
    own = ["read:users!user", "users:activity!user", "servers!user", "access:servers!user"]
    researchers = [group_prefix(key) + Role.RESEARCHERS for key in names]
    c.JupyterHub.load_roles += [
        {"name": "user", "scopes": own},
        {"name": "mlf-researchers", "scopes": ["tokens!user"], "groups": researchers},
    ]
    HTTPServer.configure(None, max_body_size=100_000)
    c.Spawner.server_token_scopes = _scopes_of_session


def _light_projects(hub: dict[str, Any]) -> list[str]:
    """Return the projects whose annotators and refiners work on pages of the service, without servers."""
    return [project["key"] for project in hub["projects"] if project.get("sessions") == "light"]


def _scopes_of_session(spawner: Any) -> list[str]:
    # What the token in a session may do: be recognised by the service of its project, be reached by its owner, say that
    # it is alive.
    service = service_name(spawner.name)
    return [f"access:services!service={service}", "access:servers!server", "users:activity!user"]


def _set_sessions(c: Any, hub: dict[str, Any], state: Path) -> None:
    # A session knows the service's address and its own token; `env_keep` lets nothing else through.
    c.JupyterHub.spawner_class = "pipeline.hub.spawner.SessionSpawner"
    c.SessionSpawner.accounts_path = str(state / "private" / "accounts.json")
    c.SessionSpawner.homes_dir = str(state / "homes")
    c.SessionSpawner.notebooks_dir = str(state / "notebooks")
    c.SessionSpawner.sockets_dir = hub["sockets_dir"]  # servers and kernels are reached there; a short path
    sockets, keys = HubSockets(Path(hub["sockets_dir"])), [project["key"] for project in hub["projects"]]
    c.SessionSpawner.service_urls = {
        key: f"{socket_url(sockets.service(key))}{hub['base_url']}services/{service_name(key)}" for key in keys
    }
    # Somebody has one session in each of their projects.
    c.JupyterHub.allow_named_servers = len(keys) > 1
    c.JupyterHub.named_server_limit_per_user = len(keys) - 1
    c.SessionSpawner.light_projects = _light_projects(hub)
    c.SessionSpawner.use_own_uids = hub["use_own_uids"]
    c.SessionSpawner.session_environment = hub["session_environment"]
    # -P: a file of the owner's that is called like a package must not keep their server from starting.
    c.Spawner.cmd = [hub["session_python"], "-P", "-m", "pipeline.hub.single_user"]
    c.Spawner.env_keep = ["PATH", "LANG", "LC_ALL"]
    c.Spawner.poll_interval = 5  # seconds until the Hub notices that a session has died
    c.Spawner.start_timeout = 120
    c.Spawner.http_timeout = 120
    # A server without a terminal hears no interrupt, only that it is to end. One that does not is killed soon after,
    # with its kernels: it holds nothing of anybody's.
    c.SessionSpawner.interrupt_timeout, c.SessionSpawner.term_timeout = 0, 8
    c.JupyterHub.concurrent_spawn_limit = 20
    # These many kernels (an open page is one) may run in a session at a time.
    c.SessionSpawner.max_kernels = 10
    # Whoever comes back to the address of a session that has ended gets a new one without being asked.
    c.JupyterHub.implicit_spawn_seconds = 0.5


def _set_services(c: Any, hub: dict[str, Any], private: Path) -> None:
    # A service for each project: a child of the Hub under the Hub's own account, which alone opens the project's
    # store. A keeper holds its socket, starts it again at once when it is killed, and ends it with the Hub.
    sockets = HubSockets(Path(hub["sockets_dir"]))
    c.JupyterHub.services, c.SocketProxy.extra_routes = [], {}
    for project in hub["projects"]:
        name, socket = service_name(project["key"]), sockets.service(project["key"])
        prefix = f"{hub['base_url']}services/{name}/"
        callback = f"{hub['host']}{prefix}oauth_callback"
        c.JupyterHub.services.append(
            {
                "name": name,
                # Kept: log-ins of light sessions are sealed with it, and outlive a Hub that is started again.
                "api_token": kept_token(private / service_token_file(name)),
                "command": [*hub["keeper"], "--socket", str(socket), *project["service_command"]],
                "environment": {
                    **hub["service_environment"],
                    **store_environment(),  # it alone reads images; no session gets them, and no file holds them
                    GROUP_PREFIX: group_prefix(project["key"]),
                    **({"MLF_FURTHER_PROJECTS": "1"} if len(hub["projects"]) > 1 else {}),
                    # What JupyterHub tells a service that listens on a port.
                    "JUPYTERHUB_API_URL": f"{socket_url(sockets.hub)}{hub['base_url']}hub/api",
                    "JUPYTERHUB_SERVICE_URL": socket_url(socket),
                    "JUPYTERHUB_SERVICE_PREFIX": prefix,
                    "JUPYTERHUB_HOST": hub["host"],
                    "JUPYTERHUB_OAUTH_CALLBACK_URL": callback,
                },
                "oauth_client_id": f"service-{name}",
                "oauth_redirect_uri": callback,
                "oauth_no_confirm": True,  # it belongs to the hub; asking people to authorize it would only puzzle them
                "display": False,
            }
        )
        c.SocketProxy.extra_routes[f"{urlsplit(hub['host']).hostname or ''}{prefix}"] = socket_url(socket)


def _set_upkeep(c: Any, hub: dict[str, Any], private: Path) -> None:
    # A session of which nobody has had a page open for so long ends: it holds nothing of anybody's. The culler asks the
    # Hub through the front door, the one port: it knows no sockets.
    if hub["idle_minutes"]:
        culler = [hub["python"], "-P", "-m", "jupyterhub_idle_culler", f"--timeout={round(60 * hub['idle_minutes'])}"]
        c.JupyterHub.services.append(
            {
                "name": "mlf-idle-culler",
                "command": [*hub["keeper"], *culler],
                "environment": {
                    **hub["service_environment"],
                    "JUPYTERHUB_API_URL": f"http://127.0.0.1:{hub['port']}{hub['base_url']}hub/api",
                },
                "display": False,
            }
        )
        c.JupyterHub.load_roles.append(
            {
                "name": "mlf-idle-culler",
                "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
                "services": ["mlf-idle-culler"],
            }
        )
    # Prometheus reads the metrics of the Hub and of the service with the token in this file, which opens nothing else.
    services = [service_name(project["key"]) for project in hub["projects"]]
    c.JupyterHub.services.append({"name": MONITOR, "api_token": kept_token(private / MONITOR_FILE), "display": False})
    c.JupyterHub.load_roles.append(
        {
            "name": MONITOR,
            "scopes": ["read:metrics", *(f"access:services!service={name}" for name in services)],
            "services": [MONITOR],
        }
    )
    # Who joins or leaves while the hub runs is told to the Hub by `mlf hub`, with a token that is in `private` alone.
    c.JupyterHub.services.append(
        {"name": "mlf-people-keeper", "api_token": kept_token(private / PEOPLE_FILE), "display": False}
    )
    # `read:servers` tells it when a server has ended: without that, the Hub's answer names no servers.
    scopes = ["admin:users", "read:servers", "delete:servers", "groups"]
    c.JupyterHub.load_roles.append({"name": "mlf-people-keeper", "scopes": scopes, "services": ["mlf-people-keeper"]})
