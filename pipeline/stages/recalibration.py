"""A project's posteriors held against what it knows: known answers, refiners' votes, and the audit among them."""

from __future__ import annotations

from dataclasses import replace

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
from pipeline.votes.ascending import marked
from pipeline.votes.words import NO, UNSURE, YES


def refined_items(votes: ProjectVotes, items: VoteArrays) -> NDArray[np.intp]:
    """Return the places, ascending, of the items whose images somebody refined."""
    is_refined = marked(items.n_images, votes.refinement_sittings["image"].to_numpy(dtype=np.int64))
    parts = [np.flatnonzero(is_refined[items.item_image[part]]) + part.start for part in cached_slices(items.n_items)]
    return np.concatenate([np.empty(0, dtype=np.intp), *parts])


def refiners_words(
    votes: ProjectVotes, items: VoteArrays, refined: NDArray[np.intp], annotators: NDArray[np.integer]
) -> NDArray[np.integer]:
    """Return how many refiners said no, unsure and yes on some items, silent consent counted as yes.

    An agreed label that a refiner leaves alone is not a vote in the store; here it counts as one more yes.

    Parameters
    ----------
    items, refined
        Votes whose items are meant, and which: those of :func:`refined_items`.
    annotators
        ``(n_refined, 3)``: what annotators said on them; the same is returned of the refiners.
    """
    words = counts_within(items, votes.refinement, refined)
    n_refiners = np.bincount(votes.refinement_sittings["image"].to_numpy(dtype=np.int64), minlength=items.n_images)
    for part in cached_slices(len(refined)):
        n_each, own = annotators[part].sum(axis=1), words[part]
        all_yes = (n_each > 1) & (annotators[part, YES] == n_each)
        silent = n_refiners[items.item_image[refined[part]]] - own[:, NO] - own[:, UNSURE]
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
    answers, refined = gold_answers(before, gold), refined_items(votes, before)
    words = refiners_words(votes, before, refined, before.item_counts()[refined])
    # Nothing is known of all the others.
    some = np.union1d(refined, np.flatnonzero(answers != UNKNOWN)) if gold else refined
    of_refiners = np.zeros((len(some), words.shape[1]), dtype=words.dtype)
    of_refiners[np.searchsorted(some, refined)] = words
    weight = np.ones(len(some))
    if len(audited):
        chosen = votes.refinement_sittings["image"].to_numpy(dtype=np.int64)
        is_audited = marked(before.n_images, audited)
        drawn_from = marked(before.n_images, votes.sittings["image"].to_numpy(dtype=np.int64))
        drawn_from &= ~(marked(before.n_images, chosen) & ~is_audited)
        weight[is_audited[before.item_image[some]]] = int(drawn_from.sum()) / len(audited)
    known = known_labels(answers[some], of_refiners, weight)
    return recalibrate(consensus, before, replace(known, item=some[known.item])) if len(known) else None


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
    where = gold == UNKNOWN
    where[refined_items(votes, settled)] = False
    return recalibrated(consensus, found, where)
