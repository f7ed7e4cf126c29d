"""The model against people: what became of each rank of the proposals, and which classes people had to add."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.votes.agreement import wilson_interval
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import UNSURE, YES


def compare_model_to_people(
    votes: VoteArrays, proposals: pd.DataFrame, *, counts: NDArray[np.int32] | None = None
) -> pd.DataFrame:
    """Return what people said of the proposals at each rank.

    Parameters
    ----------
    votes
        The votes.
    proposals
        Columns ``image``, ``class``, ``rank`` (from 1).
    counts
        ``votes.item_counts()``, where the caller has them already.

    Returns
    -------
    pandas.DataFrame
        Ascending by ``rank``: ``n_judged`` proposals with a vote, ``n_all_yes``, ``n_any_yes``, ``n_none_yes`` (nobody
        ticked it), ``n_unsure``, ``any_yes_share`` with ``low`` and ``high``. Labels that were ticked by someone though
        never proposed stand in the last row, whose rank is missing.

    Raises
    ------
    DatasetError
        If a column is missing or an (image, class) is proposed twice.
    """
    missing = [name for name in ("image", "class", "rank") if name not in proposals]
    if missing:
        raise DatasetError(f"the proposals lack the columns {missing}; they have {list(proposals.columns)}")
    counts = votes.item_counts() if counts is None else counts
    return compare_ranks_to_people(_rank_of_item(votes, proposals), counts)


def compare_ranks_to_people(rank: NDArray[np.integer], counts: NDArray[np.int32]) -> pd.DataFrame:
    """Return the table of :func:`compare_model_to_people` from each item's rank.

    Parameters
    ----------
    rank
        ``(n_items,)``: rank of the proposal, from 1; 0 where the class was not proposed for the image.
    counts
        ``(n_items, 3)`` of :meth:`pipeline.votes.arrays.VoteArrays.item_counts`.
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


def _rank_of_item(votes: VoteArrays, proposals: pd.DataFrame) -> NDArray[np.int64]:
    image = pd.Index(votes.images).get_indexer(pd.Index(proposals["image"])).astype(np.int64)
    class_ = pd.Index(votes.classes).get_indexer(pd.Index(proposals["class"])).astype(np.int64)
    is_known = (image >= 0) & (class_ >= 0)
    key = image[is_known] * max(votes.n_classes, 1) + class_[is_known]
    ranks = pd.Series(proposals["rank"].to_numpy()[is_known], index=key)
    if not ranks.index.is_unique:
        repeat = int(ranks.index[ranks.index.duplicated()][0])
        where = (votes.images[repeat // votes.n_classes], votes.classes[repeat % votes.n_classes])
        raise DatasetError(f"class {where[1]!r} is proposed more than once for image {where[0]!r}; keep its best rank")
    items = votes.item_image.astype(np.int64) * max(votes.n_classes, 1) + votes.item_class
    found: NDArray[np.int64] = ranks.reindex(items, fill_value=0).to_numpy(dtype=np.int64)
    return found
