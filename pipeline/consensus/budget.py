"""The budget study: replay recorded votes under a policy for how many to ask for, and see what quality they buy.

Every item of the record must have the same number of votes. A replay deals them in random order, a policy takes as many
as it wants, Dawid-Skene settles the items by the votes taken, and the labels are scored against a reference. Intervals
come from resampling images, since the items of one image are not independent. If the reference was published with the
votes, it rests on the same votes: then what more votes buy is an upper bound, for every policy alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.calibration import f1_interval
from pipeline.consensus.dawid_skene import fit_dawid_skene
from pipeline.consensus.known import keep_where_unsure
from pipeline.consensus.result import DEFAULT_THRESHOLD
from pipeline.errors import DatasetError
from pipeline.evaluation.label_scores import score_labels
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import Method


@dataclass(frozen=True)
class Policy:
    """How many votes to ask for on an item.

    Every item gets `n_first`. Those that are still open get one more at a time, up to `n_most`. Open means that the
    votes so far differ (``margin=None``), or that the posterior lies between ``margin`` and ``1 - margin``.
    """

    name: str
    n_first: int
    n_most: int
    margin: float | None = None


#: The policies of the study: a fixed number for all, the published two plus a third where they differ, and adaptive.
POLICIES = (
    Policy("two for all", 2, 2),
    Policy("two, a third where they differ", 2, 3),
    Policy("three for all", 3, 3),
    Policy("four for all", 4, 4),
    Policy("five for all", 5, 5),
    Policy("adaptive, until 95% sure", 2, 5, 0.05),
    Policy("adaptive, until 99% sure", 2, 5, 0.01),
)


def replay(
    votes: VoteArrays,
    truth: NDArray[np.bool_],
    policies: Sequence[Policy] = POLICIES,
    *,
    original: NDArray[np.int8] | None = None,
    threshold: float = DEFAULT_THRESHOLD[Method.DAWID_SKENE],
    n_resamples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Replay the votes under every policy, in one random order that all policies share.

    Parameters
    ----------
    votes
        The record, with equally many votes on every item.
    truth
        bool ``(n_items,)``: the reference.
    policies
        What to compare.
    original
        Original labels ``(n_items,)``, as for :func:`pipeline.consensus.reach_consensus`; ``None`` leaves them out.
    threshold
        Labels with a posterior above it are kept.
    n_resamples, seed
        Number of draws of the bootstrap over images, and its seed, which also sets the order of the votes.

    Returns
    -------
    pandas.DataFrame
        One row per policy: ``policy``, ``votes_per_item``, ``n_votes``, ``n_items``, ``f1`` with ``low`` and ``high``,
        ``precision``, ``recall``.

    Raises
    ------
    DatasetError
        If items have different numbers of votes, or fewer than a policy may ask for.
    """
    n_each = _votes_each(votes)
    most = max((policy.n_most for policy in policies), default=0)
    if most > n_each:
        raise DatasetError(f"a policy asks for {most} votes, the record has {n_each} an item; choose a smaller one")
    generator = np.random.default_rng(seed)
    turn = np.argsort(np.argsort(generator.random((votes.n_items, n_each)), axis=1), axis=1).ravel()
    rows = []
    for policy in policies:
        taken = _play(votes, turn, policy, original)
        label = _settle(taken, original) > threshold
        score = score_labels(label, truth)
        low, high = f1_interval(votes, label, truth, n_resamples, seed)
        rows.append(
            {
                "policy": policy.name,
                "votes_per_item": taken.n_votes / votes.n_items,
                "n_votes": taken.n_votes,
                "n_items": votes.n_items,
                "f1": score.f1,
                "low": low,
                "high": high,
                "precision": score.precision.value,
                "recall": score.recall.value,
            }
        )
    return pd.DataFrame(rows)


def first_votes(votes: VoteArrays, turn: NDArray[np.int64], n_wanted: NDArray[np.int64]) -> VoteArrays:
    """Keep, for each item, the votes whose turn (from 0) is below the wanted number; items stay as they are."""
    kept = turn < n_wanted[votes.item]
    return replace(votes, item=votes.item[kept], annotator=votes.annotator[kept], vote=votes.vote[kept])


def _votes_each(votes: VoteArrays) -> int:
    each = np.unique(np.bincount(votes.item, minlength=votes.n_items))
    if len(each) != 1:
        raise DatasetError(f"items have {each.tolist()} votes; a replay needs the same number on each")
    return int(each[0])


def _settle(votes: VoteArrays, original: NDArray[np.int8] | None) -> NDArray[np.float64]:
    witness = None if original is None else keep_where_unsure(votes, original)
    return fit_dawid_skene(votes, original=witness).posterior


def _play(votes: VoteArrays, turn: NDArray[np.int64], policy: Policy, original: NDArray[np.int8] | None) -> VoteArrays:
    n_wanted = np.full(votes.n_items, policy.n_first, dtype=np.int64)
    is_open = np.ones(votes.n_items, dtype=bool)
    for _ in range(policy.n_first, policy.n_most):
        taken = first_votes(votes, turn, n_wanted)
        if policy.margin is None:
            counts = taken.item_counts()
            is_open &= counts.max(axis=1) < counts.sum(axis=1)
        else:
            posterior = _settle(taken, original)
            is_open &= (posterior > policy.margin) & (posterior < 1 - policy.margin)
        n_wanted[is_open] += 1
    return first_votes(votes, turn, n_wanted)
