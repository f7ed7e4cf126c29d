"""Tables as files: CSV or Parquet in, written in one step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.errors import DatasetError
from pipeline.project.csv_dialect import separator_of


def named_row(path: Path, row: Any) -> str:
    """Return where a row of a table read from `path` stands, from its index label.

    Lines of a CSV are counted as an editor counts them, from 1, the header among them; rows of a Parquet file from 0.
    """
    return f"line {row + 2}" if path.suffix.lower() == ".csv" else f"row {row}"


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a `.csv` (all columns as text, empty cells missing) or a `.parquet`.

    Columns of a `.csv` may be separated by semicolons or tabulators, too (:mod:`pipeline.project.csv_dialect`).

    Parameters
    ----------
    path
        The file.
    columns
        Those wanted, as far as the file has them; text among them is read as categories. All, as they are, where left
        out.

    Raises
    ------
    DatasetError
        If the file is missing, of another kind or unreadable, or a wanted column holds lists or records.
    """
    if not path.is_file():
        raise DatasetError(f"{path} does not exist; give a .csv or .parquet file")
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise DatasetError(f"{path} is neither .csv nor .parquet; save the table as one of them")
    try:
        return _read_parquet(path, columns) if kind == ".parquet" else _read_csv(path, columns)
    except DatasetError:
        raise
    except pd.errors.ParserWarning as error:
        raise DatasetError(f"{path} cannot be read as csv: its rows have more cells than its header") from error
    except (ValueError, OSError, NotImplementedError) as error:
        raise DatasetError(f"{path} cannot be read as {kind[1:]}: {' '.join(str(error).split())}") from error


def columns_of(path: Path) -> list[str]:
    """Return the names of the columns of a `.csv` or `.parquet`, without reading its rows."""
    if path.suffix.lower() == ".csv":
        return [str(name) for name in pd.read_csv(path, nrows=0, sep=_separator(path), encoding="utf-8-sig").columns]
    import pyarrow.parquet as pq

    return list(pq.read_schema(path).names)


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return separator_of(file)


def _read_csv(path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # else cells beyond the header's are cut off in silence
        table = pd.read_csv(
            path,
            sep=_separator(path),
            dtype=str if columns is None else "category",
            keep_default_na=False,
            na_values=[""],
            skip_blank_lines=False,  # so that the index tells each row's line; they are dropped below
            index_col=False,
            encoding="utf-8-sig",
        )
    if len(table.columns) > 1:
        table = table.dropna(how="all")
    return table if columns is None else table[[name for name in columns if name in table]]


def _read_parquet(path: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    if columns is None:
        return pd.read_parquet(path)
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    wanted = [name for name in columns if name in schema.names]
    nested = [name for name in wanted if pa.types.is_nested(schema.field(name).type)]
    if nested:
        raise DatasetError(f"{path}: column {nested[0]!r} holds {schema.field(nested[0]).type}; give text or numbers")
    text = [name for name in wanted if _is_text(schema.field(name).type)]
    arrow = pq.read_table(path, columns=wanted, read_dictionary=text).unify_dictionaries()
    table: pd.DataFrame = arrow.to_pandas(split_blocks=True, self_destruct=True, ignore_metadata=True)
    return table


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as its suffix says, `.csv` or `.parquet`, in one step."""
    unfinished = unfinished_path(path)
    if path.suffix == ".csv":
        table.to_csv(unfinished, index=False)
    else:
        table.to_parquet(unfinished, index=False)
    unfinished.replace(path)


def unfinished_path(path: Path) -> Path:
    """Return where a file is written until it is whole and takes its place."""
    return path.with_name(f".{path.name}.partial")
