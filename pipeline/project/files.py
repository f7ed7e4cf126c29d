"""Tables as files: CSV or Parquet, read as text and written in one step; and what a file's bytes are known by."""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.project.columns import refuse_twice, text_column
from pipeline.project.csv_dialect import csv_rows, line_of_row
from pipeline.project.names import column_name, settled, settled_all
from pipeline.project.spreadsheets import guarded_table, unguarded
from pipeline.project.writing import whole_file

#: Columns that name things: spellings that become one name are told. Then the columns that may hold truth values.
_NAMES = ("image", "class", "annotator")
_TRUTHS = ("shown", "label")
_ROWS_AT_ONCE = 100_000


def named_row(path: Path, row: Any) -> str:
    """Return where in `path` a row of a table read from it is, by its index label.

    Lines of a CSV are counted as an editor counts them, from 1; rows of a Parquet file from 0.
    """
    return f"line {line_of_row(path, int(row))}" if path.suffix.lower() == ".csv" else f"row {row}"


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a `.csv` or a `.parquet` as text, each column as sorted categories; empty cells are missing.

    Names are settled (:mod:`pipeline.project.names`); nothing is taken for a number. Columns of a `.csv` may also be
    separated by semicolons or tabs.

    Parameters
    ----------
    columns
        The columns to read, as far as the file has them, by their names in one form; all where left out.

    Raises
    ------
    DatasetError
        If the file is missing, of another kind or unreadable, or a wanted column occurs twice or holds no text.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; give a .csv or .parquet file")
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise DatasetError(f"{path} is neither .csv nor .parquet; save the table as one of them")
    try:
        read = _read_csv(path, columns) if kind == ".csv" else _read_parquet(path, columns)
    except (ValueError, OSError, NotImplementedError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} cannot be read as {kind[1:]}: {' '.join(str(error).split())}") from error
    return pd.DataFrame({name: _settled_column(name, codes, words, path) for name, (codes, words) in read.items()})


def columns_of(path: Path) -> list[str]:
    """Return the names of a table's columns as the file spells them."""
    if path.suffix.lower() == ".csv":
        with path.open("rb") as binary, csv_rows(binary, path) as table:
            return list(table.shown_header)
    import pyarrow.parquet as pq

    return list(pq.read_schema(path).names)


def _settled_column(name: str, codes: NDArray[np.int32], words: Sequence[str], path: Path) -> pd.Categorical:
    """Return a column from codes (-1: missing) and the words they stand for; equal names become one."""
    if path.suffix.lower() == ".csv":
        words = [unguarded(word) for word in words]
    forms = settled_all(words, name, path) if name in _NAMES else {word: settled(word) for word in words}
    names = sorted(set(forms.values()) - {""})
    place = {form: position for position, form in enumerate(names)} | {"": -1}
    recoded = np.array([*(place[forms[word]] for word in words), -1], dtype=np.int32)
    return pd.Categorical.from_codes(recoded[codes], pd.Index(names, dtype=object))


def _read_csv(path: Path, columns: Sequence[str] | None) -> dict[str, tuple[NDArray[np.int32], list[str]]]:
    with path.open("rb") as binary, csv_rows(binary, path) as table:
        names = [name for name in (columns or dict.fromkeys(table.header)) if name in table.header and name]
        at = {name: position for name in names if (position := table.position(name)) is not None}
        n_columns = len(table.header)
        words: dict[str, defaultdict[str, int]] = {}
        for name in names:
            words[name] = defaultdict()
            words[name].default_factory = words[name].__len__
        parts: dict[str, list[NDArray[np.int32]]] = {name: [] for name in names}
        while batch := list(islice(table.rows, _ROWS_AT_ONCE)):
            for line, cells in batch:
                if len(cells) != n_columns:
                    if surplus := table.surplus(cells):
                        raise DatasetError(f"{path} cannot be read as csv: on line {line} {surplus}")
                    cells.extend([""] * (n_columns - len(cells)))
            for name, position in at.items():
                code_of = words[name].__getitem__
                codes = (code_of(cells[position]) for _, cells in batch)
                parts[name].append(np.fromiter(codes, np.int32, len(batch)))
    none = [np.zeros(0, np.int32)]
    return {name: (np.concatenate(parts[name] or none), list(words[name])) for name in names}


def _read_parquet(path: Path, columns: Sequence[str] | None) -> dict[str, tuple[NDArray[np.int32], list[str]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    refuse_twice(schema, columns or [column_name(name) for name in schema.names], path)
    found = {column_name(name): name for name in schema.names}
    wanted = {name: found[name] for name in (columns or found) if name in found}
    text = [actual for actual in wanted.values() if pa.types.is_string(schema.field(actual).type)]
    table = pq.read_table(path, columns=list(wanted.values()), read_dictionary=text)
    read: dict[str, tuple[NDArray[np.int32], list[str]]] = {}
    for name, actual in wanted.items():
        column = table.column(actual)
        text_column(column.slice(0, 0), actual, path, is_truth=name in _TRUTHS)  # refuses a type that holds no text
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        coded = coded.unify_dictionaries()
        if not coded.num_chunks:
            read[name] = (np.zeros(0, np.int32), [])
            continue
        words = text_column(coded.chunk(0).dictionary, actual, path, is_truth=name in _TRUTHS).to_pylist()
        codes = np.concatenate([chunk.indices.fill_null(-1).to_numpy() for chunk in coded.chunks]).astype(np.int32)
        read[name] = (codes, [word or "" for word in words])
    return read


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as its suffix says, `.csv` or `.parquet`, in one step; no `.csv` cell can run as a formula."""
    if path.suffix == ".csv":
        write_csv(lambda: [table], path)
        return
    with whole_file(path) as unfinished:
        table.to_parquet(unfinished, index=False)


def write_csv(parts: Callable[[], Iterable[pd.DataFrame]], path: Path) -> None:
    """Write a table that comes in parts, as :func:`write_table` writes one; `parts` may be called twice."""
    with whole_file(path) as unfinished:
        _write_parts(parts(), unfinished, csv.QUOTE_MINIMAL)
        # A carriage return ends a line for every CSV reader, but Python 3.11 does not quote a cell with only that.
        if _holds_return(unfinished):
            _write_parts(parts(), unfinished, csv.QUOTE_NONNUMERIC)


def _write_parts(parts: Iterable[pd.DataFrame], path: Path, quoting: Literal[0, 2]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(parts):
            guarded_table(part).to_csv(file, index=False, header=number == 0, quoting=quoting)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _holds_return(path: Path) -> bool:
    with path.open("rb") as file:
        return any(b"\r" in part for part in iter(partial(file.read, 1 << 20), b""))
