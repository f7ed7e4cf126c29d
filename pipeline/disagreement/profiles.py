"""What each annotator is like: how much they tick, how far others bear them out, how fast they are, whether they drift.

Profiles inform training and assignment; they are not a ranking of people. Figures carry denominators and intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.disagreement.pairs import find_sittings
from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.blocks import VoteBlock
from pipeline.votes.intervals import wilson_interval
from pipeline.votes.words import N_VOTES, NO, UNSURE, YES

#: Drift is looked for between parts of equal size, in the order in which the images were decided.
N_PARTS = 4


@dataclass(frozen=True, eq=False)
class AnnotatorProfiles:
    """Two tidy tables.

    Attributes
    ----------
    profiles
        One row per annotator of the vocabulary: ``annotator``, ``n_images``, ``n_votes``, ``labels_per_image``,
        ``unsure_share``, ``n_compared`` (votes on items that another voted on as well), ``agreement`` with any other's
        vote there, ``sensitivity`` and ``specificity`` against the reference with ``_low``, ``_high`` and their
        denominators ``n_applies``, ``n_absent``, ``median_active_ms`` where sittings are given.
    drift
        One row per annotator and quarter of their images, in the order decided: ``annotator``, ``part`` (from 1),
        ``n_images``, ``labels_per_image``, ``median_active_ms``, ``n_votes``, ``right_share`` with ``low``, ``high``.
        Empty without sittings.
    """

    profiles: pd.DataFrame
    drift: pd.DataFrame


def profile_annotators(
    votes: VoteArrays,
    reference: NDArray[np.bool_] | None = None,
    sittings: pd.DataFrame | None = None,
) -> AnnotatorProfiles:
    """Describe every annotator.

    Parameters
    ----------
    reference
        bool ``(n_items,)``: what is held to be right, gold or consensus. Left out: the majority of the *other*
        annotators of each item, ties left out, so that nobody is their own yardstick.
    sittings
        Columns ``image``, ``annotator``, ``active_ms``, ``decided_at``: one row per image that an annotator decided.

    Raises
    ------
    DatasetError
        If the reference has another length or sittings lack a column.
    """
    if reference is not None and reference.shape != (votes.n_items,):
        raise DatasetError(f"the reference has shape {reference.shape}; there are {votes.n_items} items")
    tally = _tally(votes, reference)
    by_vote, n_images = tally.by_vote, tally.n_images
    n_votes = by_vote.sum(axis=1)
    table = pd.DataFrame({"annotator": votes.annotators, "n_images": n_images, "n_votes": n_votes})
    table["labels_per_image"] = _ratio(by_vote[:, YES], n_images)
    table["unsure_share"] = _ratio(by_vote[:, UNSURE], n_votes)
    table["n_compared"], table["agreement"] = tally.n_compared, _ratio(tally.n_same, tally.n_compared)
    for name, count, state in (("sensitivity", "n_applies", 1), ("specificity", "n_absent", 0)):
        total, n_right = tally.n_known[:, state], tally.n_right[:, state]
        table[count], table[name] = total, _ratio(n_right, total)
        table[f"{name}_low"], table[f"{name}_high"] = wilson_interval(n_right.astype(float), total.astype(float))
    if sittings is None:
        return AnnotatorProfiles(table, pd.DataFrame())
    missing = [name for name in ("image", "annotator", "active_ms", "decided_at") if name not in sittings]
    if missing:
        raise DatasetError(f"the sittings lack the columns {missing}; they have {list(sittings.columns)}")
    median = sittings.groupby("annotator", observed=True)["active_ms"].median()
    table["median_active_ms"] = table["annotator"].map(median)
    return AnnotatorProfiles(table, _drift(votes, sittings, tally.by_sitting))


@dataclass(eq=False)
class _Counts:
    """Counts by annotator, and by sitting (one annotator at one image), that grow block by block.

    ``by_vote`` has the columns no, unsure, yes; ``n_known`` and ``n_right`` absent and applies; ``n_same`` is the mean
    share of the others' votes that are the same, summed over the votes that can be compared.
    """

    by_vote: NDArray[np.int64]
    n_images: NDArray[np.int64]
    n_compared: NDArray[np.int64]
    n_same: NDArray[np.float64]
    n_known: NDArray[np.int64]
    n_right: NDArray[np.int64]
    by_sitting: pd.DataFrame


def _tally(votes: VoteArrays, reference: NDArray[np.bool_] | None) -> _Counts:
    """Count everything in one pass over blocks of images."""
    n = votes.n_annotators
    tally = _Counts(
        by_vote=np.zeros((n, N_VOTES), dtype=np.int64),
        n_images=np.zeros(n, dtype=np.int64),
        n_compared=np.zeros(n, dtype=np.int64),
        n_same=np.zeros(n),
        n_known=np.zeros((n, 2), dtype=np.int64),
        n_right=np.zeros((n, 2), dtype=np.int64),
        by_sitting=pd.DataFrame(),
    )
    parts: list[NDArray[np.int64]] = []
    for block in votes.blocks():
        here = slice(block.first_item, block.first_item + block.n_items)
        counts = np.bincount(block.item * N_VOTES + block.vote, minlength=N_VOTES * block.n_items).reshape(-1, N_VOTES)
        applies, is_known = _yardstick(block, counts, None if reference is None else reference[here])
        is_right = is_known & np.where(applies, block.vote == YES, block.vote == NO)
        _count_votes(tally, block, counts, applies, is_known, is_right)
        sittings = find_sittings(block, n)
        tally.n_images += np.bincount(sittings.annotator, minlength=n)
        known, right = (
            np.bincount(sittings.of_vote[rows], minlength=len(sittings.image)) for rows in (is_known, is_right)
        )
        key = (sittings.image + block.first_image) * n + sittings.annotator
        parts.append(np.column_stack([key, sittings.n_labels, known, right]))
    found = np.concatenate(parts) if parts else np.zeros((0, 4), dtype=np.int64)
    tally.by_sitting = pd.DataFrame(found[:, 1:], index=found[:, 0], columns=["n_yes", "n_votes", "n_right"])
    return tally


def _count_votes(
    tally: _Counts,
    block: VoteBlock,
    counts: NDArray[np.int64],
    applies: NDArray[np.bool_],
    is_known: NDArray[np.bool_],
    is_right: NDArray[np.bool_],
) -> None:
    n, rater = len(tally.n_images), block.annotator
    tally.by_vote += np.bincount(rater * N_VOTES + block.vote, minlength=n * N_VOTES).reshape(n, N_VOTES)
    for grown, rows in ((tally.n_known, is_known), (tally.n_right, is_right)):
        np.add(grown, np.bincount(rater[rows] * 2 + applies[rows], minlength=n * 2).reshape(n, 2), out=grown)
    n_others = counts.sum(axis=1)[block.item] - 1
    is_compared = n_others > 0
    same = (counts[block.item, block.vote] - 1)[is_compared] / n_others[is_compared]
    tally.n_compared += np.bincount(rater[is_compared], minlength=n)
    tally.n_same += np.bincount(rater[is_compared], weights=same, minlength=n)


def _yardstick(
    block: VoteBlock, counts: NDArray[np.int64], reference: NDArray[np.bool_] | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return, for each vote, whether the label is held to apply, and whether that is known."""
    if reference is not None:
        return reference[block.item], np.ones(len(block.vote), dtype=bool)
    n_others = counts.sum(axis=1)[block.item] - 1
    # Twice the majority of the others: whole numbers, so that a tie is a tie.
    others = (2 * counts[:, YES] + counts[:, UNSURE])[block.item] - block.vote
    return others > n_others, (n_others > 0) & (others != n_others)


def _drift(votes: VoteArrays, sittings: pd.DataFrame, by_sitting: pd.DataFrame) -> pd.DataFrame:
    ordered = sittings.sort_values("decided_at", kind="stable")
    position = ordered.groupby("annotator", observed=True).cumcount()
    size = ordered.groupby("annotator", observed=True)["image"].transform("size")
    ordered = ordered.assign(part=position * N_PARTS // size + 1)
    image = pd.Index(votes.images).get_indexer(pd.Index(ordered["image"]))
    annotator = pd.Index(votes.annotators).get_indexer(pd.Index(ordered["annotator"]))
    key = np.where((image >= 0) & (annotator >= 0), image.astype(np.int64) * votes.n_annotators + annotator, -1)
    joined = ordered.assign(
        **dict(by_sitting.reindex(key, fill_value=0).reset_index(drop=True).set_index(ordered.index))
    )
    grouped = joined.groupby(["annotator", "part"], observed=True)
    table = grouped.agg(
        n_images=("image", "size"),
        n_yes=("n_yes", "sum"),
        median_active_ms=("active_ms", "median"),
        n_votes=("n_votes", "sum"),
        n_right=("n_right", "sum"),
    ).reset_index()
    table["labels_per_image"] = table.pop("n_yes") / table["n_images"]
    n_right, n_votes = table.pop("n_right").to_numpy(dtype=float), table["n_votes"].to_numpy(dtype=float)
    table["right_share"] = _ratio(n_right, n_votes)
    table["low"], table["high"] = wilson_interval(n_right, n_votes)
    return table


def _ratio(numerator: NDArray[np.generic], denominator: NDArray[np.generic]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: NDArray[np.float64] = np.asarray(numerator, dtype=float) / np.asarray(denominator, dtype=float)
    return ratio
