"""The frame of every page of a report: head, links to the other pages, style; and the script where a site adds it.

A stage's own page runs no script. `mlf report` puts the script of the site, and the style of today, into each. Where
scripts are forbidden, pages read as well; tables just do not sort.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape
from pathlib import Path

from pipeline.errors import ProjectError
from pipeline.project.writing import write_text

_STATIC = Path(__file__).parents[2] / "mlf_widgets" / "static"
#: What lies beside the pages: the explorer's file, its folder of thumbnails, the data card for programs.
DATA_FILE, SPRITES, METADATA_FILE = "explorer_data.js", "sprites", "croissant.json"
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_STATE = re.compile(r'<footer class="mlf-site"><p class="mlf-state">(.*?)</p>', re.DOTALL)
_SCRIPT_OR_STYLE = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a project's report: its file in `reports/`, and what links call it."""

    file: str
    title: str


#: The pages of a site, in order; any other page in `reports/` comes after them.
PAGES = (
    Page("index.html", "Overview"),
    Page("propose.html", "Proposals"),
    Page("progress.html", "Progress"),
    Page("analyze.html", "Agreement"),
    Page("settle.html", "Refinement"),
    Page("evaluate.html", "Evaluation"),
    Page("improve.html", "Improvement"),
    Page("explorer.html", "Explorer"),
    Page("datacard.html", "Data card"),
    Page("provenance.html", "Provenance"),
)


def page_title(stage: str) -> str:
    """Return what the page of a stage is called."""
    return next((page.title for page in PAGES if page.file == f"{stage}.html"), stage.capitalize())


def pages_in(folder: Path) -> list[Page]:
    """Return the pages that lie in a folder, those of a site first and in their order."""
    there = sorted(path.name for path in folder.glob("*.html")) if folder.is_dir() else []
    known = {page.file for page in PAGES}
    others = [
        Page(name, name.removesuffix(".html").replace("_", " ").capitalize()) for name in there if name not in known
    ]
    return [page for page in PAGES if page.file in there] + others


def framed(
    title: str,
    body: str,
    *,
    file: str,
    project: str,
    state: str = "",
    pages: Sequence[Page] = (),
    with_script: bool = False,
) -> str:
    """Return a whole page.

    Parameters
    ----------
    title
        The page's own title.
    body
        Its HTML.
    file
        Its name, to mark it among the links.
    project
        The project's name.
    state
        Which state of the project it shows; at its end, and on paper at its head.
    pages
        What it links; :func:`join_pages` adds that once all pages are there.
    with_script
        Give it the script that sorts, filters and downloads tables.
    """
    foot = f'<footer class="mlf-site"><p class="mlf-state">{escape(state)}</p></footer>' if state else ""
    printed = f'<p class="mlf-state mlf-printed" aria-hidden="true">{escape(state)}</p>' if state else ""
    script = f'<script type="module">{read_built("site.js")}</script>' if with_script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}: {escape(project)}</title><style>{read_built('site.css')}</style></head><body>"
        f'<header class="mlf-site"><p>{escape(project)}</p>{printed}{_links(file, pages)}</header>'
        f"<main>{body}</main>{foot}{script}</body></html>\n"
    )


def join_pages(folder: Path, pages: Sequence[Page], *, into: Sequence[Page], project: str, with_script: bool) -> None:
    """Put pages into the frame of today, linked to each other, so that those of older versions look like new ones.

    Parameters
    ----------
    folder
        Where they lie.
    pages
        What to link.
    into
        The pages that get the links.
    project
        The project's name.
    with_script
        Give them the script, too, that sorts, filters and downloads tables.
    """
    for page in into:
        path = folder / page.file
        text = path.read_text(encoding="utf-8")
        is_ours = '<header class="mlf-site">' in text
        title = _TITLE.search(text)
        body = _inside(text, "main") if is_ours else _SCRIPT_OR_STYLE.sub("", _inside(text, "body") or text)
        state = _STATE.search(text)
        joined = framed(
            unescape(title[1]).removesuffix(f": {project}") if is_ours and title else page.title,
            body,
            file=page.file,
            project=project,
            state=unescape(state[1]) if state else "",
            pages=pages,
            with_script=with_script,
        )
        write_text(path, joined)


def _inside(text: str, name: str) -> str:
    """Return what stands between the first start of an element and its last end; empty where there is none."""
    found = re.search(rf"<{name}\b[^>]*>(.*)</{name}>", text, re.DOTALL | re.IGNORECASE)
    return found[1] if found else ""


def read_built(name: str) -> str:
    """Return a file of the browser half, as it was built; raise `ProjectError` if it was not built."""
    path = _STATIC / name
    if not path.is_file():
        raise ProjectError(f"{path} is missing: the browser half was not built; install the package again")
    return path.read_text(encoding="utf-8").strip()


def _links(file: str, pages: Sequence[Page]) -> str:
    items = []
    for page in pages:
        mark = ' aria-current="page"' if page.file == file else ""
        items.append(f'<li><a href="{escape(page.file)}"{mark}>{escape(page.title)}</a></li>')
    return f'<nav class="mlf-site" aria-label="Pages"><ul>{"".join(items)}</ul></nav>'
