"""The model against people: what became of each rank of the proposals, and which classes people had to add."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.disagreement.analysis import ITEMS_AT_ONCE, totals_and_top
from pipeline.votes.intervals import wilson_interval
from pipeline.votes.words import UNSURE, YES


def compare_ranks_to_people(rank: NDArray[np.integer], counts: NDArray[np.integer]) -> pd.DataFrame:
    """Return what people said of the proposals at each rank.

    Parameters
    ----------
    rank
        ``(n_items,)``: rank of the proposal, from 1; 0 where the class was not proposed for the image.
    counts
        ``(n_items, 3)`` of :meth:`pipeline.votes.arrays.VoteArrays.item_counts`.

    Returns
    -------
    pandas.DataFrame
        Ascending by ``rank``: ``n_judged`` proposals with a vote, ``n_all_yes``, ``n_any_yes``, ``n_none_yes`` (nobody
        ticked it), ``n_unsure``, ``any_yes_share`` with ``low`` and ``high``. Labels that somebody ticked although they
        were never proposed are in the last row, whose rank is missing.
    """
    size = int(rank.max(initial=0)) + 1
    names = ("n_judged", "n_all_yes", "n_any_yes", "n_none_yes", "n_unsure")
    tallies = {name: np.zeros(size, dtype=np.int64) for name in names}
    for first in range(0, len(rank), ITEMS_AT_ONCE):
        here, part = rank[first : first + ITEMS_AT_ONCE], counts[first : first + ITEMS_AT_ONCE]
        yes, (totals, _) = part[:, YES], totals_and_top(part)
        chosen = (totals >= 0, yes == totals, yes > 0, yes == 0, part[:, UNSURE] > 0)
        for name, rows in zip(names, chosen, strict=True):
            tallies[name] += np.bincount(here[rows], minlength=size)
    order = [*range(1, size), 0]
    ranks = pd.array([*range(1, size), None], dtype="Int64")
    table = pd.DataFrame({"rank": ranks, **{name: tally[order] for name, tally in tallies.items()}})
    table = table[table["n_judged"] > 0].reset_index(drop=True)
    table["any_yes_share"] = table["n_any_yes"] / table["n_judged"]
    table["low"], table["high"] = wilson_interval(
        table["n_any_yes"].to_numpy(dtype=float), table["n_judged"].to_numpy(dtype=float)
    )
    return table
