"""How a session reaches the service over a socket: whoever answers must be the account that started the session."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

import httpx

from pipeline.errors import ServiceError

#: The variable in which the spawner tells sessions the uid of the service.
OWNER_VARIABLE = "MLF_SERVICE_UID"


class OwnSocketTransport(httpx.HTTPTransport):
    """Sends requests to a socket, once the Linux kernel has said whose process listens there.

    The socket's folder belongs to that account, too. But temporary folders get cleaned up, and whatever somebody else
    then makes under the same name must get neither a token nor a vote.

    Parameters
    ----------
    path
        The socket.
    owner
        The uid that must listen there; if left out, it comes from the environment. None trusts the folder alone.
    """

    def __init__(self, path: str, owner: int | None = None) -> None:
        super().__init__(uds=path)
        named = os.environ.get(OWNER_VARIABLE, "")
        self._owner = int(named) if owner is None and named.isdecimal() else owner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; a new connection is checked before any byte is sent over it."""
        request.extensions = {**request.extensions, "trace": self._look_at_peer}
        return super().handle_request(request)

    def _look_at_peer(self, event: str, info: dict[str, Any]) -> None:
        if event != "connection.connect_unix_socket.complete" or self._owner is None:
            return
        connected: socket.socket = info["return_value"].get_extra_info("socket")
        if not hasattr(socket, "SO_PEERCRED"):  # not Linux
            return
        _pid, uid, _gid = struct.unpack("3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if uid != self._owner:
            connected.close()
            raise ServiceError(
                f"a process of the account {uid} answers in place of the annotation service; nothing was sent to it. "
                "Your work is kept here; tell those who run this hub"
            )
