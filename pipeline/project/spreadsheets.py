"""Cells of CSV files that a spreadsheet would run as a formula: how they are written, and how they are read again.

Excel, LibreOffice and Google Sheets take a cell that begins with one of ``= + - @``, a tab or a carriage return for a
formula, in quotes or not, and anyone can type such a name or comment. So the cell gets an apostrophe in front, as OWASP
advises (https://owasp.org/www-community/attacks/CSV_Injection), unless it is a plain number. Reading removes the
apostrophe, so that a name comes back as it was.
"""

from __future__ import annotations

import re

import pandas as pd

_RUNS = re.compile(r"\'*[=+\-@\t\r]")
_GUARDED = re.compile(r"\'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def guarded(cell: str) -> str:
    """Return a cell's text for writing: with an apostrophe in front where a spreadsheet would run it."""
    return f"'{cell}" if _RUNS.match(cell) and not _NUMBER.fullmatch(cell) else cell


def unguarded(cell: str) -> str:
    """Return the text that :func:`guarded` was given."""
    return cell[1:] if _GUARDED.match(cell) else cell


def _may_run(column: pd.Series) -> bool:
    """Return whether a column of texts may hold one to guard: Arrow looks through a million of them in an instant."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        texts = pa.array(column, type=pa.string(), from_pandas=True)
    except (pa.ArrowException, TypeError, UnicodeError):  # something else than text is among them
        return True
    return bool(pc.any(pc.match_substring_regex(texts, _RUNS.pattern.join(("^(?:", ")")))).as_py())


def guarded_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no spreadsheet runs any text, headers included; numbers and truth values stay."""
    safe = table.rename(columns={name: guarded(str(name)) for name in table.columns})
    for name in safe.columns:
        column = safe[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        is_text = column.dtype == object or isinstance(column.dtype, pd.StringDtype)
        if is_text and _may_run(column):
            safe[name] = column.map(lambda cell: guarded(cell) if isinstance(cell, str) else cell)
    return safe
