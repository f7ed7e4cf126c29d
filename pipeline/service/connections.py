"""Connections that ask for nothing: each holds a descriptor, and a process has only so many."""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from typing import Any, ClassVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol

#: A connection that has not sent the head of a request within this time is closed.
HEAD_TIMEOUT_S = 10.0
#: Descriptors that are reserved for everything but connections: the store, pictures, logs.
_SPARE_DESCRIPTORS = 256


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as it may have; return how many connections that leaves room for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(64, wanted - _SPARE_DESCRIPTORS)


_Protocol: Any = AutoHTTPProtocol  # based on httptools, or on h11 if that is missing


class PatientProtocol(_Protocol):  # type: ignore[misc]
    """uvicorn's protocol, except that silent connections are closed, those that have been silent longest first."""

    max_connections = 768
    _silent: ClassVar[OrderedDict[PatientProtocol, None]] = OrderedDict()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a connection; if there are too many, the one that has been silent longest is closed."""
        super().connection_made(transport)
        self._wait_for_a_head()
        if len(self.connections) > self.max_connections:
            longest, _ = self._silent.popitem(last=False)
            longest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on; once a head is complete, stop the timer."""
        super().data_received(data)
        if self._is_answering():
            self._stop_waiting()
        elif self._patience is None and not self.transport.is_closing():
            self._wait_for_a_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_a_head(self) -> None:
        self._silent[self] = None
        self._patience = self.loop.call_later(HEAD_TIMEOUT_S, self._let_go)

    def _stop_waiting(self) -> None:
        self._silent.pop(self, None)
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _let_go(self) -> None:
        self._silent.pop(self, None)
        self._patience = None
        if not self._is_answering():
            self.transport.abort()
