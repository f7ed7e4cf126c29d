"""Half of a round's states read by a second process: taking states apart is Python's work, and one core's at a time.

Whatever becomes of that process (it may not be started, it is killed, its half cannot be read), its half is then read
here. So the outcome and the errors are those of reading everything here.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.images.decoding_turns import n_cores
from pipeline.stages.round_states import RoundStates, read_states
from pipeline.store import SqlStore
from pipeline.votes.words import Round

#: With fewer states, a process takes as long to start as half of them to read.
_MANY_STATES = 400_000
#: It runs this very code, whatever packages lie in the folder that it is started in.
_COMMAND = f"import sys; sys.path.insert(0, sys.argv[1]); from {__name__} import answer; answer()"
_PACKAGES = Path(__file__).parents[2]


@dataclass(frozen=True)
class _Request:
    """The states that are wanted; the parameters are those of :func:`read_round`."""

    round_: Round
    left_out: tuple[str, ...]
    people: tuple[str, ...]
    probes: frozenset[int]

    def read(self, store: SqlStore, half: int | None = None) -> RoundStates:
        """Read them: all, or half of them."""
        texts = store.iter_state_texts(self.round_, self.left_out, half)
        return read_states(texts, self.round_, self.people, self.probes)


def read_round(
    store: SqlStore, round_: Round, left_out: Collection[str], people: tuple[str, ...], probes: Collection[int] = ()
) -> RoundStates:
    """Read the states of a round, on two cores where there are many.

    Parameters
    ----------
    left_out
        Annotators whose states are not wanted.
    people, probes
        As for :func:`pipeline.stages.round_states.read_states`.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    wanted = _Request(round_, tuple(left_out), people, frozenset(probes))
    opener = store.opened_elsewhere()
    if opener is None or n_cores() < 2 or not store.has_more_states(round_, _MANY_STATES):
        return wanted.read(store)
    with _second_process((opener, wanted)) as output:
        found = wanted.read(store, half=0)
        others = _received(output)
    found.add(others or wanted.read(store, half=1))
    return found


def answer() -> None:
    """Read the half that standard input asks for, and write it to standard output."""
    opener, wanted = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    with opener() as store:
        found = wanted.read(store, half=1)
    pickle.dump(found, sys.stdout.buffer, pickle.HIGHEST_PROTOCOL)


@contextmanager
def _second_process(request: tuple[Callable[[], SqlStore], _Request]) -> Iterator[IO[bytes] | None]:
    """Start the process; yield what it will answer by, None where none could be started. At the end it is gone."""
    command = [sys.executable, "-P", "-c", _COMMAND, str(_PACKAGES)]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        yield None
        return
    with process:
        try:
            if process.stdin is not None:
                with suppress(OSError), process.stdin:  # it may have ended
                    pickle.dump(request, process.stdin)
            yield process.stdout
        finally:
            process.kill()


def _received(output: IO[bytes] | None) -> RoundStates | None:
    try:
        found = pickle.load(output) if output else None  # noqa: S301 - from a process started here
    except Exception:  # noqa: BLE001 - what else it printed can raise anything
        return None
    return found if isinstance(found, RoundStates) else None
