"""The one port of a hub: while it is held, only its own account may listen there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from serving import free_port, wait_until

from pipeline.errors import ProjectError
from pipeline.hub import front_door
from pipeline.hub.front_door import held_port

ATTEMPT = """
import itertools, json, socket, sys
port, taken = int(sys.argv[1]), []
options = (socket.SO_REUSEADDR, socket.SO_REUSEPORT)
for n in range(3):
    for chosen in itertools.combinations(options, n):
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ""), (socket.AF_INET6, "::1"),
                             (socket.AF_INET6, "::")):
            with socket.socket(family) as one:
                try:
                    for option in chosen:
                        one.setsockopt(socket.SOL_SOCKET, option, 1)
                    one.bind((host, port))
                    one.listen()
                    taken.append([host, n])
                except OSError:
                    pass
print(json.dumps(taken))
"""


def attempt_as_nobody(port: int) -> list[object]:
    command = ["/usr/bin/python3", "-c", ATTEMPT, str(port)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, user=65_534, extra_groups=[], cwd="/")
    return json.loads(run.stdout)


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that any account may run")
def test_a_held_port_can_be_taken_by_no_other_account(needs_root: None) -> None:
    port = free_port()
    assert attempt_as_nobody(port)  # the attempt works while the port is free
    with held_port(port):
        assert attempt_as_nobody(port) == []
    assert attempt_as_nobody(port)


def test_a_port_that_somebody_has_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ProjectError, match="is taken"):  # noqa: SIM117
        with held_port(taken.getsockname()[1]):
            pass


def test_nobody_answers_at_a_held_port_until_the_proxy_does_on_the_socket_it_was_given(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js")
    script = tmp_path / "server.js"
    script.write_text(
        "const [, , , ip, , port] = process.argv;"
        "require('node:http').createServer((_, answer) => answer.end('here')).listen(parseInt(port), ip);"
    )
    port = free_port()
    with held_port(port):
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port))
        # Without the socket that it is given it could not listen here, since the port is held.
        alone = subprocess.run(
            [node, str(script), "--ip", "127.0.0.1", "--port", str(port)], capture_output=True, text=True, check=False
        )
        assert "EADDRINUSE" in alone.stderr
        command = [sys.executable, "-m", "pipeline.hub.front_door", node, str(script)]
        proxy = subprocess.Popen([*command, "--ip", "127.0.0.1", "--port", str(port)])
        try:
            wait_until(lambda: _text(port) == "here", 90, lambda: "nobody answers")
        finally:
            proxy.kill()
            proxy.wait()


def test_what_is_loaded_before_the_proxy_is_there() -> None:
    assert all(os.access(path, os.R_OK) for path in front_door._PRELOADED)


#: Asks a socket twice, as the proxy does, and prints by which connections the questions came.
ASK_TWICE = """
const http = require("node:http"), path = process.argv[2], seen = new Map();
const server = http.createServer((request, answer) => {
  if (!seen.has(request.socket)) seen.set(request.socket, seen.size + 1);
  answer.end(`${seen.get(request.socket)} ${request.headers.connection}`);
}).listen(path, async () => {
  const ask = (headers) => new Promise((done) => http.request(
    {socketPath: path, path: "/", method: "PUT", agent: false, headers},
    (answer) => answer.on("data", (text) => done(String(text))).on("end", () => {})).end("{}"));
  for (const connection of ["close", "close", "upgrade"]) {
    console.log(await ask({connection, "content-length": 2}));
    await new Promise(setImmediate);
  }
  process.exit();
});
"""


def test_the_proxys_connections_to_sockets_stay_open_after_an_answer(tmp_path: Path) -> None:
    """If the answer closed one, the proxy could be writing still, and would say 503 in place of the answer."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js")
    (tmp_path / "ask.js").write_text(ASK_TWICE)
    command = [f"--require={path}" for path in front_door._PRELOADED] + [str(tmp_path / "ask.js")]
    asked = subprocess.run([node, *command, str(tmp_path / "s")], capture_output=True, text=True, check=True)
    assert asked.stdout.split("\n")[:3] == ["1 keep-alive", "1 keep-alive", "2 upgrade"]


def _text(port: int) -> str:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, verify=False).text
    except httpx.TransportError:
        return ""
