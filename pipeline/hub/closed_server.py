"""A server that shows one page and runs none of its owner's code: an extension for sessions of annotators and refiners.

All people of a hub share an origin, so a page made up by one person's server could act for whoever looks at it.
Everything that is not in the list below is therefore refused, whatever Jupyter, Voilà or an extension would do with it:
no contents, no terminals, no kernels but those of the page. `ALLOWED_MESSAGES` also limits what kernels may be told,
and nothing in the owner's home is read.

Unlike `disable_user_config` alone, this lists what is needed, not what is known to be dangerous.
"""

from __future__ import annotations

import os
import re
from typing import Any

from jupyter_server.base.handlers import JupyterHandler
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler, authenticated

from pipeline.hub.compression import compress
from pipeline.hub.kernels import BoundedKernels

_KERNEL = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: Below the server's address; the page itself is added to them.
_READ = (
    r"/?",
    r"/api",  # tells the Hub that the server is up
    r"/api/status",
    rf"/api/kernels/{_KERNEL}(/channels)?",
    r"/oauth_callback",
    r"/logout",
    r"/static/.*",
    r"/voila/static/.*",
    r"/voila/templates/.*",
    r"/voila/api/themes/.*",
    r"/voila/labextensions/.*",
)
_SENT = (rf"/voila/api/shutdown/{_KERNEL}",)


class NotServed(Matcher):
    """Matches every request that the page does not make.

    Parameters
    ----------
    base_url
        The server's address, `/user/NAME/`.
    page
        The page's address, below `base_url`.
    """

    def __init__(self, base_url: str, page: str) -> None:
        self._base = base_url.rstrip("/")
        self._read = re.compile("|".join((*_READ, re.escape(page))))
        self._sent = re.compile("|".join(_SENT))

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return None for a request that is served."""
        known = {"GET": self._read, "HEAD": self._read, "POST": self._sent}.get(request.method or "")
        if known is None or not request.path.startswith(self._base):
            return {}
        return None if known.fullmatch(request.path[len(self._base) :]) else {}


class NotServedHandler(RequestHandler):
    """Refuses, whoever asks: the answer gives nothing away, and no log-in is looked at."""

    def prepare(self) -> None:
        """Answer in words that are ours alone."""
        self.set_status(404)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("This session shows one page and serves nothing else.")


class Crowded(Matcher):
    """Matches a request for the page while its reader has as many pages as they may have.

    Parameters
    ----------
    path
        The page's address.
    kernels
        The server's kernels.
    """

    def __init__(self, path: str, kernels: BoundedKernels) -> None:
        self._path, self._kernels = path, kernels

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return what the handler needs, or None for a request that is served."""
        is_one_more = request.path == self._path and self._kernels.is_full
        return {"target_kwargs": {"told": self._kernels.refusal}} if is_one_more else None


class CrowdedHandler(JupyterHandler):
    """Says so in words, before Voilà has begun to write a page; to whoever is logged in here."""

    def initialize(self, told: str) -> None:
        """Take what to say."""
        self._told = told

    @authenticated
    def get(self) -> None:
        """Answer."""
        self.set_status(429)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self._told)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Put the refusal before all other handlers of the server."""
    web = server.web_app
    page = "/" + os.environ["JUPYTERHUB_DEFAULT_URL"].lstrip("/")
    base_url = web.settings["base_url"]
    compress(web)
    web.default_router.rules[:0] = [
        Rule(NotServed(base_url, page), NotServedHandler),
        Rule(Crowded(base_url.rstrip("/") + page, web.settings["kernel_manager"]), CrowdedHandler),
    ]
