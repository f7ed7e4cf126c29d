"""A real JupyterLab in a real Chromium, for benchmarks and browser tests; it uses no settings of the person's own."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from ports import hold_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright

ROOT = Path(__file__).resolve().parents[1]
FIREFOX_VARIABLE = "MLF_FIREFOX"
CHROMIUM_VARIABLE = "MLF_CHROMIUM"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
)
_START_TIMEOUT_S = 200


def chromium_path() -> Path:
    """Return where Chromium is expected to be; it may be missing."""
    return Path(os.environ.get(CHROMIUM_VARIABLE, "/usr/bin/chromium"))


def launch_chromium(playwright: Playwright, *arguments: str) -> Browser:
    """Start Chromium without a window."""
    return playwright.chromium.launch(executable_path=chromium_path(), args=[*CHROMIUM_ARGUMENTS, *arguments])


def firefox_path() -> Path:
    """Return where Firefox is expected to be; it may be missing."""
    return Path(os.environ.get(FIREFOX_VARIABLE, "/usr/bin/firefox-esr"))


def launch_firefox(playwright: Playwright) -> Browser:
    """Start the system's own Firefox without a window."""
    return playwright.firefox.launch(channel="moz-firefox", executable_path=firefox_path())


@dataclass(frozen=True)
class LabServer:
    """A running server with JupyterLab, Notebook 7 and Voilà; `folder` is the folder that it shows."""

    url: str
    token: str
    folder: Path
    process: subprocess.Popen[bytes]

    def page_url(self, notebook: str, where: str = "lab") -> str:
        """Return the address of a notebook in ``lab``, ``notebook`` or ``voila``; in the lab, it opens on its own."""
        workspace = f"lab/workspaces/{Path(notebook).stem}/tree"
        path = {"lab": workspace, "notebook": "notebooks", "voila": "voila/render"}[where]
        return f"{self.url}{path}/{notebook}?token={self.token}"

    def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the server's own API."""
        headers = {"Authorization": f"token {self.token}"}
        return httpx.request(method, f"{self.url}api/{path}", headers=headers, timeout=120, verify=False, **options)

    def kernel_pid(self, notebook: str) -> int:
        """Return the process id of a notebook's kernel."""
        import psutil

        kernel_id = self.kernel_id(notebook)
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):  # another one may just end
                if any(kernel_id in part for part in child.cmdline()):
                    return int(child.pid)
        raise LookupError(f"kernel {kernel_id} of {notebook} has no process")

    def kernel_id(self, notebook: str) -> str:
        """Return the id of a notebook's kernel."""
        for session in self.api("GET", "sessions").json():
            if session["path"] == notebook:
                return str(session["kernel"]["id"])
        raise LookupError(f"{notebook} has no kernel")

    def end_kernel(self, notebook: str) -> None:
        """Shut down a notebook's kernel, if it has one."""
        for session in self.api("GET", "sessions").json():
            if session["path"] == notebook:
                self.api("DELETE", f"sessions/{session['id']}")


@contextmanager
def running_lab(
    home: Path, environment: Mapping[str, str] | None = None, python: Path | None = None
) -> Iterator[LabServer]:
    """Run a server until the block ends.

    Parameters
    ----------
    home
        A folder for everything it writes; notebooks go to ``home / "notebooks"``.
    environment
        Variables that kernels see in addition to those of this process.
    python
        A Python in which this software is installed, to run instead of this one; the source is then out of its reach.

    Raises
    ------
    TimeoutError
        If the server does not answer; the message ends with its log.
    """
    folder = home / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    _write_settings(home / "settings")
    token = secrets.token_hex(16)
    variables = os.environ | {
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": "" if python else os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "OMP_NUM_THREADS": "1",
    }
    variables |= environment or {}
    log = home / "server.log"
    with hold_port() as held:
        port = held.getsockname()[1]
        command = _command(str(python or sys.executable), port, token, home)
        with log.open("wb") as sink:
            process = subprocess.Popen(
                command, env=variables, cwd=home, stdout=sink, stderr=sink, start_new_session=True
            )
        server = LabServer(f"http://127.0.0.1:{port}/", token, folder, process)
        try:
            _wait_until_up(server, log)
            yield server
        finally:
            _end(process)


def _command(python: str, port: int, token: str, home: Path) -> list[str]:
    return [
        *(python, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={home / 'notebooks'}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
        "--VoilaConfiguration.show_tracebacks=True",
    ]


def write_notebook(server: LabServer, name: str, *sources: str, parameters: Mapping[str, object] | None = None) -> str:
    """Write a notebook of code cells, with its kernel set, into the server's folder, and return its name.

    Where `parameters` are given, a first cell tagged ``parameters`` sets them.
    """
    cells = [_cell(number, source) for number, source in enumerate(sources)]
    if parameters is not None:
        assignments = "\n".join(f"{key} = {value!r}" for key, value in parameters.items())
        cells.insert(0, _cell(len(cells), assignments) | {"metadata": {"tags": ["parameters"]}})
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    (server.folder / name).write_text(json.dumps(content), encoding="utf-8")
    return name


def run_all_cells(page: Page) -> None:
    """Run every cell of the notebook that is open in JupyterLab, once its kernel is ready."""
    page.wait_for_function("() => window.jupyterapp !== undefined")
    page.evaluate(
        """async () => {
            const app = window.jupyterapp;
            await app.started;
            await app.restored;
        }"""
    )
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()
    page.wait_for_function(
        """() => {
            const panel = window.jupyterapp.shell.currentWidget;
            const session = panel?.sessionContext;
            return session?.isReady && session.session?.kernel?.connectionStatus === "connected";
        }"""
    )
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")


def _cell(number: int, source: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"cell-{number}",
        "metadata": {},
        "outputs": [],
        "source": source,
    }


def _write_settings(folder: Path) -> None:
    """Switch off everything that would open by itself."""
    settings: dict[str, dict[str, object]] = {
        "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {
            "fetchNews": "false",
            "checkForUpdates": False,
            "doNotDisturbMode": True,
        },
        "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": {"autosave": False},
    }
    for name, content in settings.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")


def _wait_until_up(server: LabServer, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if server.api("GET", "status").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
