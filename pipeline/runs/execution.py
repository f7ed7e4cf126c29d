"""Executing a notebook with papermill: a kernel of this same Python, progress on the terminal, an orderly Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

_ENGINE = "mlf"
_PACKAGE_ROOT = Path(__file__).parents[2]


def execute(
    notebook: NotebookNode, output: Path, parameters: Mapping[str, object], cwd: Path, terminal: IO[str] | None
) -> None:
    """Execute a notebook in a new kernel, saving it after every cell, even a failed one.

    Ctrl-C interrupts the kernel, as JupyterLab's stop button does, so that its code can tidy up. A second Ctrl-C ends
    the kernel.

    Parameters
    ----------
    output
        Where to keep the executed copy.
    parameters
        Values to put into a cell after the `parameters` cell.
    cwd
        The folder that the kernel works in.
    terminal
        Where to pass on the cells' standard error (progress bars, warnings) as it comes; None for nowhere.

    Raises
    ------
    papermill.PapermillExecutionError
        If a cell raised.
    nbclient.exceptions.DeadKernelError
        If the kernel died.
    """
    if _ENGINE not in papermill_engines._engines:  # noqa: SLF001 - papermill has no public way to ask
        papermill_engines.register(_ENGINE, _StageEngine)
    with _interrupting_the_kernel() as interrupts:
        papermill.execute_notebook(
            notebook,
            str(output),
            parameters=dict(parameters),
            engine_name=_ENGINE,
            kernel_name="python3",
            language="python",
            cwd=str(cwd),
            progress_bar=False,
            start_timeout=300,  # a kernel that dies is told of at once; one on a busy machine is only late
            stderr_file=terminal,
            interrupts=interrupts,
            store_widget_state=False,
            coalesce_streams=True,
        )


class _SamePythonKernelManager(AsyncKernelManager):
    """Starts kernels of the running Python with the running code, whatever kernels are installed elsewhere."""

    def __init__(self, **kwargs: Any) -> None:
        # The sockets are files in a folder of this account, so nobody else on the machine can connect to the kernel.
        super().__init__(**{"transport": "ipc", **kwargs})

    @property
    def kernel_spec(self) -> KernelSpec:
        path = os.pathsep.join(filter(None, (str(_PACKAGE_ROOT), os.environ.get("PYTHONPATH"))))
        return KernelSpec(
            argv=[
                sys.executable,
                "-P",
                "-Xfrozen_modules=off",
                "-m",
                f"{__package__}.kernel",
                "-f",
                "{connection_file}",
                "--IPKernelApp.log_level=CRITICAL",
            ],
            env={"PYTHONPATH": path},
            display_name="Python 3",
            language="python",
        )


class _Interrupts:
    """Passes Ctrl-C on to the kernel, if there is one."""

    def __init__(self) -> None:
        self.client: PapermillNotebookClient | None = None
        self._n = 0

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        self._n += 1
        kernel = getattr(getattr(self.client, "km", None), "provisioner", None)
        pid = getattr(kernel, "pid", None)
        if self._n > 1 or not pid:
            raise KeyboardInterrupt
        with suppress(ProcessLookupError):
            os.killpg(os.getpgid(pid), signal.SIGINT)


@contextmanager
def _interrupting_the_kernel() -> Iterator[_Interrupts]:
    interrupts = _Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


class _StageEngine(NBClientEngine):  # type: ignore[misc] # papermill is untyped
    """Papermill's own engine, with our kernels."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: IO[str] | None = None,
        stderr_file: IO[str] | None = None,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        *,
        interrupts: _Interrupts,
        **kwargs: Any,
    ) -> NotebookNode:
        kwargs.pop("input_path", None)
        client = PapermillNotebookClient(
            nb_man,
            kernel_manager_class=_SamePythonKernelManager,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            timeout=execution_timeout,
            iopub_timeout=300,  # what a cell says at its end can be late, too: nbclient gives up after 4 s
            log_output=log_output,
            stdout_file=stdout_file,
            stderr_file=stderr_file,
            **kwargs,
        )
        interrupts.client = client
        return client.execute()
