"""HTML that a notebook shows when it is a cell's last value; text from outside is escaped where it is put in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of HTML, shown as such by Jupyter."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{len(self.text):,} characters of HTML>"


def table(header: Sequence[str] | None, rows: Sequence[Sequence[str]], *, caption: str) -> Html:
    """Return a table; cells are HTML, so text from outside is escaped before it comes here.

    Parameters
    ----------
    header
        Names of the columns; None where the first cell of each row names it.
    rows
        Cells, as many in each row.
    caption
        What the table shows and over what; plain text.
    """
    head = ""
    if header:
        head = "<thead><tr>" + "".join(f'<th scope="col">{escape(name)}</th>' for name in header) + "</tr></thead>"
    body = "".join(
        "<tr>" + f'<th scope="row">{first}</th>' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
        for first, *cells in rows
    )
    return Html(
        f'<table><caption style="text-align:left;padding:.3em 0">{escape(caption)}</caption>'
        f"{head}<tbody>{body}</tbody></table>"
    )
