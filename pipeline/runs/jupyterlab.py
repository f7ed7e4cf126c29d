"""Jupyter on one machine, opened at the page that one person works on; for several people, use the hub.

The page is the notebook as Voilà runs it: no code, no cell to run, the whole window. JupyterLab is one click away.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from pipeline.errors import ProjectError, ServiceError
from pipeline.project.folder import Project
from pipeline.project.writing import write_text
from pipeline.runs.appearance import TEMPLATE, UNUSED_LAB_EXTENSIONS, write_appearance
from pipeline.runs.notebook_files import notebook_path
from pipeline.votes.words import Round

_FIRST_PORT, _N_PORTS = 8888, 200
_START_S = 300.0
_STOP_S = 10.0
#: From round to its notebook, the name of its copies, and the parameter that holds the person's name.
_NOTEBOOKS = {
    Round.ANNOTATION: ("2_annotate.ipynb", "annotate", "annotator"),
    Round.REFINEMENT: ("4_refine.ipynb", "refine", "refiner"),
}
_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_PACKAGE_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Laboratory:
    """A running Jupyter server: the address of the page, its process, its log file, and JupyterLab's own address.

    Both addresses include the token.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    notebook_url: str


def annotation_notebook(project: Project, annotator: str, round_: Round = Round.ANNOTATION) -> Path:
    """Copy a round's notebook into a project's folder, fill in the annotator's name, and return its path.

    The copy is made again each time, since it holds no work.

    Parameters
    ----------
    project
        The project whose images are shown.
    annotator
        The person whose tasks are shown.
    round_
        Annotation, or refinement.
    """
    source, verb, role = _NOTEBOOKS[round_]
    notebook = json.loads(notebook_path(source).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", ()):
            cell["source"] = [f'project = ""  # the folder that this notebook lies in\n{role} = {annotator!r}']
    path = project.root / f"{verb}_{_NOT_IN_NAMES.sub('_', annotator)}.ipynb"
    write_text(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")
    return path


@contextmanager
def running_laboratory(
    folder: Path, notebook: Path, *, open_browser: bool, port: int | None = None
) -> Iterator[Laboratory]:
    """Run Jupyter as long as the context lasts; the server and its kernels end with the context.

    What it says goes to `.jupyterlab.log` in the folder.

    Parameters
    ----------
    folder
        The folder that it shows, and in which its notebooks' kernels start.
    notebook
        The notebook to show at the start, without its code; must be in the folder.
    open_browser
        Whether to open it in the system's browser, if there is one.
    port
        The port on 127.0.0.1; None takes the first free one from 8888 on.

    Raises
    ------
    ServiceError
        If it does not start; the message ends with the last line of its log.
    ProjectError
        If no port is free.
    """
    token = secrets.token_hex(24)
    path = quote(notebook.resolve().relative_to(folder.resolve()).as_posix())
    log = folder / ".jupyterlab.log"
    command = [
        sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder.resolve()}",
        f"--LabApp.default_url=/voila/render/{path}", "--ServerApp.open_browser=" + str(open_browser),
        "--LabApp.news_url=None", f"--VoilaConfiguration.template={TEMPLATE}",
        "--VoilaConfiguration.show_tracebacks=True",
        f"--VoilaConfiguration.extension_denylist={list(UNUSED_LAB_EXTENSIONS)}",
    ]  # fmt: skip
    if os.name == "posix" and os.geteuid() == 0:
        command.append("--allow-root")
    with log.open("wb") as sink, TemporaryDirectory() as looks:
        log.chmod(0o600)
        environment = _environment(token, write_appearance(Path(looks), has_notebook=True))
        for own_port in (port,) if port else _free_ports():
            process = subprocess.Popen(  # noqa: S603 - the command is ours
                [*command, f"--ServerApp.port={own_port}"],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                base = f"http://127.0.0.1:{own_port}"
                if _comes_up(process, f"{base}/api/status", token, log):
                    page, lab = (f"{base}/{where}/{path}?token={token}" for where in ("voila/render", "lab/tree"))
                    yield Laboratory(page, process, log, lab)
                    return
            finally:
                _stop(process)
            if port or _is_free(own_port):
                raise ServiceError(f"JupyterLab did not start; the last it said: {_last_line(log)}")
            # Somebody else has taken the port since it was found free: another one is tried.


def wait_for_the_end(laboratory: Laboratory) -> None:
    """Wait until somebody shuts JupyterLab down from its menu, presses Ctrl-C or sends SIGTERM.

    Raise `ServiceError` if it ended with an error of its own.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        code = laboratory.process.wait()
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
    if code:
        raise ServiceError(f"JupyterLab ended with code {code}; the last it said: {_last_line(laboratory.log)}")


def _environment(token: str, looks: Mapping[str, str]) -> Mapping[str, str]:
    path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
    # The token goes into the environment, because the list of processes shows command lines. Notebooks run in this
    # same Python. Variables that a hub or another project may have left (MLF_PROJECT, MLF_SERVICE_URL, …) are removed:
    # they would lead to other data.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLF_")}
    found_first = {name: os.pathsep.join(filter(None, (folder, inherited.get(name)))) for name, folder in looks.items()}
    return {**inherited, **found_first, "JUPYTER_TOKEN": token, "JUPYTER_PREFER_ENV_PATH": "1", "PYTHONPATH": path}


def _free_ports() -> Iterator[int]:
    yield from filter(_is_free, range(_FIRST_PORT, _FIRST_PORT + _N_PORTS))
    raise ProjectError(f"no port from {_FIRST_PORT} to {_FIRST_PORT + _N_PORTS - 1} is free; name one with --port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _comes_up(process: subprocess.Popen[bytes], url: str, token: str, log: Path) -> bool:
    """Wait until JupyterLab answers; return whether it did before its end."""
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        request = Request(url, headers={"Authorization": f"token {token}"})  # noqa: S310 - the address is ours
        try:
            with urlopen(request, timeout=5):  # noqa: S310
                return True
        except (URLError, OSError):
            time.sleep(0.1)
    raise ServiceError(f"JupyterLab did not answer within {_START_S:.0f} s; see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End JupyterLab and its kernels: first give them time to save, then kill them."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"
