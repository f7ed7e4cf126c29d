"""CSV as people have it: separated by commas, semicolons or tabs, with or without a byte order mark, in UTF-8.

Every CSV that comes in is read here. The reader finds the header below blank lines and a spreadsheet's `sep=;`, brings
the columns' names to one form (:func:`pipeline.project.names.column_name`) and refuses a column that occurs twice. It
knows the line of each row as an editor counts it, even after cells with line breaks.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import IO

from pipeline.errors import DatasetError
from pipeline.project.names import column_name

_SEPARATORS = (",", ";", "\t")
_QUOTED = re.compile(r'"[^"]*"')
#: What Excel writes and reads as the first line of a CSV to say what separates its columns.
_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_LONGEST_CELL = 10_000_000
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class CsvRows:
    """An open CSV: the names of its columns, then its rows, each read once.

    Parameters
    ----------
    where
        What messages call the file.
    header
        The columns' names in one form; empty where a column has no name.
    shown_header
        The same as the file spells them.
    rows
        The line (as an editor counts, from 1) and the cells of every row that is not blank.
    """

    where: str
    header: tuple[str, ...]
    shown_header: tuple[str, ...]
    rows: Iterator[tuple[int, list[str]]]

    def position(self, *names: str) -> int | None:
        """Return the position of the first of these columns that the file has.

        Raise `DatasetError` if the file has that column twice.
        """
        for name in names:
            if self.header.count(name) > 1:
                raise DatasetError(twice(self.where, name))
            if name in self.header:
                return self.header.index(name)
        return None

    def surplus(self, cells: Sequence[str]) -> str:
        """Say what is wrong with a row that has more cells than columns: its values may be in the wrong columns."""
        if not any(cell.strip() for cell in cells[len(self.header) :]):
            return ""
        return (
            f"more values than columns ({len(cells)} values for {len(self.header)} columns); quote values that hold a "
            "comma or semicolon"
        )


def twice(where: object, name: str) -> str:
    """Return the message for a column that a table has twice."""
    return f"{where}: has the column {name!r} twice, and nothing says which is meant; keep or rename one"


@contextmanager
def csv_rows(binary: IO[bytes], where: object, *, separator: str | None = None) -> Iterator[CsvRows]:
    """Read an open CSV, and close it at the end.

    Parameters
    ----------
    binary
        The file, at its beginning; it must be seekable.
    where
        What messages call it.
    separator
        What separates its columns. Where left out, its first line tells: a comma if that line holds one outside
        quotes, else a semicolon or a tab.

    Raises
    ------
    DatasetError
        If it is empty, not in UTF-8 (or UTF-16 with a byte order mark) or not a CSV; the message names the line.
    """
    name = str(where)
    encoding = _MARKS.get(binary.read(2), "utf-8-sig")
    binary.seek(0)
    with TextIOWrapper(binary, encoding=encoding, newline="") as text:
        n_skipped, line = 0, ""
        reader = None
        try:
            for line in text:
                told = _EXCEL_SEPARATOR.fullmatch(line.strip())
                if told:
                    separator = told[1]
                elif line.strip('\ufeff \r\n\t,;"'):
                    break
                n_skipped += 1
            else:
                raise DatasetError(f"{name} cannot be read as csv: it is empty; the first row must name the columns")
            # A row whose line ends within quotes goes on in the next line: the reader needs both.
            reader = csv.reader(chain([line], text), delimiter=separator or separator_of(line), strict=True)
            with _long_cells():
                shown = tuple(next(reader))
                header = tuple(column_name(cell) for cell in shown)
                yield CsvRows(name, header, shown, _numbered(reader, n_skipped))
        except UnicodeDecodeError as error:
            raise DatasetError(_not_text(binary, encoding, name)) from error
        except csv.Error as error:
            at = f", line {n_skipped + reader.line_num}" if reader else ""
            raise DatasetError(f"{name}{at} cannot be read as csv: {error}") from error


def separator_of(header: str) -> str:
    """Tell from a line what separates its columns: a comma, else a semicolon or a tab; by default a comma."""
    bare = _QUOTED.sub("", header)
    return next((separator for separator in _SEPARATORS if separator in bare), ",")


def line_of_row(path: Path, row: int) -> int:
    """Return the line on which a row of a CSV begins; rows count from 0, leaving out the header and blank lines."""
    with path.open("rb") as binary, csv_rows(binary, path) as table:
        for number, (line, _) in enumerate(table.rows):
            if number == row:
                return line
    raise IndexError(row)


def _numbered(reader: Iterator[list[str]], n_skipped: int) -> Iterator[tuple[int, list[str]]]:
    ended: int = n_skipped + reader.line_num  # type: ignore[attr-defined]
    for cells in reader:
        began, ended = ended + 1, n_skipped + reader.line_num  # type: ignore[attr-defined]
        if cells and (cells[0].strip() or any(map(str.strip, cells))):
            yield began, cells


@contextmanager
def _long_cells() -> Iterator[None]:
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _not_text(binary: IO[bytes], encoding: str, where: str) -> str:
    """Name the line that cannot be decoded."""
    advice = "save the file as UTF-8 (in a spreadsheet: `CSV UTF-8`)"
    binary.seek(0)
    for number, line in enumerate(binary, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            if encoding == "utf-8-sig":
                return f"{where}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8 text; {advice}"
            break
    return f"{where}: cannot be read as text in {encoding}; {advice}"
