"""What is known before anyone votes: gold answers, and the data set's original labels, matched to items by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.agreement import wilson_interval
from pipeline.errors import DatasetError
from pipeline.votes import UNSURE, VoteArrays

#: In the arrays of this module: nothing is known of this item.
UNKNOWN = -1


def match_gold(votes: VoteArrays, gold: pd.DataFrame) -> NDArray[np.int8]:
    """Match known answers to items.

    Parameters
    ----------
    votes
        The votes.
    gold
        Columns ``image``, ``class``, ``label`` (true or false, 1 or 0, yes or no). Answers on pairs that nobody voted
        on are left aside.

    Returns
    -------
    numpy.ndarray
        int8 ``(n_items,)``: 1 applies, 0 does not, -1 unknown.

    Raises
    ------
    DatasetError
        If a column is missing, an answer is none of the known words, or one pair has two answers.
    """
    missing = [name for name in ("image", "class", "label") if name not in gold]
    if missing:
        raise DatasetError(f"the gold answers lack the columns {missing}; they have {list(gold.columns)}")
    words = gold["label"].astype(str).str.strip().str.lower()
    answers = words.map({"true": 1, "1": 1, "yes": 1, "1.0": 1, "false": 0, "0": 0, "no": 0, "0.0": 0})
    if answers.isna().any():
        row = int(np.flatnonzero(answers.isna())[0])
        raise DatasetError(f"gold answers: row {row} says {gold['label'].iloc[row]!r}; use yes or no")
    key, is_known = _keys(votes, gold)
    by_pair = pd.Series(answers.to_numpy(dtype=np.int8)[is_known], index=key[is_known])
    if by_pair.index.has_duplicates:
        where = int(by_pair.index[by_pair.index.duplicated()][0])
        image, class_ = votes.images[where // votes.n_classes], votes.classes[where % votes.n_classes]
        raise DatasetError(f"gold answers: image {image!r}, class {class_!r} is answered more than once; keep one")
    found: NDArray[np.int8] = by_pair.reindex(_item_keys(votes), fill_value=UNKNOWN).to_numpy(dtype=np.int8)
    return found


def match_original(votes: VoteArrays, original: pd.DataFrame) -> NDArray[np.int8]:
    """Match each image's original label to its items.

    Parameters
    ----------
    votes
        The votes.
    original
        Columns ``image``, ``class``, one row an image.

    Returns
    -------
    numpy.ndarray
        int8 ``(n_items,)``: 1 the class is the image's original label, 0 another is, -1 the image has none.

    Raises
    ------
    DatasetError
        If a column is missing or an image has two original labels.
    """
    missing = [name for name in ("image", "class") if name not in original]
    if missing:
        raise DatasetError(f"the original labels lack the columns {missing}; they have {list(original.columns)}")
    repeated = original["image"].duplicated()
    if repeated.any():
        image = original["image"][repeated].iloc[0]
        raise DatasetError(f"original labels: image {image!r} has more than one; keep one row an image")
    has_original = _is_named(votes.images, original["image"])[votes.item_image]
    key, is_known = _keys(votes, original)
    is_original = np.isin(_item_keys(votes), key[is_known])
    return np.where(has_original, is_original, UNKNOWN).astype(np.int8)


def keep_where_unsure(
    votes: VoteArrays, original: NDArray[np.int8], counts: NDArray[np.int32] | None = None
) -> NDArray[np.int8]:
    """Silence the original label in the classes that annotators know well.

    People say *unsure* where they lack the knowledge: the breed of a dog, the species of a crab. There the original
    label, which an expert may have given, adds something. Of a class that they know it mostly repeats, as they do, what
    catches the eye first; taken as one more independent witness it would count the same thing twice.

    Parameters
    ----------
    votes, original
        As for :func:`pipeline.consensus.fit_dawid_skene`.
    counts
        ``votes.item_counts()``, where the caller has them already.

    Returns
    -------
    numpy.ndarray
        int8 ``(n_items,)``: `original`, with -1 in each class whose share of `unsure` lies clearly (upper end of its
        95% interval) below the share over all classes. With few votes, or without any `unsure`, nothing is silenced.
    """
    counts = votes.item_counts() if counts is None else counts
    n_unsure, n_votes = (
        np.bincount(votes.item_class, weights=column, minlength=votes.n_classes).astype(float)
        for column in (counts[:, UNSURE], counts.sum(axis=1))
    )
    _, high = wilson_interval(n_unsure, n_votes)
    is_known_well = high < n_unsure.sum() / max(n_votes.sum(), 1)
    return np.where(is_known_well[votes.item_class], UNKNOWN, original).astype(np.int8)


def _is_named(vocabulary: NDArray[Any], names: pd.Series) -> NDArray[np.bool_]:
    found = pd.Index(vocabulary).get_indexer(pd.Index(names))
    is_named = np.zeros(len(vocabulary), dtype=bool)
    is_named[found[found >= 0]] = True
    return is_named


def _item_keys(votes: VoteArrays) -> NDArray[np.int64]:
    return votes.item_image.astype(np.int64) * votes.n_classes + votes.item_class


def _keys(votes: VoteArrays, table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    image = pd.Index(votes.images).get_indexer(pd.Index(table["image"])).astype(np.int64)
    class_ = pd.Index(votes.classes).get_indexer(pd.Index(table["class"])).astype(np.int64)
    return image * votes.n_classes + class_, (image >= 0) & (class_ >= 0)
