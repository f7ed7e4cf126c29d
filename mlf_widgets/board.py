"""The progress board: one table, kept up to date while the notebook is open."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets

from pipeline.errors import MlfError
from pipeline.project.wording import so_many
from pipeline.sessions.board import Board, BoardRow, board_of_project
from pipeline.votes.words import Round

_STYLE = """<style>
.mlf-board { color: var(--jp-ui-font-color1, inherit); font: 14px/1.4 var(--jp-ui-font-family, system-ui, sans-serif); }
.mlf-board table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.mlf-board caption { text-align: left; padding: 0 0 .6em; font-weight: 600; }
.mlf-board th, .mlf-board td { padding: .35em .9em; text-align: right; white-space: nowrap; background: none;
  border-bottom: 1px solid var(--jp-border-color2, #ddd); }
.mlf-board thead th { font-weight: 600; vertical-align: bottom; }
.mlf-board th:first-child { text-align: left; }
.mlf-board tbody th { font-weight: 500; }
.mlf-board progress { width: 7em; vertical-align: middle; accent-color: var(--jp-brand-color1, #1976d2); }
.mlf-board progress + span { display: inline-block; min-width: 3em; }
.mlf-board small { opacity: .8; }
.mlf-board .mlf-idle { font-weight: 600; color: var(--jp-error-color0, #b71c1c); }
</style>"""
_HEADINGS = (
    ("Annotator", ""),
    ("Progress", ""),
    ("Done", "tasks decided"),
    ("Left", "tasks not decided"),
    ("Pace", "median active seconds per image"),
    ("Time left", "active hours at this pace"),
    ("Agreement", "votes that peers gave the same way, of those on classes that both were shown"),
    ("Gold", "hidden images with known answers: answered exactly, of those decided"),
    ("Last seen", "when the last vote reached the store"),
)


def board_html(board: Board) -> str:
    """Return the board as one accessible table; names are escaped.

    Parameters
    ----------
    board
        As read from the store or the service.
    """
    heads = "".join(f'<th scope="col"{_title(note)}>{name}</th>' for name, note in _HEADINGS)
    rows = "".join(_row(row) for row in board.rows)
    if not board.rows:
        words = "Nobody has tasks in this round yet: run <code>mlf assign</code>."
        rows = f'<tr><td colspan="{len(_HEADINGS)}">{words}</td></tr>'
    share = f" ({board.n_done / board.n_tasks:.0%})" if board.n_tasks else ""
    n_idle = sum(row.is_idle for row in board.rows)
    idle = f"; {n_idle} idle" if n_idle else ""
    caption = (
        f"{board.round.value.capitalize()} round: {board.n_done:,} of {so_many(board.n_tasks, 'task')} done{share}, "
        f"{so_many(len(board.rows), 'annotator')}{idle}. <small>As of {escape(board.time[11:19])} UTC</small>"
    )
    return (
        f'{_STYLE}<div class="mlf-board" data-mlf="board"><table><caption>{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


class ProgressBoard(ipywidgets.HTML):  # type: ignore[misc]
    """A board that refreshes itself every few seconds while the kernel's event loop runs.

    Parameters
    ----------
    read
        Returns the current board. An `MlfError` is shown below the last board, and reading continues.
    every_s
        Seconds between two readings; 0 reads once.
    hides_empty
        Show nothing while nobody has tasks.
    """

    def __init__(self, read: Callable[[], Board], every_s: float = 5.0, *, hides_empty: bool = False) -> None:
        super().__init__()
        self._read = read
        self._hides_empty = hides_empty
        self._every_s = every_s
        self._last = ""
        self._task: asyncio.Task[None] | None = None
        self.refresh()
        with contextlib.suppress(RuntimeError):  # no event loop runs: this is a plain script, which reads once
            if every_s > 0:
                self._task = asyncio.get_running_loop().create_task(self._keep_reading())

    def refresh(self) -> None:
        """Read the board now."""
        self.value = self._render()

    def close(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
        super().close()

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            self.value = await asyncio.to_thread(self._render)

    def _render(self) -> str:
        try:
            board = self._read()
            self._last = board_html(board) if board.rows or not self._hides_empty else ""
        except MlfError as error:
            return f'{self._last}<p role="alert">Not up to date: {escape(str(error))}</p>'
        return self._last


def open_board(project: str | Path, round: Round | str = Round.ANNOTATION, every_s: float = 5.0) -> ipywidgets.Widget:  # noqa: A002
    """Return the live board of a project folder or, in a hub, of the hub's project, with its stages below.

    In a hub the refinement round follows the annotation round once somebody has tasks in it.

    Parameters
    ----------
    project
        The project's folder; ignored in a hub, where the service holds the project.
    round
        ``annotation`` or ``refinement``.
    every_s
        Seconds between two readings.

    Raises
    ------
    ProjectError
        If the folder is not a project.
    ServiceError
        If this session in a hub has no token.
    """
    if os.environ.get("MLF_SERVICE_URL"):
        from mlf_widgets.stages import open_stages
        from pipeline.service.board_client import RemoteBoard

        client = RemoteBoard()
        boards = [ProgressBoard(lambda: client.read(round), every_s)]
        if round == Round.ANNOTATION:
            boards.append(ProgressBoard(lambda: client.read(Round.REFINEMENT), every_s, hides_empty=True))
        return ipywidgets.VBox([*boards, open_stages()])
    return ProgressBoard(board_of_project(project, round).read, every_s)


def _row(row: BoardRow) -> str:
    name = escape(row.annotator)
    kind = " <small>(simulated)</small>" if row.is_simulated else ""
    n_tasks = row.n_done + row.n_left
    share = f"{row.n_done / n_tasks:.0%}" if n_tasks else "–"
    label = escape(f"{row.annotator}: {row.n_done} of {n_tasks} done", quote=True)
    bar = (
        f'<progress value="{row.n_done}" max="{max(1, n_tasks)}" aria-label="{label}"></progress> <span>{share}</span>'
    )
    cells = (
        bar,
        f"{row.n_done:,}",
        f"{row.n_left:,}",
        "–" if row.seconds_per_image is None else f"{row.seconds_per_image:.1f} s per image",
        "–" if row.hours_left is None else f"{row.hours_left:.1f} h",
        _share(row.agreement, row.n_peer_votes),
        _share(row.gold.accuracy, row.gold.n_decided),
        _last_seen(row),
    )
    return f'<tr><th scope="row">{name}{kind}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _share(value: float | None, n: int) -> str:
    return "–" if value is None else f"{value:.0%} <small>of {n:,}</small>"


def _last_seen(row: BoardRow) -> str:
    if row.hours_idle is None:
        words = "never"
    elif row.hours_idle < 1 / 60:
        words = "just now"
    elif row.hours_idle < 1:
        words = f"{row.hours_idle * 60:.0f} min ago"
    elif row.hours_idle < 48:
        words = f"{row.hours_idle:.0f} h ago"
    else:
        words = f"{row.hours_idle / 24:.0f} days ago"
    return f'<span class="mlf-idle">{words}, idle</span>' if row.is_idle else words


def _title(note: str) -> str:
    return f' title="{escape(note, quote=True)}"' if note else ""
