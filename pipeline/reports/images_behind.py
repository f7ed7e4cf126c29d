"""The images behind a figure: a place beside it, which `mlf report` turns into a link to the explorer.

A stage's own page does not know whether there is an explorer beside it, so the link comes when the site is built.
"""

from __future__ import annotations

import re
from html import escape

import numpy as np
from numpy.typing import ArrayLike

_PLACE = re.compile(r'(<p class="mlf-behind" data-images="([^"]*)" data-n="([0-9]+)">).*?</p>', re.DOTALL)


def images_behind(images: ArrayLike, filtered_by: str = "") -> str:
    """Return the place for a link to exactly these images.

    Parameters
    ----------
    images
        Image indices, in any order.
    filtered_by
        The explorer's own filter that gives these images, as in its address, such as ``images=disputed``; without it
        they are listed one by one. What only sorts may stand there, too.
    """
    indices = np.unique(np.asarray(images, dtype=np.int64))
    if len(indices) == 0:
        return ""
    asked = filtered_by or f"only={_ranges(indices)}"
    return f'<p class="mlf-behind" data-images="{escape(asked)}" data-n="{len(indices)}"></p>'


def with_links_to_images(page: str) -> str:
    """Return a page of a site in which each such place is a link."""

    def linked(found: re.Match[str]) -> str:
        n = int(found[3])
        words = "The image behind this" if n == 1 else f"The {n:,} images behind this"
        return f'{found[1]}<a href="explorer.html#{found[2]}">{words}</a></p>'

    return _PLACE.sub(linked, page)


def _ranges(indices: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> str:
    """Return ascending indices as ``0-5,7``."""
    parts = np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1)
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)
