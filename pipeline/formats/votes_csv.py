"""Votes as a long table in CSV or Parquet."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import DatasetError
from pipeline.project.files import columns_of, named_row, read_table
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.vote_table import VOTE_COLUMNS, check_vote_table

_SHOWN = {"true": True, "1": True, "false": False, "0": False}


def read_votes_table(path: Path) -> VoteArrays:
    """Read votes from a long table: ``image, class, annotator, vote`` and, if present, ``round, shown``.

    Names are text, whatever they look like: ``007``, ``1e3`` and ``NA`` are ordinary names.

    Raise `DatasetError` if the file is missing, unreadable or not a table of votes, or if somebody voted twice on the
    same class of an image. The message names the file and the row.
    """
    given = [_checked_table(path)]
    try:
        return VoteArrays.from_table(given.pop())  # keep no other reference, so that its memory can be freed
    except DatasetError as error:
        raise DatasetError(f"{path}: {_repeated_row(_checked_table(path), path)}{error}") from error


def _checked_table(path: Path) -> pd.DataFrame:
    """Return the table as ordered categories, a few bytes per vote; the index counts the file's rows."""
    table = read_table(path, VOTE_COLUMNS)
    missing = [name for name in VOTE_COLUMNS[:4] if name not in table]
    if missing:
        raise DatasetError(f"{path} lacks the columns {missing}; it has {columns_of(path)}")
    if "shown" in table:
        shown = _in_small_letters(table["shown"]).astype(object).map(lambda word: _SHOWN.get(word, word))
        table["shown"] = shown.astype(bool) if shown.isin([True, False]).all() else shown
    for name in ("vote", "round"):
        if name in table:
            table[name] = _in_small_letters(table[name])
    check_vote_table(table, str(path), partial(named_row, path))
    return table


def _in_small_letters(column: pd.Series) -> pd.Series:
    """Return the column's words in lower case and without surrounding spaces, as categories."""
    coded = column.astype("category").cat
    words, place = np.unique([str(word).strip().lower() for word in coded.categories], return_inverse=True)
    codes = np.append(place, -1).astype(np.int32)[coded.codes]
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(words.tolist(), dtype=object)), index=column.index)


def _repeated_row(table: pd.DataFrame, path: Path) -> str:
    key = [name for name in ("image", "class", "annotator", "round") if name in table]
    shown = table if "shown" not in table else table[table["shown"].astype(bool)]
    repeated = shown.index[shown.duplicated(key)]
    return f"{named_row(path, repeated[0])}: " if len(repeated) else ""
