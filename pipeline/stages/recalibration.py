"""A project's posteriors held against what it knows: known answers, refiners' votes, and the audit among them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus import Consensus
from pipeline.consensus.known import UNKNOWN
from pipeline.consensus.pooling import cached_slices
from pipeline.consensus.recalibration import Recalibration, known_labels, recalibrate, recalibrated
from pipeline.consensus.refined import counts_within
from pipeline.project.folder import Project
from pipeline.stages.consensus_of_project import gold_answers, project_consensus
from pipeline.stages.votes_of_project import ProjectVotes
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import NO, UNSURE, YES


def refiners_words(votes: ProjectVotes, items: VoteArrays, annotators: NDArray[np.integer]) -> NDArray[np.integer]:
    """Return how many refiners said no, unsure and yes on each item, silent consent counted as yes: ``(n_items, 3)``.

    An agreed label that a refiner leaves alone is not a vote in the store; here it counts as one more yes.

    Parameters
    ----------
    items
        Votes whose items are meant.
    annotators
        ``(n_items, 3)``: what annotators said on them.
    """
    words = counts_within(items, votes.refinement)
    n_refiners = np.bincount(votes.refinement_sittings["image"].to_numpy(dtype=np.int64), minlength=items.n_images)
    for part in cached_slices(items.n_items):
        n_each, own = annotators[part].sum(axis=1), words[part]
        all_yes = (n_each > 1) & (annotators[part, YES] == n_each)
        silent = n_refiners[items.item_image[part]] - own[:, NO] - own[:, UNSURE]
        own[:, YES] = np.where(all_yes, silent, own[:, YES])
    return words


def check_posteriors(
    project: Project,
    votes: ProjectVotes,
    before: VoteArrays,
    consensus: Consensus,
    gold: dict[int, frozenset[int]],
    audited: NDArray[np.int64],
) -> Recalibration | None:
    """Relearn how much votes count from what the project knows; ``None`` if it knows nothing or no prior was learnt.

    Parameters
    ----------
    before, consensus
        The votes from before refinement, and their consensus.
    gold
        Known answers.
    audited
        Images that were drawn for an audit. Each stands for those among which it was drawn.
    """
    if gold:
        consensus = project_consensus(project, before)
    if consensus.prior is None:
        return None
    counts = before.item_counts()
    weight = np.ones(before.n_items)
    if len(audited):
        refined = votes.refinement_sittings["image"].to_numpy(dtype=np.int64)
        drawn_from = np.setdiff1d(votes.sittings["image"].to_numpy(dtype=np.int64), np.setdiff1d(refined, audited))
        weight[np.isin(before.item_image, audited)] = len(drawn_from) / len(audited)
    known = known_labels(gold_answers(before, gold), refiners_words(votes, before, counts), weight)
    return recalibrate(consensus, before, known) if len(known) else None


def recalibrated_where_unrefined(
    consensus: Consensus, votes: ProjectVotes, settled: VoteArrays, gold: NDArray[np.int8], found: Recalibration | None
) -> Consensus:
    """Return the consensus with relearnt weights on images that were not refined; known answers stand.

    Parameters
    ----------
    consensus, settled
        The consensus of all votes, and these votes.
    gold
        ``(n_items,)``: known answers, -1 for none.
    found
        From :func:`check_posteriors`; ``None`` changes nothing.
    """
    if found is None:
        return consensus
    refined = votes.refinement_sittings["image"].to_numpy(dtype=np.int64)
    where = ~np.isin(settled.item_image, refined) & (gold == UNKNOWN)
    return recalibrated(consensus, settled, found, where)
