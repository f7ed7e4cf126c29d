"""Where to find the browser half of each widget, once it is built."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import MlfError

STATIC = Path(__file__).parent / "static"


class BundleError(MlfError, FileNotFoundError):
    """The browser half of a widget was not built."""


def read_bundle(file_name: str) -> str:
    """Return the text of one built file of `mlf_widgets/static`.

    Raise `BundleError` if it was not built; the message says how to build it.
    """
    path = STATIC / file_name
    if not path.is_file():
        raise BundleError(
            f"{path} is missing: the browser half of the widgets was not built. Install Node 20 or newer and run "
            f"`npm ci && npm run build` in {STATIC.parent / 'frontend'}, or install the package again"
        )
    return path.read_text(encoding="utf-8")
