"""The model against people: what became of each rank of the proposals, and which classes people had to add."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
    yes, totals = counts[:, YES], counts.sum(axis=1)
    chosen = {
        "n_judged": None,
        "n_all_yes": yes == totals,
        "n_any_yes": yes > 0,
        "n_none_yes": yes == 0,
        "n_unsure": counts[:, UNSURE] > 0,
    }
    size = int(rank.max(initial=0)) + 1
    tallies = {name: np.bincount(rank if rows is None else rank[rows], minlength=size) for name, rows in chosen.items()}
    order = [*range(1, size), 0]
    ranks = pd.array([*range(1, size), None], dtype="Int64")
    table = pd.DataFrame({"rank": ranks, **{name: tally[order] for name, tally in tallies.items()}})
    table = table[table["n_judged"] > 0].reset_index(drop=True)
    table["any_yes_share"] = table["n_any_yes"] / table["n_judged"]
    table["low"], table["high"] = wilson_interval(
        table["n_any_yes"].to_numpy(dtype=float), table["n_judged"].to_numpy(dtype=float)
    )
    return table
