"""Connections: each holds a descriptor, a process has only so many, and no account may hold them all."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import struct
from collections import Counter, OrderedDict
from typing import Any, ClassVar

from uvicorn.protocols.http.auto import AutoHTTPProtocol

#: A connection that has not sent the head of a request within this time is closed.
HEAD_TIMEOUT_S = 10.0
#: Descriptors that are reserved for everything but connections: the store, pictures, logs.
_SPARE_DESCRIPTORS = 256
#: Connections that one other account of this machine may hold. A kernel uses one or two.
_MAX_OF_AN_ACCOUNT = 64


def raise_descriptor_limit() -> int:
    """Allow this process as many descriptors as it may have; return how many connections that leaves room for."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 65_536) if hard != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(64, wanted - _SPARE_DESCRIPTORS)


_Protocol: Any = AutoHTTPProtocol  # based on httptools, or on h11 if that is missing


class PatientProtocol(_Protocol):  # type: ignore[misc]
    """uvicorn's protocol, except that silent connections are closed, those that have been silent longest first.

    Sessions reach the service over a Unix socket, where the Linux kernel says which account is calling. An account
    other than the service's own (under which the proxy runs) gets only so many connections.
    """

    max_connections = 768
    _of_accounts: ClassVar[Counter[int]] = Counter()
    _silent: ClassVar[OrderedDict[PatientProtocol, None]] = OrderedDict()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience: asyncio.TimerHandle | None = None
        self._account: int | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a connection; if there are too many, the one that has been silent longest is closed."""
        super().connection_made(transport)
        self._account = _other_account(transport)
        if self._account is not None:
            self._of_accounts[self._account] += 1
            self.client = (f"account {self._account}", 0)
            if self._of_accounts[self._account] > _MAX_OF_AN_ACCOUNT:
                transport.abort()
                return
        self._wait_for_a_head()
        if len(self.connections) > self.max_connections:
            longest, _ = self._silent.popitem(last=False)  # at least this one is silent
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
        if self._account is not None:
            self._of_accounts[self._account] -= 1
            if not self._of_accounts[self._account]:
                del self._of_accounts[self._account]
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


def _other_account(transport: asyncio.Transport) -> int | None:
    """Return the uid of the account at the other end of a Unix socket, unless it is this process's own."""
    connected = transport.get_extra_info("socket")
    if connected is None or connected.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return None
    _pid, uid, _gid = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return None if uid == os.geteuid() else int(uid)
