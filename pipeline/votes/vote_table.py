"""The votes table: a long :class:`pandas.DataFrame`, one row for each (image, class, annotator, round)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.votes.words import VOTE_ORDER, Round

#: Columns of the votes table, in order; the last two may be left out of a table that is read.
VOTE_COLUMNS: Final = ("image", "class", "annotator", "vote", "round", "shown")
_REQUIRED = VOTE_COLUMNS[:4]

IntArray = NDArray[np.integer[Any]]


def check_vote_table(
    votes: pd.DataFrame, source: str = "the votes table", name_row: Callable[[Any], str] = "row {}".format
) -> None:
    """Refuse a table that is not a votes table.

    Parameters
    ----------
    votes
        The table.
    source
        What to call it.
    name_row
        Tells where a row stands from its index label.

    Raises
    ------
    DatasetError
        If a column or a value is missing, or a vote, round or exposure is not one of the known words. The message names
        the source and the first row at fault.
    """
    missing = [name for name in _REQUIRED if name not in votes]
    if missing:
        raise DatasetError(f"{source} lacks the columns {missing}; it has {list(votes.columns)}")
    refuse = partial(_refuse_rows, votes, source, name_row)
    for name in ("image", "class", "annotator"):
        refuse(votes[name].isna(), f"no {name}")
    if "shown" in votes:
        is_bool = votes["shown"].isin([True, False])
        refuse(~is_bool, "a `shown` that is neither true nor false", "shown")
    if "round" in votes:
        known = votes["round"].isin([str(word) for word in Round])
        refuse(~known, f"a round not among {[str(word) for word in Round]}", "round")
    is_vote = votes["vote"].isin([str(word) for word in VOTE_ORDER])
    if "shown" in votes:
        is_vote |= ~votes["shown"].astype(bool)
    refuse(~is_vote, "a vote that is not yes, no or unsure (a class not shown: shown=False)", "vote")


def _refuse_rows(
    votes: pd.DataFrame,
    source: str,
    name_row: Callable[[Any], str],
    wrong: pd.Series,
    what: str,
    column: str | None = None,
) -> None:
    rows = np.flatnonzero(wrong.to_numpy(dtype=bool))
    if len(rows) == 0:
        return
    value = votes[column].iloc[rows[0]] if column else None
    seen = "" if column is None else " (an empty cell)" if pd.isna(value) else f" ({value!r})"
    where = name_row(votes.index[rows[0]])
    raise DatasetError(f"{source}: {where} has {what}{seen}; {len(rows)} of {len(votes)} rows are like this")


def factorize(column: pd.Series) -> tuple[IntArray, NDArray[Any]]:
    """Return the code of each value, and the names by code, sorted where they can be; a category keeps its order."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), column.cat.categories.to_numpy()
    try:
        codes, names = pd.factorize(column, sort=True)
    except TypeError:  # names of mixed types have no order
        codes, names = pd.factorize(column)
    return codes, np.asarray(names)


def vote_codes(column: pd.Series) -> NDArray[np.int8]:
    """Return each vote as its place in :data:`VOTE_ORDER`."""
    words = column.astype(pd.CategoricalDtype([str(word) for word in VOTE_ORDER]))
    codes: NDArray[np.int8] = words.cat.codes.to_numpy().astype(np.int8, copy=False)
    return codes


def counted_rounds(
    rounds: pd.Series, wanted: Sequence[Round] | None, codes: list[IntArray], counted: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which rows count: those of the wanted rounds or, by default, all but those that a refiner superseded.

    Parameters
    ----------
    rounds
        The round of each row.
    wanted
        Rounds to count; ``None`` for all.
    codes
        Codes of image, class and annotator, ``(n_rows,)`` each.
    counted
        ``(n_rows,)``: rows that are votes.
    """
    if wanted is not None:
        return rounds.isin([str(word) for word in wanted]).to_numpy()
    is_refined = (rounds == Round.REFINEMENT).to_numpy() & counted
    if not is_refined.any():
        return np.ones(len(rounds), dtype=bool)
    keys = pd.MultiIndex.from_arrays(codes)
    superseded = ~is_refined & keys.isin(keys[is_refined])
    return ~superseded
