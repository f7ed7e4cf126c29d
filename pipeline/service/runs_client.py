"""Running a hub's stages from a researcher's session: the service runs them, and says how far they are."""

from __future__ import annotations

from pipeline.service.client import ServiceClient
from pipeline.service.wire import RUNS, RunState, StageRun, StageRuns

__all__ = ["RemoteRuns", "RunState", "StageRun", "StageRuns"]


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
