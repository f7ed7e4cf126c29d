"""What a report's page may do in a reader's browser: the one content security policy that it is sent with.

A page stands in a sandbox that is an origin of its own: it has no cookies, and can read no other page. In it run the
site's own script, known by its digest, and the explorer's file; nothing else does, whatever a class name or a comment
managed to bring in. Even the site's script can ask no address for anything but that file and the thumbnails.
"""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256

from pipeline.errors import ProjectError
from pipeline.runs.page import DATA_FILE, SPRITES, read_built

#: What a page without scripts is sent with.
WITHOUT_SCRIPTS = (
    "sandbox allow-popups; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
#: Files beside the pages, which the explorer loads.
REPORT_FILE = re.compile(rf"{re.escape(DATA_FILE)}|{SPRITES}/[0-9]{{4,6}}\.jpg")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_DATA_SCRIPT = f'<script src="{DATA_FILE}">'


@cache
def _digest_of_the_script() -> str:
    try:
        script = read_built("site.js")
    except ProjectError:
        return ""
    return b64encode(sha256(script.encode()).digest()).decode()


def policy_of_page(page: str, host: str, files: str) -> str:
    """Return the content security policy that a page is sent with.

    Parameters
    ----------
    page
        Its HTML.
    host
        Name and port of the address at which its reader asks; scripts are forbidden where this is no such thing.
    files
        Path at which this reader's browser gets the files beside the page, with a slash at its end; empty where it
        gets none.
    """
    digest = _digest_of_the_script()
    # A page in a sandbox with scripts may send itself elsewhere by `<meta http-equiv=refresh>`. None of ours has one.
    if not digest or not _HOST.fullmatch(host) or "http-equiv" in page.lower():
        return WITHOUT_SCRIPTS
    at = f"http://{host}{files}"  # matches the same address under https, too
    script, image = (f" {at}{DATA_FILE}", f" {at}{SPRITES}/") if files else ("", "")
    return (
        "sandbox allow-popups allow-scripts allow-downloads; default-src 'none'; "
        f"script-src 'sha256-{digest}'{script}; "
        f"img-src data:{image}; style-src 'unsafe-inline'; font-src data:; connect-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def with_files_at(page: str, files: str) -> str:
    """Return a page whose explorer loads its file from another path."""
    return page.replace(_DATA_SCRIPT, f'<script src="{files}{DATA_FILE}">', 1) if files else page
