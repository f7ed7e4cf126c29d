"""Web servers that end TLS before a hub, as the recipes in deploy/tls configure them, with a certificate made here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from hub_fixtures import SOURCE_ROOT
from serving import wait_until

RECIPES = SOURCE_ROOT / "deploy" / "tls"
_MAIN = """\
daemon off;
error_log stderr;
pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  include {folder}/nginx.conf;
}}
"""


def certificate(folder: Path) -> None:
    """Make a certificate for `localhost` and all names below it, signed by nobody but itself."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,DNS:*.localhost"),
            *("-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")),
        ],
        check=True,
        capture_output=True,
    )


@contextmanager
def nginx(folder: Path, port: int, hub_port: int, http_port: int) -> Iterator[None]:
    """Run nginx with its recipe at a port."""
    changes = {"listen 80;": f"listen 127.0.0.1:{http_port};", "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;"}
    _write_recipe("nginx.conf", folder, hub_port, changes)
    (folder / "main.conf").write_text(_MAIN.format(folder=folder))
    with _running(["nginx", "-p", str(folder), "-c", str(folder / "main.conf")], folder, port):
        yield


@contextmanager
def caddy(folder: Path, port: int, hub_port: int) -> Iterator[None]:
    """Run Caddy with its recipe at a port."""
    names = {"localhost, *.localhost {": f"localhost:{port}, *.localhost:{port} {{"}
    path = _write_recipe("Caddyfile", folder, hub_port, names)
    path.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + path.read_text())
    with _running(["caddy", "run", "--config", str(path), "--adapter", "caddyfile"], folder, port):
        yield


def _write_recipe(name: str, folder: Path, hub_port: int, changes: Mapping[str, str]) -> Path:
    """Write the recipe with nothing changed but the names, ports and paths that it asks to be changed."""
    text = (RECIPES / name).read_text()
    places = {"/etc/ssl/hub.example.org": str(folder), "hub.example.org": "localhost"}
    for before, after in {**places, "127.0.0.1:8000": f"127.0.0.1:{hub_port}", **changes}.items():
        assert before in text, before
        text = text.replace(before, after)
    (folder / name).write_text(text)
    return folder / name


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    folder.chmod(0o755)
    environment = os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        wait_until(lambda: _listens(port), 90, lambda: (folder / "log").read_text())
        yield
    finally:
        process.terminate()
        process.wait(60)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def is_installed(program: str) -> bool:
    """Return whether the machine has a program."""
    return shutil.which(program) is not None
