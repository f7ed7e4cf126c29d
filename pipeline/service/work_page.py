"""The page of a light session: its HTML, the built files that it loads, and what it may do in a browser.

It shows the same browser halves as a notebook. Its first image, tasks and settings come with it, so that the image is
there before the rest has arrived.
"""

from __future__ import annotations

import gzip
import html
import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from pipeline.runs.page import read_built
from pipeline.service.admission import Refusal
from pipeline.service.wire import json_pieces
from pipeline.votes.words import Round

#: The browser half that each round works with.
WIDGET_OF = {Round.ANNOTATION: "annotator", Round.REFINEMENT: "refiner"}
_MEDIA_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_FILE = re.compile(r"(" + "|".join(WIDGET_OF.values()) + r")\.(js|css)")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
#: Tasks come in blocks of this many (`TASK_BLOCK` in `walking.ts`): the page asks for the first one.
TASK_BLOCK = 25


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A built file: its bytes, compressed, what tells it from other versions, and its media type."""

    zipped: bytes
    plain: bytes
    tag: str
    media_type: str


@cache
def built_file(name: str) -> BuiltFile:
    """Return a built file of the browser halves.

    Raise `Refusal` if a page loads no such file. Raise `ProjectError` if it was not built.
    """
    found = _FILE.fullmatch(name)
    if found is None:
        raise Refusal(404, "NotFound", "there is no such file")
    plain = read_built(name).encode()
    return BuiltFile(gzip.compress(plain, 9), plain, sha256(plain).hexdigest()[:16], _MEDIA_TYPES[found[2]])


@dataclass(frozen=True, slots=True)
class Opening:
    """What comes with a page: the answers to the first requests of its browser half."""

    info: dict[str, Any]
    tasks: list[dict[str, Any]]
    display_px: int

    @property
    def first_image(self) -> dict[str, int | str] | None:
        """Return the parameters of the request for the first image, or None where there is none."""
        position = self.info["start_position"]
        first = next((task for task in self.tasks if task["position"] == position and task["has_image"]), None)
        if first is None:
            return None
        return {"position": position, "max_side_px": self.display_px, "image_id": first["image_id"]}


def page_html(opening: Opening, round_: Round, at: str, key: str, classes: str) -> str:
    """Return a page.

    Parameters
    ----------
    at
        Path of the work's routes, without a slash at its end.
    key
        What the page shows when it asks for something.
    classes
        Path of the list of classes.
    """
    widget, here = WIDGET_OF[round_], f"{at}/{round_.value}"
    script, style = (f"{at}/static/{built_file(name).tag}/{name}" for name in (f"{widget}.js", f"{widget}.css"))
    first = opening.first_image
    image = (
        f'<img alt="" aria-hidden="true" fetchpriority="high" data-mlf-position="{first["position"]}" '
        f'src="{_quoted(f"{here}/image?{urlencode(first)}")}">'
        if first
        else ""
    )
    data = "".join(json_pieces({"open": opening.info, "tasks": opening.tasks})).replace("<", "\\u003c")
    return (
        f'<!doctype html><html lang="{_quoted(opening.info["annotation"]["language"])}"><head><meta charset="utf-8">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(opening.info['project_name'])}</title>"
        f'<link rel="stylesheet" href="{_quoted(style)}">'
        f'<link rel="preload" as="fetch" crossorigin href="{_quoted(classes)}">'
        f'<script type="module" src="{_quoted(script)}"></script>'
        f'</head><body data-mlf-page="{_quoted(here)}" data-mlf-key="{_quoted(key)}" '
        f'data-mlf-classes="{_quoted(classes)}">'
        f'{image}<script type="application/json" id="mlf-opening">{data}</script></body></html>'
    )


def page_policy(host: str, at: str) -> str:
    """Return the content security policy of a page: its own script and style, and requests to its own routes alone.

    Parameters
    ----------
    host
        Name and port of the address at which it is asked for.
    at
        Path of the work's routes, without a slash at its end.
    """
    # http matches the same address under https, too. A researcher's server has the same host, but not the path.
    files, routes = (f"http://{host}{at}/static/", f"http://{host}{at}/") if _HOST.fullmatch(host) else ("'none'",) * 2
    return (
        f"default-src 'none'; script-src {files}; style-src {files}; connect-src {routes}; "
        f"img-src blob: data: {routes}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _quoted(text: str) -> str:
    return html.escape(text, quote=True)
