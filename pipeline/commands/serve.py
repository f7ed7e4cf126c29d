"""`mlf serve`: the annotation service of a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pipeline.project.folder import Project

#: Threads that read and decode give way to the one that takes requests ten times as often as by Python's default.
_SWITCH_INTERVAL_S = 0.0005
#: In seconds: how long requests may go on once one of several processes is asked to end.
_LONGEST_END_S = 30


def serve(
    project: Annotated[Path, typer.Argument(help="The project's folder.")],
) -> None:
    """Serve a project's tasks and take its votes: JupyterHub runs this, people seldom do.

    The Hub starts it as a managed service and tells it everything through the environment: where to listen
    (JUPYTERHUB_SERVICE_URL), below which path (JUPYTERHUB_SERVICE_PREFIX), and the token by which it asks the Hub who
    calls (JUPYTERHUB_API_TOKEN, JUPYTERHUB_API_URL). `mlf hub PROJECT` sets all of this up. For how many seconds the
    Hub's word on a token is believed is in MLF_TOKEN_CACHE_S (10). With a store on PostgreSQL, as many processes serve
    as `processes` in [hub] of mlf.toml says.

    Example: mlf serve birds
    """
    import os

    from pipeline.errors import ServiceError
    from pipeline.project.image_table import open_whole_project
    from pipeline.service.copies import keep_copies, shared_folder
    from pipeline.service.logs import log_to_stderr

    missing = [n for n in ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_API_URL") if not os.environ.get(n)]
    if missing:
        raise ServiceError(
            f"{' and '.join(missing)} not set: the service knows people only through the Hub; "
            f"start it with `mlf hub {project}`, or name it in the Hub's configuration as deploy/ shows"
        )
    url = os.environ.get("JUPYTERHUB_SERVICE_URL") or "http://127.0.0.1:8010"
    shared = shared_folder()
    log_to_stderr(is_one_of_several=shared is not None)
    opened = open_whole_project(project)
    if opened.settings.hub.processes > 1 and shared is None:
        raise typer.Exit(keep_copies(opened, url))
    _serve(opened, url, shared)


def _serve(project: Project, url: str, shared: Path | None) -> None:
    import gc
    import os
    import sys
    from urllib.parse import urlsplit

    import uvicorn
    from jupyterhub.services.auth import HubOAuth

    from pipeline.hub.accounts import GROUP_PREFIX
    from pipeline.hub.keeper import GIVEN_SOCKET
    from pipeline.hub.sockets import socket_of
    from pipeline.service.app import PREFIX, create_app
    from pipeline.service.connections import PatientProtocol, raise_descriptor_limit
    from pipeline.service.copies import number_of_processes
    from pipeline.service.identity import TOKEN_CACHE_S, HubIdentity
    from pipeline.service.logs import log

    given, path = os.environ.get(GIVEN_SOCKET), socket_of(url)
    where: dict[str, Any]
    if given:  # already bound by the process that starts us, so that no other process can take the port meanwhile
        where = {"fd": int(given)}
    elif path:
        where = {"uds": path[0]}
    else:
        address = urlsplit(url)
        where = {"host": address.hostname or "127.0.0.1", "port": address.port or 8010}
    prefix = os.environ.get("JUPYTERHUB_SERVICE_PREFIX") or PREFIX
    name = os.environ.get("JUPYTERHUB_SERVICE_NAME") or "mlf"
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    PatientProtocol.max_connections = raise_descriptor_limit()
    oauth = HubOAuth(cache_max_age=1)
    cache_s = float(os.environ.get("MLF_TOKEN_CACHE_S", TOKEN_CACHE_S))
    identity = HubIdentity(oauth, name, cache_s=cache_s, group_prefix=os.environ.get(GROUP_PREFIX, ""))
    n_processes = 1 if shared is None else number_of_processes()
    app = create_app(
        project,
        identity,
        prefix=prefix,
        oauth=oauth,
        secret=oauth.api_token,
        shared=shared,
        n_processes=n_processes,
    )
    # Here, and not while the first person who asks, and everybody beside them, waits for a quarter of a second.
    app.openapi()
    # What is there now stays. Each look through it for garbage would stop all threads for a tenth of a second, and the
    # more somebody asks for, the more often.
    gc.collect()
    gc.freeze()
    log("serving", project=str(project.root), address=url, prefix=prefix)
    uvicorn.run(
        app,
        **where,
        http=PatientProtocol,
        ws="none",  # nothing here speaks it, and its handshakes would pass nobody who counts
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        # One of several ends before the process that started it loses patience.
        timeout_graceful_shutdown=None if shared is None else _LONGEST_END_S,
    )
