"""JupyterHub for one project on one machine.

`mlf hub` copies this file beside its state and starts JupyterHub with it; change the copy to suit your machine. What
differs from hub to hub (port, paths) is in `hub.json`, in the folder that MLF_HUB_STATE names.
"""

import json
import os
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.hub.accounts import Role, read_accounts
from pipeline.hub.sockets import HubSockets, socket_url
from pipeline.hub.spawner import landing_url

c = get_config()  # noqa: F821 - JupyterHub provides it

state = Path(os.environ["MLF_HUB_STATE"])
hub = json.loads((state / "private" / "hub.json").read_text(encoding="utf-8"))
accounts_path = state / "private" / "accounts.json"
accounts = read_accounts(accounts_path)

# --- Addresses. One port, on this machine alone; to let others in, put a TLS-terminating web server before it. All else
# is reached by sockets in a folder that only the Hub's account can change: nobody can stand in for a part that is away.
sockets = HubSockets(Path(hub["sockets_dir"]))
c.JupyterHub.bind_url = f"http://127.0.0.1:{hub['port']}/"
#: `mlf hub --host https://hub.example.org`: each session is an origin of its own, NAME.hub.example.org. Without it, all
#: share one. Annotators and refiners run no code of theirs; researchers do, and what their servers show to others could
#: then act for whoever looks at it: vote as them, run code in another researcher's kernel, ask for a password.
c.JupyterHub.subdomain_host = hub["host"]
c.JupyterHub.hub_bind_url = c.JupyterHub.hub_connect_url = socket_url(sockets.hub)
c.JupyterHub.hub_socket_mode = 0o666
c.JupyterHub.proxy_class = "pipeline.hub.proxy.SocketProxy"
c.ConfigurableHTTPProxy.api_url = socket_url(sockets.proxy)
c.ConfigurableHTTPProxy.command_umask = 0o077
c.ConfigurableHTTPProxy.command = hub["proxy_command"]
c.ConfigurableHTTPProxy.pid_file = str(state / "private" / "proxy.pid")

# --- What the Hub itself remembers. `private` is closed to every account but the Hub's.
c.JupyterHub.db_url = f"sqlite:///{state / 'private' / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(state / "private" / "cookie_secret")
c.JupyterHub.pid_file = str(state / "private" / "hub.pid")

# --- Who may come in: the accounts file, and nobody else.
c.JupyterHub.authenticator_class = "pipeline.hub.authenticator.AccountsAuthenticator"
c.AccountsAuthenticator.accounts_path = str(accounts_path)
c.Authenticator.allowed_users = set(accounts)
c.JupyterHub.default_url = partial(landing_url, accounts_path=str(accounts_path))
c.JupyterHub.template_vars = {"announcement_login": hub["announcement"]}

# --- Sessions. A session knows the service's address and its own token; `env_keep` lets nothing else through.
c.JupyterHub.spawner_class = "pipeline.hub.spawner.SessionSpawner"
c.SessionSpawner.accounts_path = str(accounts_path)
c.SessionSpawner.homes_dir = str(state / "homes")
c.SessionSpawner.notebooks_dir = str(state / "notebooks")
c.SessionSpawner.sockets_dir = hub["sockets_dir"]  # servers and kernels are reached there; a short path
c.SessionSpawner.service_url = f"{socket_url(sockets.service)}/services/mlf"
c.SessionSpawner.use_own_uids = hub["use_own_uids"]
c.SessionSpawner.session_environment = hub["session_environment"]
#: -P: a file of the owner's that is called like a package must not keep their server from starting.
c.Spawner.cmd = [hub["session_python"], "-P", "-m", "pipeline.hub.single_user"]
c.Spawner.env_keep = ["PATH", "LANG", "LC_ALL"]
c.Spawner.poll_interval = 5  # seconds until the Hub notices that a session has died
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120
#: A server that does not end when asked is killed soon after (its kernels end with it): it holds nothing of anybody's.
c.SessionSpawner.interrupt_timeout, c.SessionSpawner.term_timeout = 5, 3
c.JupyterHub.concurrent_spawn_limit = 20
#: Whoever comes back to the address of a session that has ended gets a new one without being asked.
c.JupyterHub.implicit_spawn_seconds = 0.5

# --- The service: a child of the Hub under the Hub's own account, the only process that opens the project's store. A
# keeper holds its socket, starts it again at once when it is killed, and ends it with the Hub.
c.JupyterHub.services = [
    {
        "name": "mlf",
        "command": [*hub["keeper"], "--socket", str(sockets.service), *hub["service_command"]],
        "environment": {
            **hub["service_environment"],
            # What JupyterHub tells a service that listens on a port.
            "JUPYTERHUB_API_URL": f"{socket_url(sockets.hub)}/hub/api",
            "JUPYTERHUB_SERVICE_URL": socket_url(sockets.service),
            "JUPYTERHUB_SERVICE_PREFIX": "/services/mlf/",
            "JUPYTERHUB_HOST": hub["host"],
            "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{hub['host']}/services/mlf/oauth_callback",
        },
        "oauth_client_id": "service-mlf",
        "oauth_redirect_uri": f"{hub['host']}/services/mlf/oauth_callback",
        "oauth_no_confirm": True,  # it belongs to the hub; asking people to authorize it would only puzzle them
        "display": False,
    }
]
c.SocketProxy.extra_routes = {f"{urlsplit(hub['host']).hostname or ''}/services/mlf/": socket_url(sockets.service)}

# --- Roles. Each role is a group; the service reads a caller's groups from the Hub's answer about their token.
c.JupyterHub.load_groups = {
    role.value: {"users": [name for name, account in accounts.items() if role in account.roles]} for role in Role
}
c.JupyterHub.load_roles = [
    {
        "name": "mlf-people",
        "description": "May call the annotation service; what it answers depends on their group.",
        "scopes": ["access:services!service=mlf"],
        "groups": [role.value for role in Role],
    },
]
#: What the token in a session may do: be recognised by the service, be reached by its owner, say that it is alive.
c.Spawner.server_token_scopes = ["access:services!service=mlf", "access:servers!server", "users:activity!user"]
