"""The stages on the board of a hub: a button each, how far it is, and the way to its report."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import ipywidgets

from pipeline.errors import MlfError
from pipeline.service.runs_client import RemoteRuns, RunState, StageRun, StageRuns
from pipeline.sessions.hub_links import HubLinks, hub_address, hub_links

_TITLES = {
    "analyze": ("Analyse", "where annotators differ, and on what"),
    "settle": ("Settle", "refined labels from all votes so far"),
    "evaluate": ("Evaluate", "the project's models under the refined labels"),
    "report": ("Report", "all of it as linked pages"),
}
_WORDS = {
    RunState.NEVER: "",
    RunState.RUNNING: "running",
    RunState.DONE: "done",
    RunState.FAILED: "failed",
    RunState.STOPPED: "stopped",
}


class StagePanel(ipywidgets.VBox):  # type: ignore[misc]
    """Buttons that run a hub's stages; it refreshes itself while the kernel's event loop runs.

    Parameters
    ----------
    client
        Reads, starts and stops runs. An `MlfError` is shown below the buttons.
    reports_url, laboratory_url
        Where the reports are, with a slash at the end, and JupyterLab.
    links
        The ways out.
    every_s
        Seconds between two readings; 0 reads once.
    """

    def __init__(
        self,
        client: RemoteRuns,
        reports_url: str,
        laboratory_url: str,
        links: HubLinks | None = None,
        every_s: float = 2.0,
    ) -> None:
        self._client, self._reports_url = client, reports_url
        self._buttons = {stage: self._button(stage) for stage in _TITLES}
        self._texts = {stage: ipywidgets.HTML() for stage in _TITLES}
        self._stop = ipywidgets.Button(description="Stop", tooltip="Stop what is running")
        self._stop.on_click(lambda _: self._ask(client.stop))
        self._problem = ipywidgets.HTML()
        rows = [ipywidgets.HBox([self._buttons[stage], self._texts[stage]]) for stage in _TITLES]
        ways = [
            f'<a href="{escape(reports_url.rstrip("/"))}" target="_blank" rel="noopener">All reports</a>',
            f'<a href="{escape(laboratory_url)}">JupyterLab</a>',
        ]
        if links and links.projects:
            ways.append(f'<a href="{escape(links.projects)}">Projects</a>')
        if links:
            ways.append(f'<a href="{escape(links.log_out)}">Log out</a>')
        super().__init__([*rows, self._stop, self._problem, ipywidgets.HTML(f"<p>{' · '.join(ways)}</p>")])
        self.add_class("mlf-stages")
        self._ask(client.read)
        self._task: asyncio.Task[None] | None = None
        with contextlib.suppress(RuntimeError):  # no event loop runs: this is a plain script, which reads once
            if every_s > 0:
                self._task = asyncio.get_running_loop().create_task(self._keep_reading(every_s))

    def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
        super().close()

    def _button(self, stage: str) -> ipywidgets.Button:
        title, note = _TITLES[stage]
        button = ipywidgets.Button(
            description=title, tooltip=f"Run stage {stage}: {note}", layout=ipywidgets.Layout(flex="0 0 auto")
        )
        button.on_click(lambda _: self._ask(lambda: self._client.start(stage)))
        return button

    def _ask(self, question: Callable[[], StageRuns]) -> None:
        try:
            self._show(question())
            self._problem.value = ""
        except MlfError as error:
            self._problem.value = f'<p role="alert">{escape(str(error))}</p>'

    async def _keep_reading(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            try:
                runs = await asyncio.to_thread(self._client.read)
            except MlfError as error:
                self._problem.value = f'<p role="alert">Not up to date: {escape(str(error))}</p>'
            else:
                self._show(runs)

    def _show(self, runs: StageRuns) -> None:
        is_busy = any(run.state is RunState.RUNNING for run in runs.runs)
        self._stop.disabled = not is_busy
        for run in runs.runs:
            self._buttons[run.stage].disabled = is_busy
            self._texts[run.stage].value = stage_html(run, self._reports_url)


def stage_html(run: StageRun, reports_url: str) -> str:
    """Return one stage's state as HTML; what it printed is escaped.

    Parameters
    ----------
    run
        Its last run.
    reports_url
        Where the reports are, with a slash at the end.
    """
    parts = [f"<span>{escape(_TITLES[run.stage][1])}</span>"]
    if run.report:
        made = escape(run.made[:16].replace("T", " "))
        address = escape(reports_url + quote(run.report))
        link = f'href="{address}" target="_blank" rel="noopener" style="text-decoration: underline"'
        parts.append(f"<a {link}>report of {made} UTC</a>")
    if word := _WORDS[run.state]:
        parts.append(f'<b data-mlf-state="{run.state.value}">{word}</b>, started by {escape(run.by)}')
    is_running = run.state is RunState.RUNNING  # then the last line is a progress bar, more often than not
    lines = run.lines[-1:] if is_running else [line for line in run.lines if _is_told(line)]
    style = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0"
    told = f'<pre style="{style}">{escape(chr(10).join(lines))}</pre>' if lines else ""
    return f'<div data-mlf="stage" data-stage="{run.stage}" role="status">{" · ".join(parts)}{told}</div>'


def _is_told(line: str) -> bool:
    """Return whether a line is more than a progress bar or the next command, whose buttons are on the screen."""
    return "%|" not in line and not line.startswith("Next: mlf ")


def open_stages() -> StagePanel:
    """Return the stages of the hub's project; in a researcher's session.

    Raise `ServiceError` if this session has no address of a service or no token.
    """
    service = "services/" + os.environ.get("MLF_SERVICE_URL", "").rstrip("/").rpartition("/")[2]
    laboratory = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/") + "lab"
    return StagePanel(RemoteRuns(), f"{hub_address()}{service}/reports/", laboratory, hub_links())
