"""Static files of a session, compressed on their way: JupyterLab's and Voilà's are four megabytes as they are.

Pages are left alone: they hold what only their reader may know, and what is compressed tells its length.
"""

from __future__ import annotations

import re

from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import Application, GZipContentEncoding

_STATIC = re.compile(r"/(static|labextensions)/")
#: Files whose name or query holds a digest of what is in them.
_NAMED_BY_DIGEST = re.compile(r"/labextensions/.*(\.[0-9a-f]{8,}\.js|\?v=[0-9a-f]{16,})$")
#: A kernel's messages: the widget's own code and its tasks shrink to a third; pictures cost a millisecond.
_MESSAGES = {"compression_level": 1}


class StaticFiles(GZipContentEncoding):
    """Compresses static files, and lets browsers keep those that never change."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        self._is_static = bool(_STATIC.search(request.path))
        self._is_for_ever = bool(_NAMED_BY_DIGEST.search(request.uri or ""))

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Begin an answer."""
        if not self._is_static or status_code != 200:
            self._gzipping = False
            return status_code, headers, chunk
        if self._is_for_ever:
            headers["Cache-Control"] = "private, max-age=31536000, immutable"
        return super().transform_first_chunk(status_code, headers, chunk, finishing)


def compress(application: Application) -> None:
    """Let a session's server compress static files and kernels' messages."""
    application.add_transform(StaticFiles)
    application.settings["websocket_compression_options"] = _MESSAGES
