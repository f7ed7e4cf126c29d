"""The budget study: replay recorded votes under a policy for how many to ask for, and see what quality they buy.

A replay deals the votes of each item in random order, a policy takes as many as it wants, the consensus settles the
items by the votes taken, and the labels are scored. The reference is either given, or a vote of each item that is held
back. One vote is a poor reference, but how often annotators err is known from the consensus of all votes, and F1 is
corrected for it. Mistakes that annotators make alike are in both: F1 is too high by them, for every policy alike. So it
is, more so, if the reference was made of the same votes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.dawid_skene import fit_dawid_skene
from pipeline.consensus.evidence import Evidence
from pipeline.consensus.majority import VOTE_VALUE, majority
from pipeline.consensus.result import reach_consensus
from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.intervals import CONFIDENCE

#: How many votes on each item a projection draws.
PROJECTED_VOTES = 6


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

    @property
    def is_adaptive(self) -> bool:
        """Return whether the number depends on the votes so far."""
        return self.n_most > self.n_first


@dataclass(frozen=True, eq=False)
class Record:
    """Recorded votes to be replayed, and what their labels are scored by.

    Attributes
    ----------
    votes
        Equally many votes on every item.
    reference
        ``(n_items,)``: 1 or 0 where the truth is known; or the value of a vote that was held back, where an *unsure*
        counts one half.
    if_applies, if_absent
        Mean of the reference where the label applies and where it does not: 1 and 0 for a known truth.
    original, evidence
        Original labels and models' evidence on each item, where there are any.
    """

    votes: VoteArrays
    reference: NDArray[np.float64]
    if_applies: float = 1.0
    if_absent: float = 0.0
    original: NDArray[np.int8] | None = None
    evidence: Evidence | None = None

    @property
    def n_each(self) -> int:
        """Return the number of votes on each item."""
        return self.votes.n_votes // max(self.votes.n_items, 1)


def record_of(
    votes: VoteArrays,
    truth: NDArray[np.bool_] | None = None,
    *,
    original: NDArray[np.int8] | None = None,
    evidence: Evidence | None = None,
    seed: int = 0,
) -> Record:
    """Prepare votes for replays: the same number on each item, one of them held back where no truth is given.

    The number is the one that most votes allow: items with fewer are left out, items with more lose some at random.

    Parameters
    ----------
    truth
        bool ``(n_items,)``; ``None`` holds votes back.
    original, evidence
        As for :func:`pipeline.consensus.reach_consensus`.

    Raises
    ------
    DatasetError
        If fewer than one vote on each item would be left to replay.
    """
    n_of_item = votes.n_each
    numbers = np.arange(1, int(n_of_item.max(initial=0)) + 1)
    n_each = int(numbers[np.argmax([n * (n_of_item >= n).sum() for n in numbers])]) if len(numbers) else 0
    if n_each < (1 if truth is not None else 2):
        raise DatasetError(
            "the budget study replays votes: it needs two or more on each (image, class), or one and the true labels"
        )
    kept = n_of_item >= n_each
    turn = _turns(votes, np.random.default_rng(seed))
    is_replayed = np.repeat(kept, votes.n_each) & (turn < n_each)
    some = votes.part(is_replayed)
    original = None if original is None else original[kept]
    evidence = None if evidence is None else replace(evidence, values=evidence.values[kept])
    if truth is not None:
        return Record(some, truth[kept].astype(float), original=original, evidence=evidence)
    model = fit_dawid_skene(some)
    if_absent, if_applies = model.pooled_confusion @ VOTE_VALUE
    held = turn[is_replayed] == n_each - 1
    reference = majority(some.part(held))
    return Record(some.part(~held), reference, float(if_applies), float(if_absent), original, evidence)


def projected(
    votes: VoteArrays,
    *,
    original: NDArray[np.int8] | None = None,
    evidence: Evidence | None = None,
    n_each: int = PROJECTED_VOTES,
    seed: int = 0,
) -> Record:
    """Draw as many votes on each item as would come if annotators went on as they did so far.

    Where only one or two votes are on record, more cannot be replayed. The truth of each label is drawn from its
    posterior, and votes on it from annotators' confusion matrices. If votes are worth less than independent ones,
    people say the same where that explains it (the design effect of Kish, 1965). Mistakes that all make alike do not
    show in two votes, so the projection is hopeful.

    Parameters
    ----------
    votes, original, evidence
        As for :func:`record_of`.
    n_each
        How many votes to draw on each item.
    """
    consensus = reach_consensus(votes, original=original, evidence=evidence)
    if consensus.model is None or consensus.tempering is None:  # pragma: no cover - the default consensus has both
        raise DatasetError("this consensus cannot be projected")
    generator = np.random.default_rng(seed)
    truth = generator.random(votes.n_items) < consensus.posterior
    n_so_far = votes.n_votes / max(votes.n_items, 1)
    alike = np.clip((1 / consensus.tempering.vote_weight - 1) / max(n_so_far - 1, 0.5), 0.0, 1.0)
    n_people = 2 * n_each
    like_whom = generator.choice(votes.annotator, n_people)
    people = generator.random((votes.n_items, n_people)).argsort(axis=1)[:, :n_each]
    chances = consensus.model.confusion[like_whom[people], truth[:, None].astype(int)].cumsum(axis=2)
    luck = np.where(generator.random(votes.n_items)[:, None] < alike, generator.random((votes.n_items, 1)), np.nan)
    luck = np.where(np.isnan(luck), generator.random(people.shape), luck)
    vote = (luck[:, :, None] > chances[:, :, :2]).sum(axis=2)
    drawn = VoteArrays.from_codes(
        np.repeat(votes.item_image, n_each),
        np.repeat(votes.item_class, n_each),
        people.ravel(),
        vote.ravel(),
        images=votes.images,
        classes=votes.classes,
        annotators=np.arange(n_people),
    )
    return Record(drawn, truth.astype(float), original=original, evidence=evidence)


def policies_for(n_each: int) -> tuple[Policy, ...]:
    """Return the policies to compare where `n_each` votes are on record: fixed numbers, and adaptive asking."""
    names = ("one", "two", "three", "four", "five")
    fixed = [Policy(f"{names[n - 1] if n <= 5 else n} for all", n, n) for n in range(1, n_each + 1)]
    if n_each < 3:
        return tuple(fixed)
    adaptive = [Policy("two, a third where they differ", 2, 3)]
    adaptive += [Policy(f"adaptive, until {1 - m:.0%} sure", 2, n_each, m) for m in (0.2, 0.1, 0.05, 0.01)]
    return (*fixed, *adaptive)


def replay(
    record: Record,
    policies: Sequence[Policy] | None = None,
    *,
    with_models: bool = False,
    n_resamples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Replay the votes under every policy, in one random order that all policies share.

    Parameters
    ----------
    record
        From :func:`record_of`.
    policies
        What to compare; those of :func:`policies_for` where left out.
    with_models
        Whether models' evidence speaks beside the votes.
    n_resamples, seed
        Number of draws of the bootstrap over images, and its seed, which also sets the order of the votes.

    Returns
    -------
    pandas.DataFrame
        One row per policy: ``policy``, ``is_adaptive``, ``with_models``, ``votes_per_item``, ``n_votes``, ``n_items``,
        ``f1`` with ``low`` and ``high`` (95%, over images), ``precision``, ``recall``.

    Raises
    ------
    DatasetError
        If a policy asks for more votes than there are, or there are no models.
    """
    chosen = policies_for(record.n_each) if policies is None else policies
    most = max((policy.n_most for policy in chosen), default=0)
    if most > record.n_each:
        raise DatasetError(
            f"a policy asks for {most} votes, the record has {record.n_each} an item; choose a smaller one"
        )
    if with_models and record.evidence is None:
        raise DatasetError("no model gives evidence; give predictions, or replay without models")
    known = record if with_models else replace(record, evidence=None)
    turn = _turns(record.votes, np.random.default_rng(seed))
    rows = []
    for policy in chosen:
        taken, label = _play(known, turn, policy)
        rows.append(
            {
                "policy": policy.name,
                "is_adaptive": policy.is_adaptive,
                "with_models": with_models,
                "votes_per_item": taken.n_votes / taken.n_items,
                "n_votes": taken.n_votes,
                "n_items": taken.n_items,
                **_scores(record, label, n_resamples, seed),
            }
        )
    return pd.DataFrame(rows)


def votes_needed(table: pd.DataFrame, f1: float) -> pd.DataFrame:
    """Return the cheapest policy that reaches an F1, with and without models: a row of :func:`replay` for each."""
    reached = table[table["f1"] >= f1].sort_values(["with_models", "votes_per_item"], kind="stable")
    return reached.drop_duplicates("with_models").reset_index(drop=True)


def first_votes(votes: VoteArrays, turn: NDArray[np.int64], n_wanted: NDArray[np.int64]) -> VoteArrays:
    """Keep, for each item, the votes whose turn (from 0) is below the wanted number; items stay as they are."""
    kept = turn < np.repeat(n_wanted, votes.n_each)
    n_each = np.minimum(votes.n_each, n_wanted).astype(votes.n_each.dtype)
    return replace(votes, n_each=n_each, annotator=votes.annotator[kept], vote=votes.vote[kept])


def _turns(votes: VoteArrays, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return the turn of each vote among those of its item, from 0, in random order."""
    item = votes.item
    order = np.lexsort((generator.random(votes.n_votes), item))
    turn = np.empty(votes.n_votes, dtype=np.int64)
    start = np.cumsum(votes.n_each, dtype=np.int64) - votes.n_each
    turn[order] = np.arange(votes.n_votes) - start[item]  # the order is by item, too
    return turn


def _play(record: Record, turn: NDArray[np.int64], policy: Policy) -> tuple[VoteArrays, NDArray[np.bool_]]:
    votes = record.votes
    n_wanted = np.full(votes.n_items, policy.n_first, dtype=np.int64)
    is_open = np.ones(votes.n_items, dtype=bool)
    for _ in range(policy.n_first, policy.n_most):
        taken = first_votes(votes, turn, n_wanted)
        if policy.margin is None:
            counts = taken.item_counts()
            is_open &= counts.max(axis=1) < counts.sum(axis=1)
        else:
            posterior = reach_consensus(taken, original=record.original, evidence=record.evidence).posterior
            is_open &= (posterior > policy.margin) & (posterior < 1 - policy.margin)
        n_wanted[is_open] += 1
    taken = first_votes(votes, turn, n_wanted)
    return taken, reach_consensus(taken, original=record.original, evidence=record.evidence).label


def _scores(record: Record, label: NDArray[np.bool_], n_resamples: int, seed: int) -> dict[str, float]:
    """Return F1 with its interval, precision and recall, corrected for how often the reference errs."""
    image, n_images = record.votes.item_image, record.votes.n_images
    columns = (label, label * record.reference, np.ones(len(label)), record.reference)
    sums = np.column_stack([np.bincount(image, weights=column, minlength=n_images) for column in columns])
    sums = sums[sums[:, 2] > 0]
    generator = np.random.default_rng(seed)
    drawn = np.stack(
        [
            np.bincount(generator.integers(0, len(sums), len(sums)), minlength=len(sums)) @ sums
            for _ in range(n_resamples)
        ]
    )
    n_labels, n_right, n_true = _corrected(record, np.concatenate([sums.sum(axis=0)[None], drawn]))
    f1 = 2 * n_right / np.maximum(n_labels + n_true, 1e-12)
    low, high = np.quantile(f1[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return {
        "f1": float(f1[0]),
        "low": float(low),
        "high": float(high),
        "precision": float(n_right[0] / max(n_labels[0], 1e-12)),
        "recall": float(n_right[0] / max(n_true[0], 1e-12)),
    }


def _corrected(
    record: Record, sums: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return labels kept, labels right and labels true from sums of label, label × reference, items and reference.

    The mean of the reference over some items is ``absent + share * (applies - absent)``, share being how many of their
    labels apply (Rogan & Gladen 1978, https://doi.org/10.1093/oxfordjournals.aje.a112510).
    """
    n_labels, agreed, n_items, n_yes = sums.T
    gain = record.if_applies - record.if_absent
    n_right = (agreed - record.if_absent * n_labels) / gain
    return n_labels, n_right, (n_yes - record.if_absent * n_items) / gain
