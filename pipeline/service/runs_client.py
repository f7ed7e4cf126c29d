"""Running a hub's stages from a researcher's session: the service runs them, and says how far they are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import TypeAdapter

from pipeline.service.client import ServiceClient

#: Stages that can be run so, in their order, and the report that each leaves.
STAGES: Final = {
    "analyze": "analyze.html",
    "settle": "settle.html",
    "evaluate": "evaluate.html",
    "report": "index.html",
}


class RunState(StrEnum):
    """How a stage's last run in this hub stands; `NEVER`: none since the service started."""

    NEVER = "never"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StageRun:
    """A stage's last run.

    Attributes
    ----------
    stage, state, by
        Which stage, how the run stands, and who started it.
    started, finished
        UTC, ISO 8601; empty if it has not.
    lines
        What it printed last.
    report, made
        File name of the stage's report and when it was made, whoever made it; empty if there is none.
    """

    stage: str
    state: RunState = RunState.NEVER
    by: str = ""
    started: str = ""
    finished: str = ""
    lines: tuple[str, ...] = ()
    report: str = ""
    made: str = ""


@dataclass(frozen=True, slots=True)
class StageRuns:
    """The last run of each stage, in the order of the stages."""

    runs: tuple[StageRun, ...]


#: How they are sent as JSON.
RUNS: Final = TypeAdapter(StageRuns)


class RemoteRuns(ServiceClient):
    """The stages of the hub's project; parameters, errors and retries are those of its base class."""

    def read(self) -> StageRuns:
        """Return how each stage's last run went.

        Raise `ServiceError` if the service cannot be reached, or the session is not a researcher's.
        """
        return self._read(RUNS, "/api/runs")

    def start(self, stage: str) -> StageRuns:
        """Start a stage; raises like :meth:`read`, and if one is running."""
        return RUNS.validate_json(self._send("POST", f"/api/runs/{stage}").content)

    def stop(self) -> StageRuns:
        """Stop what is running; raises like :meth:`read`."""
        return RUNS.validate_json(self._send("DELETE", "/api/runs").content)
