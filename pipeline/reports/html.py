"""HTML that a notebook shows when it is a cell's last value; text from outside must be escaped when it is inserted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of HTML, which Jupyter renders."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{len(self.text):,} characters of HTML>"


def lone_page(title: str, body: str) -> str:
    """Return a whole page that belongs to no site; the title is plain text, the body HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>'
        ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;"
        "padding:0 1rem}td,th{padding:.15rem .6rem;text-align:right}img{max-width:100%;height:auto}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>\n"
    )


def table(
    header: Sequence[str] | None, rows: Sequence[Sequence[str]], *, caption: str, text_columns: Collection[int] = ()
) -> Html:
    """Return a table; cells are HTML, so text from outside must be escaped before it comes here.

    Parameters
    ----------
    header
        Names of the columns; None where the first cell of each row names the row.
    rows
        Cells, the same number in each row.
    caption
        What the table shows, and over what; plain text.
    text_columns
        Columns that hold words and are aligned left, as the first column always is; numbers are aligned right.
    """
    head = ""
    if header:
        cells = (f'<th scope="col"{_side(i, text_columns)}>{escape(name)}</th>' for i, name in enumerate(header))
        head = f"<thead><tr>{''.join(cells)}</tr></thead>"
    body = "".join(_row(row, text_columns) for row in rows)
    return Html(
        f'<table><caption style="text-align:left;padding:.3em 0">{escape(caption)}</caption>'
        f"{head}<tbody>{body}</tbody></table>"
    )


def _row(cells: Sequence[str], text_columns: Collection[int]) -> str:
    first, *rest = cells
    others = "".join(f"<td{_side(i, text_columns)}>{cell}</td>" for i, cell in enumerate(rest, start=1))
    return f'<tr><th scope="row"{_side(0, text_columns)}>{first}</th>{others}</tr>'


def _side(column: int, text_columns: Collection[int]) -> str:
    return ' style="text-align:left"' if column == 0 or column in text_columns else ""
