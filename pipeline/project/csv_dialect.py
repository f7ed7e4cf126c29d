"""What separates the columns of a CSV: spreadsheets write semicolons where the comma is the decimal sign."""

from __future__ import annotations

import re
from typing import TextIO

_SEPARATORS = (",", ";", "\t")
_QUOTED = re.compile(r'"[^"]*"')
_LONGEST_HEADER = 1_000_000


def separator_of(file: TextIO) -> str:
    """Tell from its first line what separates a CSV's columns, and rewind it.

    Parameters
    ----------
    file
        An open text file at its beginning, that can be rewound.

    Returns
    -------
    str
        A comma where the line holds one outside of quotes; else a semicolon or a tabulator where it holds that; a comma
        where it holds none of them (one column).
    """
    header = ""
    while not header.strip() and (line := file.readline(_LONGEST_HEADER)):
        header = line
    file.seek(0)
    bare = _QUOTED.sub("", header)
    return next((separator for separator in _SEPARATORS if separator in bare), ",")
