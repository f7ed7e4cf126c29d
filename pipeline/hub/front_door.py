"""The one port of a hub: held from its start to its end, so that nobody else can ever answer there.

    python -m pipeline.hub.front_door configurable-http-proxy … --ip 127.0.0.1 --port 8000 …

The proxy is restarted with every Hub. A port that is free for a moment can be taken by any account of the machine,
which would then be sent everybody's password. So `mlf hub` itself binds the port for as long as it runs, and never
listens on it. With SO_REUSEPORT, Linux lets processes of the same account bind it again, and nobody else. This module
does that, and then becomes the proxy, which finds the listening socket ready.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

from pipeline.errors import ProjectError

_ADDRESS = "127.0.0.1"
#: Many browsers try this address first for "localhost": whoever can bind it would be taken for the hub.
_ADDRESS_6 = "::1"
_BACKLOG = 511
_PRELOADED = [
    Path(__file__).with_name(name) for name in ("given_socket.cjs", "kept_connections.cjs", "waiting_page.cjs")
]


@contextmanager
def held_port(port: int) -> Iterator[None]:
    """Keep a port of this machine from all other accounts until the block ends.

    Raise `ProjectError` if another process has it already.
    """
    with ExitStack() as stack:
        for family, address in ((socket.AF_INET, _ADDRESS), (socket.AF_INET6, _ADDRESS_6)):
            try:
                # Without SO_REUSEADDR, which would let others bind a port on which nobody listens yet.
                stack.enter_context(_bound(family, address, port))
            except OSError as error:
                if family == socket.AF_INET6 and not _is_taken(error):
                    continue  # a machine without IPv6
                raise ProjectError(
                    f"port {port} is taken ({error}); choose another with --port, or 0 for a free one"
                ) from error
        yield


def main(command: Sequence[str]) -> None:
    """Listen where the proxy is told to listen, and become the proxy."""
    given = dict(pairwise(command))
    with suppress(KeyError, ValueError):  # a front door that is a socket has no port
        listening = _bound(socket.AF_INET, given["--ip"], int(given["--port"]), SO_REUSEADDR=1)
        listening.listen(_BACKLOG)
        listening.set_inheritable(True)
        os.environ["MLF_GIVEN_SOCKET"] = f"{listening.detach()} {given['--port']}"
        preloaded = (f'--require="{path}"' for path in _PRELOADED)
        os.environ["NODE_OPTIONS"] = " ".join([os.environ.get("NODE_OPTIONS", ""), *preloaded]).strip()
    os.execvp(command[0], list(command))  # noqa: S606 - the Hub's own command


def _bound(family: socket.AddressFamily, address: str, port: int, **options: int) -> socket.socket:
    opened = socket.socket(family)
    try:
        if hasattr(socket, "SO_REUSEPORT"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        for name, value in options.items():
            opened.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened


def _is_taken(error: OSError) -> bool:
    import errno

    return error.errno in {errno.EADDRINUSE, errno.EACCES}


if __name__ == "__main__":
    main(sys.argv[1:])
