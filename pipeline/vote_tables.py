"""Votes and what becomes of them, as files: CSV or Parquet in, `labels.parquet` and tables out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.consensus.result import Consensus
from pipeline.disagreement import DisagreementAnalysis
from pipeline.errors import DatasetError
from pipeline.raters import read_raters
from pipeline.separators import separator_of
from pipeline.votes import VOTE_COLUMNS, VoteArrays, check_vote_table

_ROWS_AT_ONCE = 1_000_000
_SHOWN = {"true": True, "1": True, "false": False, "0": False}


def read_votes(path: Path) -> VoteArrays:
    """Read votes from a table (`.csv`, `.parquet`) or from the published `raters.npz`.

    Raises
    ------
    DatasetError
        If the file is missing, of another kind, unreadable, no votes table or without a single vote; the message names
        file and row.
    """
    if path.suffix.lower() == ".npz":
        votes = read_raters(path)
    else:
        given = [read_vote_table(path)]
        try:
            votes = VoteArrays.from_table(given.pop())  # no other reference: its memory is free for what follows
        except DatasetError as error:
            raise DatasetError(f"{path}: {_repeated_row(read_vote_table(path), path)}{error}") from error
    if votes.n_votes == 0:
        raise DatasetError(f"{path} holds no votes; give one row for each vote: {', '.join(VOTE_COLUMNS[:4])}")
    return votes


def read_vote_table(path: Path) -> pd.DataFrame:
    """Read and check a long votes table: ``image, class, annotator, vote`` and, where present, ``round, shown``.

    Names are read as text, but for a Parquet column that holds numbers; ``NA`` is a name like any other. Columns of
    text come back as categories in order, so that memory holds a few bytes a vote. The index counts the file's rows.
    """
    table = read_table(path, VOTE_COLUMNS)
    missing = [name for name in VOTE_COLUMNS[:4] if name not in table]
    if missing:
        raise DatasetError(f"{path} lacks the columns {missing}; it has {_columns_of(path)}")
    if "shown" in table and table["shown"].dtype != bool:
        shown = _in_small_letters(table["shown"]).astype(object).map(lambda word: _SHOWN.get(word, word))
        table["shown"] = shown.astype(bool) if shown.isin([True, False]).all() else shown
    for name in ("vote", "round"):
        if name in table:
            table[name] = _in_small_letters(table[name])
    check_vote_table(table, str(path), partial(named_row, path))
    for name in ("image", "class", "annotator"):
        if isinstance(table[name].dtype, pd.CategoricalDtype):
            table[name] = table[name].cat.reorder_categories(sorted(table[name].cat.categories))
    return table


def named_row(path: Path, row: Any) -> str:
    """Return where a row of a table read from `path` stands, from its index label.

    Lines of a CSV are counted as an editor counts them, from 1, the header among them; rows of a Parquet file from 0.
    """
    return f"line {row + 2}" if path.suffix.lower() == ".csv" else f"row {row}"


def read_table(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a `.csv` (all columns as text, empty cells missing) or a `.parquet`.

    Columns of a `.csv` may be separated by semicolons or tabulators, too (:mod:`pipeline.separators`).

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


def _columns_of(path: Path) -> list[str]:
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


def _in_small_letters(column: pd.Series) -> pd.Series:
    """Return the column's words without spaces around them and in small letters, as categories."""
    coded = column.astype("category").cat
    words, place = np.unique([str(word).strip().lower() for word in coded.categories], return_inverse=True)
    codes = np.append(place, -1).astype(np.int32)[coded.codes]
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(words.tolist(), dtype=object)), index=column.index)


def _repeated_row(table: pd.DataFrame, path: Path) -> str:
    key = [name for name in ("image", "class", "annotator", "round") if name in table]
    shown = table if "shown" not in table else table[table["shown"].astype(bool)]
    repeated = shown.index[shown.duplicated(key)]
    return f"{named_row(path, repeated[0])}: " if len(repeated) else ""


def write_consensus(consensus: Consensus, votes: VoteArrays, folder: Path) -> tuple[Path, Path]:
    """Write `labels.parquet` (image, class, posterior, label) and `annotators.csv`; return their paths.

    Each file replaces an older one in one step, so that none is ever seen half written. Memory stays flat.

    Raises
    ------
    DatasetError
        If the folder cannot be made or written to.
    """
    labels, annotators = folder / "labels.parquet", folder / "annotators.csv"
    with _writing_into(folder):
        _write_labels(consensus, votes, labels)
        write_table(consensus.annotators(votes), annotators)
    return labels, annotators


def _write_labels(consensus: Consensus, votes: VoteArrays, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images, classes = pa.array(votes.images.tolist()), pa.array(votes.classes.tolist())
    schema = pa.schema(
        [("image", images.type), ("class", classes.type), ("posterior", pa.float64()), ("label", pa.bool_())]
    )
    unfinished = _unfinished(path)
    with pq.ParquetWriter(unfinished, schema) as writer:
        for first in range(0, votes.n_items, _ROWS_AT_ONCE):
            here = slice(first, first + _ROWS_AT_ONCE)
            columns = [
                images.take(pa.array(votes.item_image[here])),
                classes.take(pa.array(votes.item_class[here])),
                pa.array(consensus.posterior[here]),
                pa.array(consensus.label[here]),
            ]
            writer.write_table(pa.table(columns, schema=schema))
    unfinished.replace(path)


@contextmanager
def _writing_into(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DatasetError(
            f"{folder}: results cannot be written there ({error.strerror or error}); give another folder"
        ) from error


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as its suffix says, `.csv` or `.parquet`, in one step."""
    unfinished = _unfinished(path)
    if path.suffix == ".csv":
        table.to_csv(unfinished, index=False)
    else:
        table.to_parquet(unfinished, index=False)
    unfinished.replace(path)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def write_disagreement(analysis: DisagreementAnalysis, folder: Path) -> list[Path]:
    """Write an analysis as tables and `summary.json`; undefined figures are null. Return the paths.

    Raises
    ------
    DatasetError
        If the folder cannot be made or written to.
    """
    tables = {
        "images.parquet": analysis.per_image,
        "classes.csv": analysis.per_class,
        "confused_pairs.csv": analysis.confused_pairs,
        "annotator_pairs.csv": analysis.annotator_pairs,
    }
    if analysis.model_against_people is not None:
        tables["model_against_people.csv"] = analysis.model_against_people
    summary = folder / "summary.json"
    with _writing_into(folder):
        for name, table in tables.items():
            write_table(table, folder / name)
        unfinished = _unfinished(summary)
        unfinished.write_text(json.dumps(asdict(analysis.summary), indent=2, allow_nan=False) + "\n")
        unfinished.replace(summary)
    return [*(folder / name for name in tables), summary]
