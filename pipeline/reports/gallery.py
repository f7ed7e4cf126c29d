"""Images of a project in a grid, each with a few words beneath."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.reports.formats import shortened
from pipeline.reports.html import Html
from pipeline.reports.thumbnails import thumbnail

_SIDE_PX = 160
_CLASSES_SHOWN = 10


def gallery(
    project: Project, images: Sequence[int], words: Callable[[int], str], caption: str, all_of_them: str = ""
) -> Html:
    """Return thumbnails with a few words beneath each.

    Parameters
    ----------
    project
        The project that the images belong to.
    images
        Image indices, in the order to show.
    words
        Gives, for an image index, the HTML beneath the image.
    caption
        What is shown, and how it was chosen; plain text.
    all_of_them
        All images that these were chosen from, from :func:`pipeline.reports.images_behind.images_behind`.
    """
    if len(images) == 0:
        return Html(f"<p>{escape(caption)} There are none.</p>")
    wanted = np.asarray(images, dtype=np.int64)
    rows = image_columns(project, ["image_id", "path"]).take(wanted).to_pylist()
    cards = [
        _card(thumbnail(project, row["path"], f"image {row['image_id']}", _SIDE_PX), row["image_id"], words(int(index)))
        for index, row in zip(wanted, rows, strict=True)
    ]
    grid = "display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start"
    return Html(f'<p>{escape(caption)}</p>{all_of_them}<div style="{grid}">{"".join(cards)}</div>')


def sample(images: NDArray[np.int64], n_images: int, seed: int) -> NDArray[np.int64]:
    """Draw `n_images` images at random without repeats, ascending; all of them where there are no more."""
    if len(images) <= n_images:
        return images
    return np.sort(np.random.default_rng(seed).choice(images, n_images, replace=False))


def class_list(project: Project, classes: Sequence[int], bold: int = -1) -> str:
    """Return class names as HTML, with one of them in bold; `none applies` where there are none."""
    names = [escape(shortened(project.label_space.names[index])) for index in classes[:_CLASSES_SHOWN]]
    words = [f"<b>{name}</b>" if index == bold else name for index, name in zip(classes, names, strict=False)]
    more = f" and {len(classes) - _CLASSES_SHOWN} more" if len(classes) > _CLASSES_SHOWN else ""
    return ", ".join(words) + more if words else "<i>none applies</i>"


def _card(picture: str, image_id: str, words: str) -> str:
    return (
        f'<figure style="margin:0;width:{_SIDE_PX + 20}px">{picture}'
        '<figcaption style="font-size:.85em;overflow-wrap:anywhere;color:inherit">'
        f"<small>{escape(shortened(image_id))}</small>{words}</figcaption></figure>"
    )
