"""Addresses of Ray clusters where there is none, or none that lets us in: refused in seconds, with what to do."""

from __future__ import annotations

import socket
import sys
import threading
from dataclasses import replace
from importlib.util import find_spec

import pytest

from pipeline.errors import ProjectError
from pipeline.inference import cluster_connection
from pipeline.inference.filling import RunOptions

# Ray is imported where it is used, as in `test_ray.py`.
is_missing = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install -e '.[ray]'")
pytestmark = [
    is_missing,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),
    pytest.mark.usefixtures("ray_token"),
]


def test_a_cluster_that_does_not_answer_is_refused_at_once_and_so_is_ray_where_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    ray.shutdown()
    options = RunOptions(engine="ray", ray_address="127.0.0.1:1")
    with pytest.raises(ProjectError, match=r"--ray-address 127\.0\.0\.1:1: the Ray cluster does not answer"):
        options.precision_of()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:2")
    with pytest.raises(ProjectError, match=r"--ray-address 127\.0\.0\.1:2: the Ray cluster does not answer"):
        replace(options, ray_address=None).precision_of()
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ProjectError, match=r"pip install 'multilabelfy\[ray\]'"):
        options.precision_of()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", r"it says b'HTTP/1\.1 '"),
        (b"SSH", r"it says b'SSH'"),
        (b"", "it hangs up"),
        (None, "timed out"),
    ],
    ids=["a web server", "another", "one that hangs up", "one that keeps silent"],
)
def test_a_server_that_is_no_cluster_is_refused_by_what_it_says(
    answer: bytes | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    ray.shutdown()
    monkeypatch.setattr(cluster_connection, "_ANSWERS_S", 2.0)
    asked = []

    def serve() -> None:
        caller, _ = server.accept()
        with caller:
            asked.append(caller.recv(33, socket.MSG_WAITALL))
            if answer is None:
                caller.recv(1)  # until the other side has gone
            else:
                caller.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        serving = threading.Thread(target=serve)
        serving.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(
            ProjectError, match=rf"--ray-address {address}: .*no Ray cluster \({said}\); name the address"
        ):
            RunOptions(engine="ray", ray_address=address).precision_of()
        serving.join()
    assert asked[0].startswith(b"PRI * HTTP/2.0\r\n")


def test_a_cluster_of_other_versions_and_one_that_asks_for_a_token_are_named_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray
    from ray.exceptions import AuthenticationError

    ray.shutdown()
    said = "Version mismatch: The cluster was started with:\n    Ray: 2.53.0\n    Python: 3.11.9\n"
    for error, words in (
        (RuntimeError(said), r"same versions of Ray and Python here as there .*Ray: 2\.53\.0 Python: 3\.11"),
        (AuthenticationError("No token was found"), "asks for a token.*RAY_AUTH_TOKEN"),
        (ConnectionError("Failed to connect to Ray cluster at 10.0.0.1:6379"), "asks for a token.*RAY_AUTH_TOKEN"),
    ):

        def refuse(*_: object, error: Exception = error, **_named: object) -> None:
            raise error

        monkeypatch.setattr(ray, "init", refuse)
        with pytest.raises(ProjectError, match=words):
            RunOptions(engine="ray", ray_address="auto").precision_of()
