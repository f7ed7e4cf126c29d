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
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.05
_QUICK_S = 10.0
_LONGEST_PAUSE_S = 2.0
_STOP_TIMEOUT_S = 60.0
#: Connections that wait to be accepted.
BACKLOG = 1024
#: The environment variable that holds the descriptor of the listening socket given to a process.
GIVEN_SOCKET = "MLF_GIVEN_SOCKET"


@dataclass(slots=True)
class _Kept:
    """The place of one process: what runs there, since when, and when the next one may start."""

    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    n_quick: int = 0
    next_at: float = 0.0


class Keeper:
    """Runs one command until it ends by itself, is asked to stop, or will not start.

    Parameters
    ----------
    command
        What to run. Exit code 0 means that it is done, unless there are several; anything else starts it again.
    environment, folder, output
        As for `subprocess.Popen`; None keeps this process's own. Input is always empty: the operator's terminal is for
        `mlf hub` alone.
    listening
        A socket to hand down; its descriptor goes into the environment as :data:`GIVEN_SOCKET`.
    max_quick_failures
        How often in a row it may fail within ten seconds of its start before the keeper gives up.
    copies
        How many processes run the command at the same time. If one will not start, all are ended.
    patience_s
        How long what is asked to end may take before it is killed.
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
        copies: int = 1,
        patience_s: float = _STOP_TIMEOUT_S,
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
        self._places = [_Kept() for _ in range(copies)]
        self._is_stopping = False
        self._kill_at, self._patience_s = math.inf, patience_s

    def run(self) -> int:
        """Run it; return its last exit code, or 0 if SIGINT or SIGTERM asked it to stop."""
        before = {s: signal.signal(s, self._stop) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            return self._run()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> int:
        code = 0
        while True:
            for kept in self._places:
                if kept.process is None and not self._is_stopping and time.monotonic() >= kept.next_at:
                    self._start(kept)
            time.sleep(_LOOK_EVERY_S)
            if time.monotonic() > self._kill_at:
                self._send(signal.SIGKILL)
            for kept in self._places:
                ended = None if kept.process is None else kept.process.poll()
                if ended is None:
                    continue
                kept.process = None
                if not self._is_stopping and self._is_final(kept, ended):
                    code = ended
                    self._end_all()
            if self._is_stopping and all(kept.process is None for kept in self._places):
                return code

    def _start(self, kept: _Kept) -> None:
        kept.began = time.monotonic()
        kept.process = subprocess.Popen(  # noqa: S603 - our own command
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
            kept.process.terminate()

    def _is_final(self, kept: _Kept, code: int) -> bool:
        """Tell whether nothing is started again after this end; if not, say so and note when the next one starts."""
        if code == 0 and len(self._places) == 1:
            return True
        kept.n_quick = kept.n_quick + 1 if time.monotonic() - kept.began < _QUICK_S else 0
        if kept.n_quick >= self._max_quick_failures:
            return True
        self._say(f"ended with code {code}; starting it again")
        kept.next_at = time.monotonic() + min(_LONGEST_PAUSE_S, 0.1 * 2**kept.n_quick)
        return False

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._end_all()

    def _end_all(self) -> None:
        if not self._is_stopping:  # asking once more gives nobody more time
            self._is_stopping, self._kill_at = True, time.monotonic() + self._patience_s
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for kept in self._places:
            if kept.process is not None:
                kept.process.send_signal(number)

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
    listening.listen(BACKLOG)
    return listening


def main(command: Sequence[str]) -> int:
    """Keep a command running for as long as the process that started this one lives."""
    listening = None
    if command[:1] == ["--socket"]:
        listening, command = listen_at(Path(command[1])), command[2:]
    elif command[:1] == ["--port"]:
        listening, command = socket.create_server(("127.0.0.1", int(command[1])), backlog=BACKLOG), command[2:]
    parent = os.getppid()
    die_with_parent = dying_with_parent(signal.SIGTERM)
    if die_with_parent is not None:
        die_with_parent()
        if os.getppid() != parent:  # the parent died before the kernel was told
            return 1
    return abs(Keeper(command, listening=listening).run())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
