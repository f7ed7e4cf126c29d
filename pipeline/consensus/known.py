"""What is known before anyone votes: gold answers, and the data set's original labels, matched to items by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.intervals import wilson_interval
from pipeline.votes.words import UNSURE

#: In the arrays of this module: nothing is known about this item.
UNKNOWN = -1
_ANSWERS = {"true": 1, "1": 1, "yes": 1, "1.0": 1, "false": 0, "0": 0, "no": 0, "0.0": 0}


def match_gold(
    votes: VoteArrays,
    gold: pd.DataFrame,
    source: str = "the gold answers",
    name_row: Callable[[Any], str] = "row {}".format,
) -> NDArray[np.int8]:
    """Match known answers to items.

    Parameters
    ----------
    gold
        Columns ``image``, ``class``, ``label`` (true or false, 1 or 0, yes or no): one row per answer; nothing is said
        about other classes. Without a column ``label``: one row for each class that applies to an image, and no other
        class applies to it; a missing class says that none does. Answers on pairs that nobody voted on are ignored.
    source, name_row
        How messages name the table, and a row of it, given the row's index label.

    Returns
    -------
    numpy.ndarray
        int8 ``(n_items,)``: 1 applies, 0 does not, -1 unknown.

    Raises
    ------
    DatasetError
        If a column or a name is missing, an answer is not one of the known words, or one pair has two answers.
    """
    _require_columns(gold, ("image", "class"), source)
    _require_names(gold, ("image", "class") if "label" in gold else ("image",), source, name_row)
    if "label" not in gold:
        applies = np.isin(votes.item_keys(), _keys(votes, gold))
        return np.where(_is_named(votes.images, gold["image"])[votes.item_image], applies, UNKNOWN).astype(np.int8)
    answers = gold["label"].astype(str).str.strip().str.lower().map(_ANSWERS)
    if answers.isna().any():
        row = int(np.flatnonzero(answers.isna())[0])
        raise DatasetError(
            f"{source}: {name_row(gold.index[row])} has the label {gold['label'].iloc[row]!r}; use yes or no"
        )
    repeated = gold.index[gold.duplicated(["image", "class"])]
    if len(repeated):
        image, class_ = gold.loc[repeated[0], ["image", "class"]]
        raise DatasetError(
            f"{source}: {name_row(repeated[0])} answers image {image!r}, class {class_!r} more than once; keep one"
        )
    keys = _keys(votes, gold)
    by_pair = pd.Series(answers.to_numpy(dtype=np.int8), index=keys)[keys >= 0]
    found: NDArray[np.int8] = by_pair.reindex(votes.item_keys(), fill_value=UNKNOWN).to_numpy(dtype=np.int8)
    return found


def match_original(
    votes: VoteArrays,
    original: pd.DataFrame,
    source: str = "the original labels",
    name_row: Callable[[Any], str] = "row {}".format,
) -> NDArray[np.int8]:
    """Match each image's original label to its items.

    Parameters
    ----------
    original
        Columns ``image``, ``class``, one row per image. A missing class means that the image has none.
    source, name_row
        How messages name the table, and a row of it, given the row's index label.

    Returns
    -------
    numpy.ndarray
        int8 ``(n_items,)``: 1 if the class is the image's original label, 0 if another is, -1 if the image has none.

    Raises
    ------
    DatasetError
        If a column or an image's name is missing, or an image has two original labels.
    """
    _require_columns(original, ("image", "class"), source)
    _require_names(original, ("image",), source, name_row)
    original = original[original["class"].notna()]
    repeated = original.index[original["image"].duplicated()]
    if len(repeated):
        image = original.loc[repeated[0], "image"]
        raise DatasetError(
            f"{source}: {name_row(repeated[0])} gives image {image!r} more than one label; keep one per image"
        )
    has_original = _is_named(votes.images, original["image"])[votes.item_image]
    is_original = np.isin(votes.item_keys(), _keys(votes, original))
    return np.where(has_original, is_original, UNKNOWN).astype(np.int8)


def original_of_pairs(
    labels: NDArray[np.integer], image: NDArray[np.integer], class_index: NDArray[np.integer]
) -> NDArray[np.int8]:
    """Return what original labels ``(n_images,)``, -1 for none, say of pairs: the values of :func:`match_original`."""
    label = labels[image]
    said: NDArray[np.int8] = (label == class_index).astype(np.int8)
    said[label < 0] = UNKNOWN
    return said


def count_unmatched(votes: VoteArrays, answers: pd.DataFrame) -> int:
    """Return how many rows with an ``image`` and a ``class`` name a pair that nobody voted on."""
    return len(answers) - int(np.isin(_keys(votes, answers), votes.item_keys()).sum())


def keep_where_unsure(votes: VoteArrays, original: NDArray[np.int8]) -> NDArray[np.int8]:
    """Silence the original label in the classes that annotators know well.

    People say *unsure* where they lack the knowledge: the breed of a dog, the species of a crab. There the original
    label adds something, since an expert may have given it. In a class that people know well, the original label mostly
    names what catches the eye first, as they do. As one more independent witness it would count the same thing twice.

    Parameters
    ----------
    votes, original
        As for :func:`pipeline.consensus.fit_dawid_skene`.

    Returns
    -------
    numpy.ndarray
        int8 ``(n_items,)``: `original`, with -1 in each class whose share of `unsure` lies clearly (upper end of its
        95% interval) below the share over all classes. With few votes, or without any `unsure`, nothing is silenced.
    """
    counts = votes.item_counts()
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


def _keys(votes: VoteArrays, table: pd.DataFrame) -> NDArray[np.int64]:
    """Return the key of each row's (image, class), -1 where either is not in the vocabularies."""
    image = pd.Index(votes.images).get_indexer(pd.Index(table["image"])).astype(np.int64)
    class_ = pd.Index(votes.classes).get_indexer(pd.Index(table["class"])).astype(np.int64)
    return np.where((image >= 0) & (class_ >= 0), image * votes.n_classes + class_, -1)


def _require_columns(table: pd.DataFrame, names: Sequence[str], source: str) -> None:
    missing = [name for name in names if name not in table]
    if missing:
        raise DatasetError(f"{source} lacks the columns {missing}; it has {list(table.columns)}")


def _require_names(table: pd.DataFrame, columns: Sequence[str], source: str, name_row: Callable[[Any], str]) -> None:
    for column in columns:
        missing = table.index[table[column].isna()]
        if len(missing):
            raise DatasetError(f"{source}: {name_row(missing[0])} has no {column}; {len(missing)} rows lack one")
