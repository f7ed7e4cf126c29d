"""The list of all classes, as callers get it: encoded and compressed once."""

import gzip
import hashlib
from collections.abc import Mapping

from fastapi import Request
from fastapi.responses import Response

from pipeline.service.admission import Service
from pipeline.service.wire import CLASSES, ClassTable


class ClassesAnswer:
    """All classes, encoded and compressed once: they are several megabytes for 21,841 classes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._encode()

    def _encode(self) -> None:
        self._space = self._service.tables.label_space
        self._plain = CLASSES.dump_json(ClassTable.of(self._space))
        self._zipped = gzip.compress(self._plain, 6)
        self._tag = f'"{hashlib.sha256(self._plain).hexdigest()[:32]}"'

    @property
    def tag(self) -> str:
        """Return what tells this list of classes from every other, in quotes."""
        if self._service.tables.label_space is not self._space:  # the list was changed
            self._encode()
        return self._tag

    def answer(self, request: Request, further: Mapping[str, str] | None = None) -> Response:
        """Return all classes, or the answer that the caller already has them; with further headers."""
        headers = {"ETag": self.tag, "Vary": "Accept-Encoding", **(further or {})}
        if request.headers.get("if-none-match") == self._tag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self._zipped, headers=headers | {"Content-Encoding": "gzip"}, media_type="application/json")
        return Response(self._plain, headers=headers, media_type="application/json")
