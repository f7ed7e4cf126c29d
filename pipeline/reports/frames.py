"""Data frames as tables in a report, and lists of sentences."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from html import escape
from typing import Any

import pandas as pd

from pipeline.project.wording import so_many
from pipeline.reports.html import Html, table


def frame_table(
    frame: pd.DataFrame,
    columns: Mapping[str, Callable[[Any], str]],
    *,
    caption: str,
    n_rows: int = 20,
    text_columns: Collection[int] = (),
) -> Html:
    """Return a data frame as a table.

    Parameters
    ----------
    frame
        One row per row of the table.
    columns
        From heading to a function that gives the HTML for a row, which is a named tuple of the frame.
    caption
        What the table shows; the number of rows shown, and of how many, is added.
    n_rows
        How many rows to show at most.
    text_columns
        Columns that hold words.
    """
    rows = [[cell(row) for cell in columns.values()] for row in frame.head(n_rows).itertuples()]
    if not rows:
        return Html(f"<p>{escape(caption)} No rows.</p>")
    shown = f" The first {n_rows:,} of {so_many(len(frame), 'row')}." if len(frame) > n_rows else ""
    return table(list(columns), rows, caption=f"{caption}{shown}", text_columns=text_columns)


def sentences(lines: Iterable[str]) -> Html:
    """Return plain sentences as an HTML list."""
    return Html("<ul>" + "".join(f"<li>{escape(line.strip())}</li>" for line in lines) + "</ul>")


def paragraph(words: str) -> Html:
    """Return plain text as an HTML paragraph."""
    return Html(f"<p>{escape(words)}</p>")


def boxed(words: str) -> str:
    """Return HTML as a paragraph in a frame that nobody overlooks."""
    return f'<p style="border:2px solid #D55E00;padding:.6em .8em">{words}</p>'


def simulation_notice(simulated: Collection[str], people: Collection[str]) -> Html:
    """Return a notice that programs took part; empty where everyone is a person."""
    if not simulated:
        return Html("")
    who = "All annotators are" if set(people) <= set(simulated) else f"{len(simulated)} of {len(people)} annotators are"
    return Html(
        boxed(
            f"<strong>{who} simulated</strong>: {escape(', '.join(sorted(simulated)))}. They are programs that tick "
            "and miss at set rates; figures about them say nothing about people."
        )
    )
