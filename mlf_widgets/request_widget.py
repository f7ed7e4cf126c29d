"""What all widgets share: the browser half asks, the kernel half answers.

Requests and replies are custom messages, not synced traits (nothing of them can end up in a saved notebook) and not
anywidget's `invoke` (which gives up after three seconds, and cannot tell a failure from a time-out).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import anywidget
import traitlets

from mlf_widgets.bundles import read_bundle
from pipeline.errors import MlfError
from pipeline.sessions.answers import Handler
from pipeline.sessions.messages import MessageError, Request, done, failed


class RequestWidget(anywidget.AnyWidget):
    """A widget that answers its browser half; subclasses register what they answer in `_handlers`."""

    #: Name of the bundle in `mlf_widgets/static`, without its ending.
    bundle: ClassVar[str]

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)

    def __init__(self) -> None:
        super().__init__(_esm=read_bundle(f"{self.bundle}.js"), _css=read_bundle(f"{self.bundle}.css"))
        self._handlers: dict[str, Handler] = {}
        self.on_msg(self._answer)

    def answer(self, content: object) -> tuple[Mapping[str, Any], list[bytes]]:
        """Return the reply to one message of the browser, and its buffers; every failure is put into words."""
        request_id = content.get("id", "") if isinstance(content, dict) else ""
        try:
            request = Request.parse(content)
            result, buffers = self._handler(request.kind)(request.params)
        except MlfError as error:
            return failed(str(request_id), type(error).__name__, str(error)), []
        except Exception as error:
            # Tell the browser about a defect, or it would wait for an answer; the kernel's log keeps the traceback.
            self.log.exception("request %r failed", request_id)
            return failed(str(request_id), "InternalError", f"{type(error).__name__}: {error}"), []
        return done(request.id, result), buffers

    def _handler(self, kind: str) -> Handler:
        handler = self._handlers.get(kind)
        if handler is None:
            raise MessageError(f"no request is called {kind!r}; known are {', '.join(self._handlers)}")
        return handler

    def _answer(self, _widget: object, content: object, _buffers: object) -> None:
        reply, buffers = self.answer(content)
        self.send(reply, buffers)
