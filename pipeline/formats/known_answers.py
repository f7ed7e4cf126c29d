"""Read known answers and original labels for outside votes from files, and match them to the votes' names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.known import UNKNOWN, count_unmatched, match_gold, match_original
from pipeline.errors import DatasetError
from pipeline.project.files import named_row, read_table
from pipeline.project.label_space import load_label_space
from pipeline.project.wording import so_many
from pipeline.votes.arrays import VoteArrays

_WHOLE = re.compile(r"-?\d{1,18}(\.0+)?", re.ASCII)


@dataclass(frozen=True, eq=False)
class KnownAnswers:
    """Answers from a file, matched to items: ``of_item`` is int8 ``(n_items,)``, ``told`` sums it up in words."""

    of_item: NDArray[np.int8]
    told: str


def read_gold_answers(path: Path, votes: VoteArrays) -> KnownAnswers:
    """Read known answers (see :func:`pipeline.consensus.match_gold`) for :func:`pipeline.consensus.reach_consensus`.

    Raise `DatasetError` if the file is not a table of answers, or no answer is about a pair that was voted on.
    """
    table = read_known_table(path, votes)
    found = match_gold(votes, table, str(path), partial(named_row, path))
    n_found, n_left = int((found != UNKNOWN).sum()), count_unmatched(votes, table)
    if n_found == 0:
        raise DatasetError(_nothing_matched(path, table, "answers", "on that class of it"))
    told = so_many(n_found, "pair has a known answer", "pairs have a known answer")
    return KnownAnswers(
        found, told + (f"; {path} has {so_many(n_left, 'row')} besides, on what nobody voted on." if n_left else ".")
    )


def read_original_labels(path: Path, votes: VoteArrays) -> KnownAnswers:
    """Read original labels (see :func:`pipeline.consensus.match_original`).

    Raise `DatasetError` if the file is not such a table, or names none of the images that were voted on.
    """
    table = read_known_table(path, votes)
    found = match_original(votes, table, str(path), partial(named_row, path))
    has_label = np.zeros(votes.n_images, dtype=bool)
    has_label[votes.item_image[found != UNKNOWN]] = True
    n_images = len(np.unique(votes.item_image))
    if not has_label.any():
        raise DatasetError(_nothing_matched(path, table, "labels", "on it"))
    return KnownAnswers(found, f"{int(has_label.sum()):,} of {n_images:,} images have an original label.")


def _nothing_matched(path: Path, table: pd.DataFrame, what: str, where: str) -> str:
    if len(table) == 0:
        return f"{path} holds no {what}; give one row for each"
    first = table.iloc[0]
    others = f"; the other {len(table) - 1:,} rows are no better" if len(table) > 1 else ""
    return (
        f"{path}: {named_row(path, table.index[0])} names image {first['image']!r} (class {first['class']!r}), and "
        f"nobody voted {where}{others}; use the names that the votes use"
    )


def read_known_table(path: Path, votes: VoteArrays) -> pd.DataFrame:
    """Read gold answers or original labels, with names converted to the types that the votes use.

    A column ``wnid`` may stand in for ``class``. If the votes name classes by index, it is read as ImageNet-1k WordNet
    ids. Empty cells stay missing.

    Raise `DatasetError` if the file cannot be read, or if the votes use numbers and a name is not a whole number.
    """
    table = read_table(path)
    has_indices = votes.classes.dtype.kind in "iu"
    if "class" not in table and "wnid" in table:
        table = table.assign(**{"class": _imagenet_indices(table["wnid"], path) if has_indices else table["wnid"]})
    for column, vocabulary in (("image", votes.images), ("class", votes.classes)):
        if column in table:
            table[column] = _named_alike(table, column, vocabulary, path)
    return table


def _named_alike(table: pd.DataFrame, column: str, vocabulary: NDArray[Any], path: Path) -> pd.Series:
    """Return a column as text or as numbers, whichever the vocabulary holds; missing cells stay missing."""
    given = table[column].astype(object)
    if vocabulary.dtype.kind not in "iu":
        return given
    for row, name in given.items():
        if isinstance(name, str) and not _WHOLE.fullmatch(name):
            where = named_row(path, row)
            raise DatasetError(f"{path}: {where} names {column} {name!r}; the votes name it by a whole number")
    return given.map(lambda name: int(name.partition(".")[0]) if isinstance(name, str) else name)


def _imagenet_indices(wnids: pd.Series, path: Path) -> pd.Series:
    index = {key: position for position, key in enumerate(load_label_space("imagenet-1k").keys)}
    unknown = wnids.index[~wnids.isin(list(index)) & wnids.notna()]
    if len(unknown):
        where = named_row(path, unknown[0])
        raise DatasetError(f"{path}: {where}: {wnids[unknown[0]]!r} is not an ImageNet-1k class; give a column `class`")
    return wnids.astype(object).map(index)
