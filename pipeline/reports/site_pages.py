"""Pages of a report that no notebook makes: progress, explorer, provenance."""

from __future__ import annotations

import json
from html import escape

from pipeline.project.folder import Project
from pipeline.project.wording import so_many
from pipeline.reports.explorer_data import ExplorerFiles
from pipeline.reports.formats import number
from pipeline.reports.html import Html, table
from pipeline.runs.page import DATA_FILE
from pipeline.sessions.board import BoardRow, board_of_project
from pipeline.votes.words import Round

_PROGRESS = ("annotator", "done", "tasks", "share", "seconds an image (median)", "votes as their peers")


def progress_page(project: Project) -> Html:
    """Return how far each annotator is, in both rounds."""
    parts = ["<h1>Progress</h1>"]
    for which in Round:
        board = board_of_project(project.root, which).read()
        if not board.rows:
            parts.append(f"<h2>{which.value.capitalize()}</h2><p>Nobody has tasks in this round.</p>")
            continue
        rows = [_progress_row(row) for row in board.rows]
        caption = f"Tasks of the {which.value} round: {board.n_done:,} of {board.n_tasks:,} done."
        listed = table(_PROGRESS, rows, caption=caption)
        parts.append(f"<h2>{which.value.capitalize()}</h2>{listed.text}")
    return Html("".join(parts))


def _progress_row(row: BoardRow) -> tuple[str, ...]:
    n_tasks = row.n_done + row.n_left
    return (
        escape(f"{row.annotator} (simulated)" if row.is_simulated else row.annotator),
        f"{row.n_done:,}",
        f"{n_tasks:,}",
        f"{row.n_done / n_tasks:.1%}" if n_tasks else "undefined",
        number(row.seconds_per_image, 1),
        "undefined" if row.agreement is None else f"{row.agreement:.1%} of {row.n_peer_votes:,}",
    )


def explorer_page(files: ExplorerFiles) -> Html:
    """Return the page that the explorer is drawn in."""
    notice = f"<p>{escape(files.notice)}</p>" if files.notice else ""
    return Html(
        f"<h1>Explorer</h1><p>All {so_many(files.n_images, 'image')}: what they were called, what people said, what "
        "came of it.</p>"
        f'{notice}<div data-mlf="site" tabindex="-1"><p>This page needs its script, and a browser that runs scripts. '
        "In a hub whose program is newer than this page, <code>mlf report</code> makes it anew.</p></div>"
        f'<script src="{DATA_FILE}"></script>'
    )


def provenance_page(project: Project) -> Html:
    """Return which runs made the pages: when, with which parameters, versions, code and data."""
    import nbformat

    rows, versions = [], dict[str, dict[str, str]]()
    for path in sorted(project.runs_dir.glob("*/*.ipynb")):
        record = nbformat.read(path, as_version=4).metadata.get("mlf")
        if not record:
            continue
        given = {
            name: value for name, value in record["parameters"].items() if name != "project" and value not in (None, [])
        }
        versions[record["stage"]] = record["versions"]
        rows.append(
            (
                f'<span style="white-space:nowrap">{escape(path.parent.name)}</span>',
                escape(record["stage"]),
                escape(record.get("outcome", "running")),
                f"{record.get('duration_s', float('nan')):,.0f}",
                escape(json.dumps(given, ensure_ascii=False)),
                escape(record["code"]["packages_sha256"][:12]),
                escape(str(len(record["data_sha256"]))),
            )
        )
    heads = ("run", "stage", "outcome", "seconds", "parameters", "code (SHA-256)", "files read")
    listed = table(
        heads,
        rows,
        caption="Every run of a stage, oldest first; its notebook is in runs/.",
        text_columns=(0, 1, 2, 4, 5),
    )
    newest = next(reversed(versions.values()), {})
    software = table(
        ("software", "version"),
        [(escape(k), escape(v)) for k, v in newest.items()],
        caption="Versions in the newest run.",
    )
    return Html(f"<h1>Provenance</h1>{listed.text}<h2>Software</h2>{software.text}{_labels(project)}")


def _labels(project: Project) -> str:
    path = project.refined_labels_path.with_suffix(".provenance.json")
    if not path.is_file():
        return ""
    said = json.loads(path.read_text(encoding="utf-8"))
    rows = [(escape(str(name)), escape(json.dumps(value, ensure_ascii=False))) for name, value in said.items()]
    listed = table(("what", "value"), rows, caption="The settings of the consensus.", text_columns=(0, 1))
    return f"<h2>How the labels were settled</h2>{listed.text}"
