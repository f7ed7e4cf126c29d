"""Stages that researchers run in a hub: by the service, whose account alone may open the project; one at a time.

A researcher says which stage, and nothing else: what runs is `mlf STAGE PROJECT` with the project's own settings, in
the same notebooks as at the command line. They read what comes of it among the reports.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from pipeline.hub.accounts import Role
from pipeline.service.admission import Refusal, Service, require
from pipeline.service.identity import Caller
from pipeline.service.logs import log
from pipeline.service.people import ERRORS
from pipeline.service.run_record import RunRecord
from pipeline.service.wire import RUNS, RunState, StageRun, StageRuns

#: Stages that can be run so, in their order, and the report that each leaves.
STAGES = {
    "analyze": "analyze.html",
    "settle": "settle.html",
    "evaluate": "evaluate.html",
    "report": "index.html",
}
#: Ends with the service, gives way to people's saves, and is the command line otherwise.
_COMMAND = (
    "import os; from signal import SIGTERM; from pipeline.hub.keeper import dying_with_parent;"
    "die = dying_with_parent(SIGTERM); die and die(); os.nice(10); from pipeline.cli import app; app()"
)
_KEPT_BYTES = 8_000
_MAX_LINES = 12
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_STOP_PATIENCE_S = 20.0
_LOOK_EVERY_S = 0.05


class StageRunner:
    """Runs one stage of a project at a time.

    Parameters
    ----------
    service
        The service, for its project.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._own_folder = None if service.shared else tempfile.TemporaryDirectory(prefix="mlf-runs-")
        self._record = RunRecord(service.shared or Path(self._own_folder.name if self._own_folder else ""))
        self._task: asyncio.Task[None] | None = None

    def read(self) -> StageRuns:
        """Return how each stage's last run went, in the order of the stages."""
        folder = self._service.project.reports_dir
        runs = []
        for stage, report in STAGES.items():
            path = folder / report
            made = ""
            with suppress(OSError):
                made = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
            runs.append(replace(self._record.read(stage), report=report if made else "", made=made))
        return StageRuns(tuple(runs))

    async def start(self, stage: str, by: str) -> None:
        """Start a stage; raise `Refusal` if there is no such stage, or one is running."""
        if stage not in STAGES:
            raise Refusal(404, "NotFound", f"there is no stage {stage!r} to run here; there are {', '.join(STAGES)}")
        if not self._record.take():
            runs = map(self._record.read, STAGES)
            busy = next((run for run in runs if run.state is RunState.RUNNING), StageRun(stage))
            raise Refusal(409, "Busy", f"{busy.stage} is running, started by {busy.by}; wait for its end, or stop it")
        try:
            run = StageRun(stage, RunState.RUNNING, by, _now())
            self._record.write(run)
            self._task = asyncio.create_task(self._run(run))
        except BaseException:
            self._record.let_go()
            raise
        log("stage started", stage=stage, by=by)

    async def stop(self) -> None:
        """End the run that is going on, if any; what it had not finished leaves no trace in the results."""
        if not self._record.is_running():
            return
        self._record.ask_to_stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_PATIENCE_S):
                while self._record.is_running():  # noqa: ASYNC110 - it may be another process's
                    await asyncio.sleep(_LOOK_EVERY_S)

    async def close(self) -> None:
        """End the run of this process, if it has one."""
        if self._task is not None and not self._task.done():
            await self.stop()
        if self._own_folder is not None:
            self._own_folder.cleanup()

    async def _run(self, run: StageRun) -> None:
        began, code, text = time.monotonic(), -1, b""
        try:
            process = await self._process(run.stage)
            stopping = asyncio.create_task(self._end_when_asked(process))
            assert process.stdout is not None
            while part := await process.stdout.read(4096):
                text = (text + part)[-_KEPT_BYTES:]
                self._record.write(replace(run, lines=self._shown(text)))
            code = await process.wait()
            stopping.cancel()
        except OSError as error:
            text = str(error).encode()
        finally:
            try:
                state = RunState.STOPPED if self._record.is_to_stop else RunState.FAILED if code else RunState.DONE
                self._record.write(replace(run, state=state, finished=_now(), lines=self._shown(text)))
            finally:
                self._record.let_go()  # whatever happens: nobody could run a stage any more
        log("stage ended", stage=run.stage, state=state.value, seconds=round(time.monotonic() - began, 1))

    async def _process(self, stage: str) -> asyncio.subprocess.Process:
        root = str(self._service.project.root.resolve())
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-c", _COMMAND, stage, root),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=root,
        )

    async def _end_when_asked(self, process: asyncio.subprocess.Process) -> None:
        while not self._record.is_to_stop:  # noqa: ASYNC110 - another process may have been asked
            await asyncio.sleep(_LOOK_EVERY_S)
        with suppress(ProcessLookupError):
            process.terminate()

    def _shown(self, text: bytes) -> tuple[str, ...]:
        """Return the last lines of what a stage printed; a progress bar is one line, and no folder is named."""
        lines = text.decode(errors="replace").split("\n")
        last = [_CONTROL.sub("", line.rstrip("\r").rpartition("\r")[2]).strip() for line in lines]
        root = self._service.project.root
        places = sorted({str(root.resolve()), str(root), shlex.quote(str(root.resolve()))}, key=len, reverse=True)
        shown = []
        for line in filter(None, last):
            for place in places:
                line = line.replace(f"{place}/", "").replace(place, "the project")  # noqa: PLW2901 - reads best so
            shown.append(self._service.without_places(line)[:300])
        return tuple(shown[-_MAX_LINES:])


def runs_router(service: Service, runner: StageRunner) -> APIRouter:
    """Return the routes; for researchers, with a token: another page's form cannot send one."""
    router = APIRouter(responses=ERRORS)
    known = Depends(service.caller)

    def answer(caller: Caller) -> Response:
        require(caller, Role.RESEARCHERS)
        return Response(RUNS.dump_json(runner.read()), media_type="application/json")

    @router.get("/api/runs", response_model=StageRuns)
    async def runs(caller: Caller = known) -> Response:
        """Return how each stage's last run went."""
        return answer(caller)

    @router.post("/api/runs/{stage}", response_model=StageRuns)
    async def start(stage: str, caller: Caller = known) -> Response:
        """Start a stage."""
        require(caller, Role.RESEARCHERS)
        await runner.start(stage, caller.name)
        return answer(caller)

    @router.delete("/api/runs", response_model=StageRuns)
    async def stop(caller: Caller = known) -> Response:
        """Stop the stage that is running."""
        require(caller, Role.RESEARCHERS)
        await runner.stop()
        return answer(caller)

    return router


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
