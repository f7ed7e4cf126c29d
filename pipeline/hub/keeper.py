"""Keeping a process alive: it is restarted when it is killed, and ends together with whoever started the keeper.

    python -m pipeline.hub.keeper [--socket PATH | --port NUMBER] COMMAND …

JupyterHub checks only every half minute whether a service has died, and nobody checks on JupyterHub. So both run under
a keeper. The Linux kernel ends the process when its keeper dies, and the keeper when its own parent does: nothing is
left behind that holds a port or the store.

With --socket or --port, the keeper binds a socket once and hands it to every process that it starts. Whoever connects
in between is answered by the next process, and nobody else can listen there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO

_PR_SET_PDEATHSIG = 1
_QUICK_S = 10.0
_LONGEST_PAUSE_S = 2.0
_STOP_TIMEOUT_S = 60.0
_BACKLOG = 1024
#: The environment variable that holds the descriptor of the listening socket given to a process.
GIVEN_SOCKET = "MLF_GIVEN_SOCKET"


class Keeper:
    """Runs one command until it ends by itself, is asked to stop, or will not start.

    Parameters
    ----------
    command
        What to run. Exit code 0 means that it is done; anything else starts it again.
    environment, folder, output
        As for `subprocess.Popen`; None keeps this process's own. Input is always empty: the operator's terminal is for
        `mlf hub` alone.
    listening
        A socket to hand down; its descriptor goes into the environment as :data:`GIVEN_SOCKET`.
    max_quick_failures
        How often in a row it may fail within ten seconds of its start before the keeper gives up.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        output: IO[bytes] | int | None = None,
        listening: socket.socket | None = None,
        max_quick_failures: int = 8,
    ) -> None:
        self._command = list(command)
        self._environment = None if environment is None else dict(environment)
        self._folder, self._output = folder, output
        self._output_descriptor = 2 if output is None else output if isinstance(output, int) else output.fileno()
        self._given: tuple[int, ...] = ()
        if listening is not None:
            self._given = (listening.fileno(),)
            own = os.environ if self._environment is None else self._environment
            self._environment = {**own, GIVEN_SOCKET: str(listening.fileno())}
        self._max_quick_failures = max_quick_failures
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopping = False

    def run(self) -> int:
        """Run it; return its last exit code, or 0 if SIGINT or SIGTERM asked it to stop."""
        before = {s: signal.signal(s, self._stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            return self._run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> int:
        n_quick = 0
        while True:
            began = time.monotonic()
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                pass_fds=self._given,
                start_new_session=True,  # Ctrl-C reaches the keeper alone, which passes it on once
                preexec_fn=dying_with_parent(signal.SIGTERM),  # noqa: PLW1509 - a keeper has one thread
            )
            if self._is_stopping:  # asked to stop between two starts
                self._process.terminate()
            code = self._wait()
            if self._is_stopping:
                return 0
            if code == 0:
                return 0
            n_quick = n_quick + 1 if time.monotonic() - began < _QUICK_S else 0
            if n_quick >= self._max_quick_failures:
                return code
            self._say(f"ended with code {code}; starting it again")
            time.sleep(min(_LONGEST_PAUSE_S, 0.1 * 2**n_quick))

    def _wait(self) -> int:
        assert self._process is not None
        deadline = None
        while True:
            try:
                return self._process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                if self._is_stopping:
                    deadline = deadline or time.monotonic() + _STOP_TIMEOUT_S
                    if time.monotonic() > deadline:
                        self._process.kill()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _say(self, words: str) -> None:
        line = f"keeper: {Path(self._command[0]).name} {words}\n".encode()
        with suppress(OSError):
            os.write(self._output_descriptor, line)


def dying_with_parent(number: int) -> Callable[[], None] | None:
    """Return what a new process runs to get a signal when its parent dies; None if the system cannot do that."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)

    return ask_the_kernel


def listen_at(path: Path) -> socket.socket:
    """Return a socket that listens at a path, for all accounts that can reach it; an earlier one is replaced.

    The mode of its folder says who may replace it in turn. Its file is open to others from the moment it appears.
    """
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    before = os.umask(0)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(_BACKLOG)
    return listening


def main(command: Sequence[str]) -> int:
    """Keep a command running for as long as the process that started this one lives."""
    listening = None
    if command[:1] == ["--socket"]:
        listening, command = listen_at(Path(command[1])), command[2:]
    elif command[:1] == ["--port"]:
        listening, command = socket.create_server(("127.0.0.1", int(command[1])), backlog=_BACKLOG), command[2:]
    parent = os.getppid()
    die_with_parent = dying_with_parent(signal.SIGTERM)
    if die_with_parent is not None:
        die_with_parent()
        if os.getppid() != parent:  # the parent died before the kernel was told
            return 1
    return abs(Keeper(command, listening=listening).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
