"""Where people land: each role's page, and what the server that shows it is told.

`SessionSpawner` uses this, and `land` does the same for other kinds of spawner. The values file for Kubernetes repeats
it, since multilabelfy is not installed in the Hub there; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tornado import web

from pipeline.hub.accounts import Role
from pipeline.runs.appearance import TEMPLATE, UNUSED_LAB_EXTENSIONS

#: Seconds that a kernel may take to start.
KERNEL_PATIENCE_S = 120
#: The page each role works on; the first match counts.
_PAGES = (
    (Role.RESEARCHERS, "progress.ipynb"),
    (Role.REFINERS, "4_refine.ipynb"),
    (Role.ANNOTATORS, "2_annotate.ipynb"),
)
#: Extensions that a session showing only one notebook does without: they cost memory and start-up time.
_UNUSED_EXTENSIONS = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook", "notebook_shim")
#: Kernels listen on sockets, not on ports that another account could take first.
SOCKETS_FOR_KERNELS = "--KernelManager.transport=ipc"
#: There are only so many of them.
_FOR_ALL = (
    SOCKETS_FOR_KERNELS,
    "--ServerApp.kernel_manager_class=pipeline.hub.kernels.BoundedKernels",
)
#: The only messages that a page's kernel accepts: a widget talks through comms. None of these runs code.
ALLOWED_MESSAGES = ("comm_open", "comm_close", "comm_msg", "comm_info_request", "kernel_info_request")
#: A session that shows one page runs none of its owner's code, wherever that code lies.
_CLOSED_ENVIRONMENT = {
    "JUPYTERHUB_SINGLEUSER_APP": "jupyter-server",
    "JUPYTERHUB_DISABLE_USER_CONFIG": "1",
    "PYTHONNOUSERSITE": "1",
}
#: How Voilà shows a page: by our template, which a page cannot change.
_PAGE = (
    f"--VoilaConfiguration.template={TEMPLATE}",
    "--VoilaConfiguration.allow_template_override=NO",
    "--VoilaConfiguration.allow_theme_override=NO",
    f"--VoilaConfiguration.extension_denylist={list(UNUSED_LAB_EXTENSIONS)}",
)
# A hub often has no internet access, so its sessions ask nobody for news.
_FOR_LABORATORIES = ("--LabApp.news_url=None", "--LabApp.extension_manager=readonly", *_PAGE)


@dataclass(frozen=True)
class Landing:
    """What a person's session opens with.

    Parameters
    ----------
    url
        The page, below the address of the session.
    arguments
        Command-line arguments of the session's server.
    environment
        Environment of the session's server, beside what all sessions have.
    is_laboratory
        Whether the page is shown from the person's own folder, with JupyterLab beside it; if not, it is one of the
        hub's notebooks, without code.
    """

    url: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    is_laboratory: bool


def find_landing(roles: Collection[str], kernel_patience_s: int = KERNEL_PATIENCE_S) -> Landing | None:
    """Return what opens for a person with these roles; None if the roles need no session."""
    page = next((page for role, page in _PAGES if role in roles), None)
    if page is None:
        return None
    is_laboratory = page == "progress.ipynb"
    environment = {"MLF_ROUND": "refinement" if page == "4_refine.ipynb" else "annotation"}
    url = f"/voila/render/{page}"
    if is_laboratory:
        return Landing(url, (*_FOR_ALL, *_FOR_LABORATORIES), environment, is_laboratory)
    return Landing(
        url,
        (*_FOR_ALL, *_single_notebook_arguments(kernel_patience_s)),
        environment | _CLOSED_ENVIRONMENT,
        is_laboratory,
    )


def land(spawner: Any, notebooks_dir: str) -> None:
    """Make a session open with what its owner's groups work on: the `pre_spawn_hook` of spawners that are not ours.

    Parameters
    ----------
    spawner
        A spawner of any kind.
    notebooks_dir
        Where its sessions find the notebooks that Voilà shows.

    Raises
    ------
    tornado.web.HTTPError
        403, if the owner needs no session.
    """
    landing = find_landing({group.name for group in spawner.user.groups})
    if landing is None:
        raise no_server()
    spawner.default_url = landing.url
    spawner.args = list(landing.arguments)
    spawner.environment = {
        # The owner may have landed on another page at the last start: drop that page's variables.
        **{name: value for name, value in spawner.environment.items() if name not in _CLOSED_ENVIRONMENT},
        **landing.environment,
    }
    spawner.notebook_dir = "" if landing.is_laboratory else notebooks_dir


def no_server() -> web.HTTPError:
    """Return the error for a person who asks for a session but whose roles need none."""
    return refusal("Reviewers read the reports and need no session of their own.")


def refusal(message: str) -> web.HTTPError:
    """Return an error that the Hub shows to the person who asked for a session."""
    error = web.HTTPError(403, message)
    error.jupyterhub_message = message  # type: ignore[attr-defined]  # what the Hub shows on its page
    return error


def _single_notebook_arguments(kernel_patience_s: int) -> list[str]:
    # Without braces: SystemdSpawner would take them for its own templates.
    return [
        *(f"--ServerApp.jpserver_extensions={name}=False" for name in _UNUSED_EXTENSIONS),
        "--ServerApp.jpserver_extensions=voila=True",
        "--ServerApp.jpserver_extensions=pipeline.hub.closed_server=True",
        "--ServerApp.reraise_server_extension_failures=True",  # better no server than an open one
        *(f"--MappingKernelManager.allowed_message_types={name}" for name in ALLOWED_MESSAGES),
        *_PAGE,
        "--VoilaConfiguration.file_allowlist=[]",
        "--VoilaConfiguration.show_tracebacks=False",
        f"--VoilaConfiguration.resources=kernel_patience_s={kernel_patience_s}",
        f"--VoilaExecutor.startup_timeout={kernel_patience_s}",
        f"--BoundedKernels.lost_after_s={kernel_patience_s}",  # by then a page that is still there has started another
        "--MappingKernelManager.cull_idle_timeout=900",
        "--MappingKernelManager.cull_interval=300",
    ]
