"""Connecting to a Ray cluster, or being told in seconds and in words why that cannot be."""

from __future__ import annotations

import os
import socket

from pipeline.errors import ProjectError
from pipeline.inference.classifier import first_line

#: How long a cluster may take to answer at its address.
_ANSWERS_S = 20.0
#: How a client of HTTP/2 begins, with settings of its own, which are none; the server's first frame is settings, too.
_HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_HTTP2_SETTINGS = b"\x04"


def connect(address: str | None) -> None:
    """Connect to a cluster unless this process is connected; where none is found, this machine becomes one."""
    try:
        import ray
    except ImportError as error:
        raise ProjectError("--engine ray: Ray is not installed; `pip install 'multilabelfy[ray]'` brings it") from error
    if ray.is_initialized():
        if address and ":" in address and "://" not in address:
            host, _, port = address.rpartition(":")
            connected = ray.get_runtime_context().gcs_address
            host_there, _, port_there = connected.rpartition(":")
            if port != port_there or host not in (host_there, "localhost", "127.0.0.1"):  # which Ray calls otherwise
                raise ProjectError(
                    f"--ray-address {address}: this process is connected to the Ray cluster at {connected}; name that, "
                    "or begin another process"
                )
        return
    address = address or os.environ.get("RAY_ADDRESS") or None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # where Ray starts here, it tells its makers nothing
    try:
        if address and ":" in address and "://" not in address:  # Ray itself would try for many minutes
            _refuse_another_server(address)
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level="error")
    except ProjectError:
        raise
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise ProjectError(f"--ray-address {address or 'this machine'}: {_refusal(error)}") from error


def _refuse_another_server(address: str) -> None:
    """Raise `ProjectError` if what listens there speaks no HTTP/2, as Ray's servers do; `OSError` if nothing does."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=_ANSWERS_S) as server:
        if os.environ.get("RAY_USE_TLS", "0") != "0":  # what it says is not to be read in passing
            return
        try:
            server.sendall(_HTTP2_PREFACE)
            said = server.recv(9)
            why = "" if said[3:4] == _HTTP2_SETTINGS else f"it says {said!r}" if said else "it hangs up"
        except OSError as error:
            why = str(error)
    if why:
        raise ProjectError(
            f"--ray-address {address}: what listens there is no Ray cluster ({why}); name the address that "
            "Ray printed when its first machine was started, as 10.0.0.1:6379"
        )


def _refusal(error: Exception) -> str:
    """Return in words why a cluster cannot be joined, and what to do."""
    from ray.exceptions import AuthenticationError

    if "Version mismatch" in str(error):
        return f"install the same versions of Ray and Python here as there ({' '.join(str(error).split())})"
    if isinstance(error, AuthenticationError) or "Failed to connect to Ray cluster" in str(error):
        return (  # something listens there: Ray says no more than that to whoever has no token, or another
            f"what listens there is no Ray cluster, or it asks for a token that is not ours ({first_line(error)}); "
            "`ray get-auth-token` on its head prints it: set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN here"
        )
    return f"the Ray cluster does not answer ({first_line(error)}); `ray status` tells more"
