"""Figures in a report: a picture with a description for those who cannot see it, a caption, and the table behind it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from html import escape
from io import BytesIO

from pipeline.errors import DatasetError
from pipeline.reports.evaluation_plots import DescribedFigure
from pipeline.reports.html import Html

_SHOWN_DPI, _DRAWN_DPI = 100, 160


def figure(draw: Callable[[], DescribedFigure], caption: str, behind: Html | None = None, images: str = "") -> Html:
    """Return a figure, or a sentence that says why there is none.

    Parameters
    ----------
    draw
        Draws the figure; the message of a `DatasetError` becomes the sentence.
    caption
        What is shown, and over what; plain text.
    behind
        The table behind the figure, shown folded.
    images
        The images behind the figure, from :func:`pipeline.reports.images_behind.images_behind`.
    """
    import matplotlib as mpl

    # Matplotlib reads text between dollar signs as a formula; names of classes and people are never formulas.
    with mpl.rc_context({"text.parse_math": False}):
        try:
            described = draw()
        except DatasetError as error:
            return Html(f"<p>Not drawn: {escape(str(error))}.</p>{_folded(behind)}")
        buffer = BytesIO()
        described.figure.savefig(buffer, format="png", dpi=_DRAWN_DPI)
    width_px = round(described.figure.get_figwidth() * _SHOWN_DPI)
    return Html(
        f'<figure style="margin:1em 0"><img src="data:image/png;base64,{b64encode(buffer.getvalue()).decode()}" '
        f'alt="{escape(described.alt_text)}" width="{width_px}" style="background:#fff">'
        f'<figcaption style="max-width:45em;margin-top:.4em">{escape(caption)}</figcaption></figure>{images}'
        f"{_folded(behind)}"
    )


def _folded(behind: Html | None) -> str:
    return "" if behind is None else f"<details><summary>Table behind this figure</summary>{behind.text}</details>"
