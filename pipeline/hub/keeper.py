"""Keeping a process alive: started again when it is killed, ended with whoever started the keeper.

    python -m pipeline.hub.keeper [--socket PATH] COMMAND …

JupyterHub looks after a service that died only every half minute, and nobody looks after JupyterHub. So both run
below a keeper. The kernel of Linux ends the process when its keeper dies, and the keeper when its own parent does:
nothing is left behind that holds a port or the store.

With --socket, the keeper binds a socket once and hands it to every process that it starts: who connects meanwhile is
answered by the next one, and nobody else can ever stand there.
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
#: Names the descriptor of the listening socket that a process was given.
GIVEN_SOCKET = "MLF_GIVEN_SOCKET"


class Keeper:
    """Runs one command until it ends by itself, is asked to stop, or will not start.

    Parameters
    ----------
    command
        What to run. Exit code 0 means that it is done; anything else starts it again.
    environment, folder, output
        As for `subprocess.Popen`; None keeps this process's own. Input is empty in any case: the operator's terminal is
        for `mlf hub` alone.
    listening
        A socket to hand down; its descriptor is in the environment as :data:`GIVEN_SOCKET`.
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
        """Run it; returns its last exit code, 0 where it was asked to stop by SIGINT or SIGTERM."""
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
            if self._is_stopping:  # asked between two starts
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
    """Return what a new process does to get a signal when its parent dies; None where the system cannot."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def ask_the_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)

    return ask_the_kernel


def listen_at(path: Path) -> socket.socket:
    """Return a socket that listens at a path, for all accounts that may come there; an earlier one is replaced.

    Its folder says who may replace it in turn, and its file is made open in one step.
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
    """Keep a command running, as long as the process that started this one lives."""
    listening = None
    if command[:1] == ["--socket"]:
        listening, command = listen_at(Path(command[1])), command[2:]
    parent = os.getppid()
    die_with_parent = dying_with_parent(signal.SIGTERM)
    if die_with_parent is not None:
        die_with_parent()
        if os.getppid() != parent:  # it died before the kernel was asked
            return 1
    return abs(Keeper(command, listening=listening).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
