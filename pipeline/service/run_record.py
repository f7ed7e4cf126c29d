"""What is known of the stages that researchers run: in a folder, so that several processes of a service agree on it.

A lock says whether one is running, and by its file, whoever holds it: the kernel lets go of it when the process ends,
however it ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from dataclasses import replace
from pathlib import Path

from pipeline.service.logs import log
from pipeline.service.wire import RUN, RunState, StageRun

_TRIES, _TRY_EVERY_S = 5, 0.005


class RunRecord:
    """The last run of each stage.

    Parameters
    ----------
    folder
        Where it is kept; all processes that serve the project have the same.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: int | None = None

    def read(self, stage: str) -> StageRun:
        """Return how a stage's last run stands; one whose process has ended without a word has failed."""
        run = self._kept(stage)
        if run.state is not RunState.RUNNING or self.is_running():
            return run
        again = self._kept(stage)  # a run that has ended meanwhile has said so before it let go
        return _without_a_word(run) if again == run else again

    def write(self, run: StageRun) -> None:
        """Keep how a run stands; where that cannot be kept, as on a full disk, the run goes on."""
        path = self._path(run.stage)
        unfinished = path.with_suffix(".new")
        try:
            make_folder(self._folder)
            unfinished.write_bytes(RUN.dump_json(run))
            unfinished.replace(path)  # whole, for whoever reads; it need not outlive the machine, so nothing is synced
        except OSError as error:
            log("a run's state was not kept", stage=run.stage, reason=str(error))

    def take(self) -> bool:
        """Begin a run; return False if one is going on already, in whichever process."""
        if self._held is not None:
            return False
        for _ in range(_TRIES):
            lock = self._lock(fcntl.LOCK_EX)
            if lock is not None:
                self._held = lock
                self._stop_path.unlink(missing_ok=True)
                for path in self._folder.glob("*.json"):
                    run = self._kept(path.stem)
                    if run.state is RunState.RUNNING:
                        self.write(_without_a_word(run))
                return True
            time.sleep(_TRY_EVERY_S)  # it may only have been looked at
        return False

    def let_go(self) -> None:
        """End the run that :meth:`take` began."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def is_running(self) -> bool:
        """Tell whether a run is going on, in whichever process."""
        if self._held is not None:
            return True
        lock = self._lock(fcntl.LOCK_SH)
        if lock is None:
            return True
        os.close(lock)
        return False

    def ask_to_stop(self) -> None:
        """Ask whichever process has a run going on to end it."""
        make_folder(self._folder)
        self._stop_path.touch()

    @property
    def is_to_stop(self) -> bool:
        """Tell whether the run that is going on has been asked to end."""
        return self._stop_path.exists()

    @property
    def _stop_path(self) -> Path:
        return self._folder / "stop"

    def _kept(self, stage: str) -> StageRun:
        try:
            return RUN.validate_json(self._path(stage).read_bytes())
        except FileNotFoundError:
            return StageRun(stage)

    def _path(self, stage: str) -> Path:
        return self._folder / f"{stage}.json"

    def _lock(self, kind: int) -> int | None:
        make_folder(self._folder)
        lock = os.open(self._folder / "running", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock


def make_folder(folder: Path) -> None:
    """Make a folder for its owner alone, unless it is there: what lies in /tmp may be cleaned away."""
    folder.mkdir(mode=0o700, exist_ok=True)


def _without_a_word(run: StageRun) -> StageRun:
    return replace(run, state=RunState.FAILED, lines=(*run.lines, "the process that ran this has ended"))
