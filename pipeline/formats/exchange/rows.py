"""Rows of files that come from elsewhere, each with its place: lines of CSV, rows of Parquet, lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DatasetError
from pipeline.images.kinds import PACKED
from pipeline.project.columns import class_names_of, refuse_twice, text_column
from pipeline.project.csv_dialect import csv_rows
from pipeline.project.names import column_name, settled
from pipeline.project.spreadsheets import unguarded

_ROWS_AT_ONCE = 10_000
_LONGEST_SHOWN = 80
#: What a column or a field is called that says who did the work.
PEOPLE = ("annotator", "worker", "user", "rater", "annotator_id", "worker_id", "rater_id")
#: What programs write where a number is missing.
_NO_NUMBER = frozenset({"", "nan", "na", "n/a", "null", "none"})


def refuse_packed(path: Path) -> None:
    """Refuse a packed file, whatever its ending says: readers would call it broken text."""
    if not path.is_file() or path.suffix.lower() == ".npz":  # a ZIP that is read as it is
        return
    with path.open("rb") as file:
        first = file.read(6)
    how = next((name for beginning, name in PACKED.items() if first.startswith(beginning)), "")
    if how:
        table = "; of a spreadsheet, save the table as CSV" if path.suffix.lower() in {".xlsx", ".ods"} else ""
        raise DatasetError(f"{path} is packed ({how}); unpack it, and give what is in it{table}")


def table_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the rows of a `.csv`, `.tsv` or `.parquet`: where each stands, and its cells by column.

    Names of columns are in one form (:func:`pipeline.project.names.column_name`); cells are settled text, or lists of
    it where Parquet holds lists. Numbers of a Hugging Face `ClassLabel` become the names that come with them.

    Raises
    ------
    DatasetError
        If the file cannot be read; the message names the line.
    """
    yield from _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)


def column_names(path: Path) -> list[str]:
    """Return the names of a table's columns in one form."""
    if path.suffix.lower() == ".parquet":
        return [column_name(name) for name in _parquet(path).schema_arrow.names]
    with _opened(path) as binary, csv_rows(binary, path) as table:
        return list(table.header)


def columns_with_class_names(path: Path) -> set[str]:
    """Return the columns of a `.parquet` whose schema names the classes of their numbers."""
    schema = _parquet(path).schema_arrow
    of_columns = ((name, class_names_of(schema, name) or _listed_class_names(schema, name)) for name in schema.names)
    return {column_name(name) for name, classes in of_columns if classes}


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with _opened(path) as binary, csv_rows(binary, path) as table:
        at = {name: table.position(name) or 0 for name in dict.fromkeys(table.header) if name}
        for line, cells in table.rows:
            if surplus := table.surplus(cells):
                raise DatasetError(f"{path} cannot be read as csv: on line {line} {surplus}")
            cells.extend([""] * (len(table.header) - len(cells)))
            yield f"{path.name}, line {line}", {name: settled(unguarded(cells[i])) for name, i in at.items()}


def _parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise DatasetError(f"{path} does not exist; give a file")
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path} cannot be read as parquet: {' '.join(str(error).split())}") from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow as pa

    file = _parquet(path)
    schema = file.schema_arrow
    refuse_twice(schema, [column_name(name) for name in schema.names], path)
    names = {name: class_names_of(schema, name) or _listed_class_names(schema, name) for name in schema.names}
    row = 0
    for batch in file.iter_batches(_ROWS_AT_ONCE):
        columns: dict[str, list[Any]] = {}
        for name, column in zip(schema.names, batch.columns, strict=True):
            is_list = pa.types.is_list(column.type) or pa.types.is_large_list(column.type)
            if pa.types.is_floating(column.type):  # posteriors and scores are numbers, not names
                columns[column_name(name)] = [None if is_missing(x) else repr(x) for x in column.to_pylist()]
            elif is_list and _is_no_name(column.type.value_type):
                columns[column_name(name)] = column.to_pylist()
            elif is_list:
                items = iter(_texts(column.flatten(), name, names[name], path))
                lengths = column.value_lengths().to_pylist()
                columns[column_name(name)] = [None if n is None else [next(items) for _ in range(n)] for n in lengths]
            else:
                columns[column_name(name)] = _texts(column, name, names[name], path)
        for cells in zip(*columns.values(), strict=True):
            yield f"{path.name}, row {row}", {k: "" if v is None else v for k, v in zip(columns, cells, strict=True)}
            row += 1


def _is_no_name(kind: Any) -> bool:
    """Tell whether a type holds records, or numbers with fractions: scores, not names."""
    import pyarrow as pa

    return bool(pa.types.is_struct(kind) or pa.types.is_floating(kind))


def _texts(column: Any, name: str, class_names: Sequence[str] | None, path: Path) -> list[str | None]:
    texts = text_column(column, name, path, is_truth=True).to_pylist()
    if class_names is None:
        return [None if text is None else settled(text) for text in texts]
    named = {None: None, "-1": None} | {str(number): each for number, each in enumerate(class_names)}
    odd = next((text for text in texts if text not in named), None)
    if odd is not None:
        highest = len(class_names) - 1
        raise DatasetError(f"{path}: column {name!r} holds {odd!r:.60}; it names its classes 0 to {highest}")
    return [named[text] for text in texts]


def _listed_class_names(schema: Any, name: str) -> tuple[str, ...] | None:
    """Return the names of a column of *lists* of class numbers, as Hugging Face `datasets` keeps them."""
    try:
        kept = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"][name]
        names = (kept["feature"] if isinstance(kept, dict) else kept[0])["names"]
    except (KeyError, TypeError, ValueError, IndexError):
        return None
    return tuple(map(str, names)) if isinstance(names, list) else None


def json_content(path: Path) -> Any:
    """Return the content of a JSON file in UTF-8, with or without a byte order mark.

    Raises
    ------
    DatasetError
        If it is missing or no JSON, or an object in it has a name twice; the message names the line or the name.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_object)
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist; give a file") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text; save the file as UTF-8") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} cannot be read as JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON; Python would keep the last of two entries of one name without a word."""
    content = dict(pairs)
    if len(content) < len(pairs):
        form = [(name, json.dumps(value, sort_keys=True)) for name, value in pairs]  # 1, 1.0 and true are three values
        last = dict(form)
        differ = next((name for name, value in form if value != last[name]), None)
        if differ is not None:
            raise ValueError(f"an object in it has {differ!r} twice; keep one")
    return content


def files_in(paths: Sequence[Path], inside: str, ending: str, advice: str) -> list[Path]:
    """Return the files named, and those of folders: with this ending, in their folder `inside` where they have it.

    Raise `DatasetError` with the advice if there is none.
    """
    found: list[Path] = []
    for path in paths:
        folder = path / inside if (path / inside).is_dir() else path
        found += sorted(folder.glob(f"*{ending}")) if path.is_dir() else [path]
    if not found:
        raise DatasetError(f"{paths[0]}: a folder without {ending}; {advice}")
    return found


def in_short(value: object) -> str:
    """Return what a file holds as a message shows it: the beginning, where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def json_lines(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield what each line of JSON Lines holds, with its place; blank lines are passed over.

    Raises
    ------
    DatasetError
        If the file is missing or a line is no JSON; the message names the line.
    """
    with _opened(path) as binary:
        for number, line in enumerate(binary, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    yield f"{path.name}, line {number}", json.loads(text, object_pairs_hook=_object)
            except UnicodeDecodeError as error:
                raise DatasetError(f"{path}, line {number} is not UTF-8 text; save the file as UTF-8") from error
            except (ValueError, RecursionError) as error:
                raise DatasetError(f"{path}, line {number} cannot be read as JSON: {error}") from error


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise DatasetError(f"{path} does not exist; give a file") from error
    except IsADirectoryError as error:
        raise DatasetError(f"{path} is a folder; give the file in it") from error


def as_name(value: object) -> str:
    """Return a name as text: ``370`` means what ``"370"`` says; empty where it is none."""
    if isinstance(value, str):
        return settled(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return str(int(value)) if isinstance(value, float) and value.is_integer() else ""


def is_missing(value: object) -> bool:
    """Tell whether a number is absent: nothing, NaN, or a word that programs write for it."""
    if isinstance(value, str):
        return value.strip().lower() in _NO_NUMBER
    return value is None or (isinstance(value, float) and value != value)


def as_number(value: object) -> float | None:
    """Return a score or a posterior as a number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if number == number and abs(number) != float("inf") else None
