"""Dawid-Skene consensus: two latent states (the label applies or not), three observed votes (no, unsure, yes).

What it adds to the published model, and why:

- *Three votes on two states.* A label applies or it does not; `unsure` is something people say, not a state of the
  image. It counts as evidence whose worth is estimated for each annotator. As a third state it would soak up the hard
  images.
- *Partial pooling.* An annotator's confusion matrix is drawn towards that of all annotators by `prior_votes` imaginary
  votes in each state. So nobody is taken to be perfect, or always wrong, on the strength of six votes.
- *The original label testifies.* Where the data set's single label is known, it takes part as one more annotator, who
  says yes to that class and no to all others. Its confusion matrix is estimated like anyone else's. Callers silence it
  in the classes that annotators know well (:func:`pipeline.consensus.known.keep_where_unsure`).

It is fitted by plain (soft) EM: every item counts towards both states, in proportion to its posterior. Hard
(classification) EM and sharpened EM, which squares the odds of each item before counting it, keep the two states
further apart. With five votes per item that gains a little. With two or three, the model becomes surer than the votes
allow: it drops labels that apply, and would stop asking too early. `benchmarks/consensus.py` compares the three.

That the original label should not testify everywhere was learnt from the published ReaL scores of half of the images:
they match a two-state model in which it testifies only on animals. Plain EM was chosen after the budget study, which
used all of the images. Figures on those votes are therefore not blind; `benchmarks/consensus.py` reports the two halves
separately.

References
----------
Dawid, A. P. & Skene, A. M. (1979). Maximum likelihood estimation of observer error-rates using the EM algorithm.
Applied Statistics 28(1). https://doi.org/10.2307/2346806
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.known import UNKNOWN
from pipeline.consensus.majority import majority
from pipeline.consensus.patterns import Patterns, find_patterns
from pipeline.errors import DatasetError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.by_item import ByItem
from pipeline.votes.words import N_VOTES, NO, YES

#: One imaginary vote in each state, mostly right, so that the states keep their meaning even if all votes are alike.
_WEAK_PRIOR = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8]])


@dataclass(frozen=True, eq=False)
class DawidSkene:
    """A fitted model.

    Attributes
    ----------
    patterns
        The patterns of the votes that it was fitted to.
    of_patterns
        float64 ``(n_patterns,)``: probability that the label of such an item applies.
    prevalence
        Share of items to which the label applies.
    confusion
        float64 ``(n_annotators, 2, 3)``: probability of no, unsure and yes where the label is absent (0) or
        applies (1).
    pooled_confusion
        ``(2, 3)``: the same for all annotators together.
    original_confusion
        ``(2, 2)``: probability, in each state, that the original label is another class or this one; ``None`` where no
        original labels were given.
    n_iterations
        Steps taken.
    is_converged
        Whether the last step changed no posterior by more than the tolerance.
    """

    patterns: Patterns
    of_patterns: NDArray[np.float64]
    prevalence: float
    confusion: NDArray[np.float64]
    pooled_confusion: NDArray[np.float64]
    original_confusion: NDArray[np.float64] | None
    n_iterations: int
    is_converged: bool

    @property
    def posterior(self) -> NDArray[np.float64]:
        """Return the probability that the label applies: float64 ``(n_items,)``, made anew each time."""
        return self.by_item().whole()

    def by_item(self) -> ByItem:
        """Return the same, each number kept once."""
        return self.patterns.spread(self.of_patterns)


def fit_dawid_skene(
    votes: VoteArrays,
    gold: NDArray[np.int8] | None = None,
    original: NDArray[np.int8] | None = None,
    *,
    prior_votes: float = 100.0,
    max_iterations: int = 100,
    tolerance: float = 1e-3,
) -> DawidSkene:
    """Fit the model and return each item's posterior and each annotator's confusion matrix.

    Parameters
    ----------
    votes
        The votes. Items that share a pattern (:mod:`pipeline.consensus.patterns`) are fitted as one.
    gold
        ``(n_items,)`` from :func:`pipeline.consensus.match_gold`: known answers that stay fixed and anchor the rest.
    original
        ``(n_items,)`` from :func:`pipeline.consensus.match_original`: the original label testifies wherever it is not
        -1, so pass it through :func:`pipeline.consensus.known.keep_where_unsure` first.
    prior_votes
        Weight, in votes, of the pooled confusion matrix in each annotator's own. At 0 nothing is pooled.
    max_iterations, tolerance
        When to stop: the tolerance is the largest change of any posterior in one step. With two votes per item the
        likelihood has a flat ridge. A smaller tolerance would creep along it for a long time and change hardly any
        label.

    Raises
    ------
    DatasetError
        If `gold` or `original` does not have one value per item, or has a value other than -1, 0 and 1.
    """
    for name, known in (("gold", gold), ("original", original)):
        _check_known(known, name, votes.n_items)
    patterns = find_patterns(votes, (gold, original))
    votes, (gold, original), n_items = patterns.votes, patterns.known, patterns.n_items
    posterior = _anchored(majority(votes), gold)
    totals = _vote_totals(votes, n_items)
    n_iterations, is_converged = 0, votes.n_items == 0
    parameters = _first_estimate(votes, posterior, gold, original, n_items, prior_votes)
    while not is_converged and n_iterations < max_iterations:
        n_iterations += 1
        updated = _anchored(_expect(votes, original, parameters), gold)
        is_converged = bool(np.abs(updated - posterior).max() <= tolerance)
        posterior = updated
        if not is_converged:
            parameters = _estimate(votes, posterior, n_items, totals, original, n_items, prior_votes)
    return DawidSkene(
        patterns=patterns,
        of_patterns=posterior,
        prevalence=parameters.prevalence,
        confusion=parameters.confusion,
        pooled_confusion=parameters.pooled,
        original_confusion=parameters.original,
        n_iterations=n_iterations,
        is_converged=is_converged,
    )


@dataclass(frozen=True, eq=False)
class _Parameters:
    prevalence: float
    confusion: NDArray[np.float64]
    pooled: NDArray[np.float64]
    original: NDArray[np.float64] | None


def _check_known(known: NDArray[np.int8] | None, name: str, n_items: int) -> None:
    if known is None:
        return
    if known.shape != (n_items,) or not np.isin(known, (UNKNOWN, 0, 1)).all():
        raise DatasetError(f"`{name}` must hold -1, 0 or 1 for each of the {n_items} items; it has shape {known.shape}")


def _anchored(posterior: NDArray[np.float64], gold: NDArray[np.int8] | None) -> NDArray[np.float64]:
    return posterior if gold is None else np.where(gold == UNKNOWN, posterior, gold.astype(float))


def _vote_totals(votes: VoteArrays, item_weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how often each annotator said no, unsure and yes, each vote counted with its item's weight."""
    size = votes.n_annotators * N_VOTES
    totals = np.zeros(size)
    for block in votes.blocks():
        weights = item_weight[block.first_item : block.first_item + block.n_items][block.item]
        totals += np.bincount(block.annotator * N_VOTES + block.vote, weights=weights, minlength=size)
    return totals.reshape(-1, N_VOTES)


def _first_estimate(
    votes: VoteArrays,
    state: NDArray[np.float64],
    gold: NDArray[np.int8] | None,
    original: NDArray[np.int8] | None,
    n_items: NDArray[np.float64],
    prior_votes: float,
) -> _Parameters:
    """Start from the majority; with known answers, start mostly from those, so that a wrong majority can be undone."""
    weight = n_items.copy()
    is_known = None if gold is None else gold != UNKNOWN
    if is_known is not None and is_known.any() and not is_known.all():
        n_known = float(n_items[is_known].sum())
        weight[~is_known] *= min(1.0, (10 + 0.1 * n_known) / float(n_items[~is_known].sum()))
    return _estimate(votes, state, weight, _vote_totals(votes, weight), original, n_items, prior_votes)


def _estimate(
    votes: VoteArrays,
    state: NDArray[np.float64],
    item_weight: NDArray[np.float64],
    totals: NDArray[np.float64],
    original: NDArray[np.int8] | None,
    n_items: NDArray[np.float64],
    prior_votes: float,
) -> _Parameters:
    """Maximise: prevalence and confusion matrices from the current state of every item."""
    applies = _vote_totals(votes, state * item_weight)
    counts = np.stack([totals - applies, applies], axis=1)
    pooled = counts.sum(axis=0) + _WEAK_PRIOR
    pooled /= pooled.sum(axis=1, keepdims=True)
    smoothed = np.maximum(counts, 0) + prior_votes * pooled + 1e-2 * _WEAK_PRIOR
    prevalence = (float((state * item_weight).sum()) + 1) / (float(item_weight.sum()) + 2)
    return _Parameters(
        prevalence=prevalence,
        confusion=smoothed / smoothed.sum(axis=2, keepdims=True),
        pooled=pooled,
        original=None if original is None else _estimate_original(state, original, n_items),
    )


def _estimate_original(
    state: NDArray[np.float64], original: NDArray[np.int8], n_items: NDArray[np.float64]
) -> NDArray[np.float64]:
    is_known = original != UNKNOWN
    weights, is_original, n_known = state[is_known], original[is_known], n_items[is_known]
    counts = (
        np.array([np.bincount(is_original, weights=n_known * part, minlength=2) for part in (1 - weights, weights)])
        + _WEAK_PRIOR[:, [NO, YES]]
    )
    shares: NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _expect(votes: VoteArrays, original: NDArray[np.int8] | None, parameters: _Parameters) -> NDArray[np.float64]:
    """Expect: the posterior of every item, given the parameters."""
    evidence = (np.log(parameters.confusion[:, 1]) - np.log(parameters.confusion[:, 0])).ravel()
    prior = np.log(parameters.prevalence) - np.log1p(-parameters.prevalence)
    logit = np.full(votes.n_items, prior)
    for block in votes.blocks():
        weights = evidence[block.annotator * N_VOTES + block.vote]
        here = slice(block.first_item, block.first_item + block.n_items)
        logit[here] += np.bincount(block.item, weights=weights, minlength=block.n_items)
    if original is not None and parameters.original is not None:
        worth = np.log(parameters.original[1]) - np.log(parameters.original[0])
        logit += np.append(worth, 0.0)[original]
    from scipy.special import expit

    posterior: NDArray[np.float64] = expit(logit)
    return posterior
