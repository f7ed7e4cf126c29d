"""What each annotator is like: how much they tick, how far others bear them out, how fast they are, whether they drift.

Profiles inform training and assignment; they are no ranking of people. Figures carry denominators and intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.agreement import wilson_interval
from pipeline.consensus.majority import majority
from pipeline.errors import DatasetError
from pipeline.votes import NO, UNSURE, YES, VoteArrays

#: Drift is looked for between parts of equal size, in the order in which the images were decided.
N_PARTS = 4


@dataclass(frozen=True, eq=False)
class AnnotatorProfiles:
    """Two tidy tables.

    Attributes
    ----------
    profiles
        One row an annotator of the vocabulary: ``annotator``, ``n_images``, ``n_votes``, ``labels_per_image``,
        ``unsure_share``, ``n_compared`` (votes on items that another voted on as well), ``agreement`` with any other's
        vote there, ``sensitivity`` and ``specificity`` against the reference with ``_low``, ``_high`` and their
        denominators ``n_applies``, ``n_absent``, ``median_active_ms`` where sessions are given.
    drift
        One row an annotator and quarter of their images, in the order decided: ``annotator``, ``part`` (from 1),
        ``n_images``, ``labels_per_image``, ``median_active_ms``, ``n_votes``, ``right_share`` with ``low``, ``high``.
        Empty without sessions.
    """

    profiles: pd.DataFrame
    drift: pd.DataFrame


def profile_annotators(
    votes: VoteArrays,
    reference: NDArray[np.bool_] | None = None,
    sessions: pd.DataFrame | None = None,
) -> AnnotatorProfiles:
    """Describe every annotator.

    Parameters
    ----------
    votes
        The votes.
    reference
        bool ``(n_items,)``: what is held to be right, gold or consensus. Left out: the majority of the *other*
        annotators of each item, ties left aside, so that nobody is their own yardstick.
    sessions
        Columns ``image``, ``annotator``, ``active_ms``, ``decided_at``: one row an image that an annotator decided.

    Raises
    ------
    DatasetError
        If the reference has another length or sessions lack a column.
    """
    if reference is not None and reference.shape != (votes.n_items,):
        raise DatasetError(f"the reference has shape {reference.shape}; there are {votes.n_items} items")
    n = votes.n_annotators
    truth, is_known = _yardstick(votes, reference)
    rater, vote = votes.annotator, votes.vote
    n_images = _images_by_annotator(votes)
    n_votes = np.bincount(rater, minlength=n)
    by_vote = [np.bincount(rater[vote == code], minlength=n) for code in (NO, UNSURE, YES)]
    n_compared, n_agree = _agreement_with_others(votes)
    table = pd.DataFrame({"annotator": votes.annotators, "n_images": n_images, "n_votes": n_votes})
    table["labels_per_image"] = _ratio(by_vote[YES], n_images)
    table["unsure_share"] = _ratio(by_vote[UNSURE], n_votes)
    table["n_compared"], table["agreement"] = n_compared, _ratio(n_agree, n_compared)
    for name, count, state, right in (
        ("sensitivity", "n_applies", truth, YES),
        ("specificity", "n_absent", ~truth, NO),
    ):
        total = np.bincount(rater[is_known & state], minlength=n)
        n_right = np.bincount(rater[is_known & state & (vote == right)], minlength=n)
        table[count], table[name] = total, _ratio(n_right, total)
        table[f"{name}_low"], table[f"{name}_high"] = wilson_interval(n_right.astype(float), total.astype(float))
    if sessions is None:
        return AnnotatorProfiles(table, pd.DataFrame())
    missing = [name for name in ("image", "annotator", "active_ms", "decided_at") if name not in sessions]
    if missing:
        raise DatasetError(f"the sessions lack the columns {missing}; they have {list(sessions.columns)}")
    median = sessions.groupby("annotator", observed=True)["active_ms"].median()
    table["median_active_ms"] = table["annotator"].map(median)
    return AnnotatorProfiles(table, _drift(votes, sessions, truth, is_known))


def _yardstick(votes: VoteArrays, reference: NDArray[np.bool_] | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if reference is not None:
        return reference[votes.item], np.ones(votes.n_votes, dtype=bool)
    n_others = np.bincount(votes.item, minlength=votes.n_items)[votes.item] - 1
    others = majority(votes)[votes.item] * (n_others + 1) - votes.vote / 2
    return others > n_others / 2, (n_others > 0) & (np.abs(others - n_others / 2) > 1e-9)


def _images_by_annotator(votes: VoteArrays) -> NDArray[np.int64]:
    total = np.zeros(votes.n_annotators, dtype=np.int64)
    for block in votes.blocks():
        key = block.item_image[block.item].astype(np.int64) * votes.n_annotators + block.annotator
        total += np.bincount(np.unique(key) % votes.n_annotators, minlength=votes.n_annotators)
    return total


def _agreement_with_others(votes: VoteArrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return compared votes, and the mean share of the others' votes that are the same, summed by annotator."""
    counts = votes.item_counts()
    n_others = counts.sum(axis=1)[votes.item] - 1
    is_compared = n_others > 0
    same = (counts[votes.item, votes.vote] - 1)[is_compared] / n_others[is_compared]
    rater = votes.annotator[is_compared]
    n_compared = np.bincount(rater, minlength=votes.n_annotators).astype(float)
    return n_compared, np.bincount(rater, weights=same, minlength=votes.n_annotators).astype(float)


def _drift(
    votes: VoteArrays, sessions: pd.DataFrame, truth: NDArray[np.bool_], is_known: NDArray[np.bool_]
) -> pd.DataFrame:
    ordered = sessions.sort_values("decided_at", kind="stable")
    position = ordered.groupby("annotator", observed=True).cumcount()
    size = ordered.groupby("annotator", observed=True)["image"].transform("size")
    ordered = ordered.assign(part=position * N_PARTS // size + 1)
    right = np.where(truth, votes.vote == YES, votes.vote == NO) & is_known
    by_vote = pd.DataFrame(
        {
            "image": votes.images[votes.item_image[votes.item]],
            "annotator": votes.annotators[votes.annotator],
            "n_yes": votes.vote == YES,
            "n_votes": is_known,
            "n_right": right,
        }
    )
    by_session = by_vote.groupby(["image", "annotator"], observed=True).sum().reset_index()
    joined = ordered.merge(by_session, on=["image", "annotator"], how="left")
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
