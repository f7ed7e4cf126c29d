"""How much votes count against the prior and each other: learnt by predicting each vote from the others.

Annotators who look at the same image err together, so a second vote tells less than Dawid-Skene assumes. How much less
shows in the votes themselves: if one vote of an item is hidden, the others and the prior say how likely it is. The
posterior uses the weights of prior and votes that make the hidden votes likeliest. This cannot see what everyone gets
wrong alike; only known answers, refinement votes and an audit can.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.dawid_skene import DawidSkene
from pipeline.consensus.pooling import cached_slices
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.by_item import ByItem
from pipeline.votes.words import N_VOTES

_N_SAMPLED = 200_000
#: Before any vote, shift, prior weight and vote weight are believed to be 0, 1 and 1, with these spreads.
_SPREAD = np.array([0.5, 0.25, 0.25])
#: Votes are never worth more than independent ones would be.
_BOUNDS = [(-3.0, 3.0), (0.05, 3.0), (0.05, 1.0)]


@dataclass(frozen=True)
class Tempering:
    """``log odds = shift + prior_weight * prior + vote_weight * votes``; 0, 1 and 1 change nothing."""

    shift: float = 0.0
    prior_weight: float = 1.0
    vote_weight: float = 1.0

    def log_odds(self, prior: NDArray[np.float64], vote_log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log odds of the posterior."""
        return self.shift + self.prior_weight * prior + self.vote_weight * vote_log_odds

    def probability(
        self, prior: NDArray[np.float64], vote_log_odds: NDArray[np.float64] | ByItem
    ) -> NDArray[np.float64]:
        """Return the posterior."""
        from scipy.special import expit

        probability = np.empty(len(prior))
        for part in cached_slices(len(prior)):
            probability[part] = expit(self.log_odds(prior[part], vote_log_odds[part]))
        return probability


def vote_log_odds(model: DawidSkene) -> ByItem:
    """Return how strongly the votes on each item speak for the label, of those that the model was fitted to.

    These are log likelihood ratios.
    """
    worth, votes = _worth(model), model.patterns.votes
    total = np.zeros(votes.n_items)
    for block in votes.blocks():
        here = slice(block.first_item, block.first_item + block.n_items)
        total[here] = np.bincount(
            block.item, weights=worth[block.annotator * N_VOTES + block.vote], minlength=block.n_items
        )
    return model.patterns.spread(total)


def learn_tempering(
    votes: VoteArrays, model: DawidSkene, prior: NDArray[np.float64], said: NDArray[np.float64] | ByItem
) -> Tempering:
    """Learn the weights under which hidden votes are likeliest.

    Parameters
    ----------
    votes, model
        The votes, and the confusion matrices fitted to them.
    prior
        ``(n_items,)``: log odds of the prior.
    said
        ``(n_items,)``, from :func:`vote_log_odds`.
    """
    n = votes.n_votes
    chosen = np.arange(n) if n <= _N_SAMPLED else np.random.default_rng(0).choice(n, _N_SAMPLED, replace=False)
    item = votes.items_of(chosen)
    cell = votes.annotator[chosen].astype(np.int64) * N_VOTES + votes.vote[chosen]
    others = said[item] - _worth(model)[cell]
    if_absent, if_applies = (model.confusion[:, state].ravel()[cell] for state in (0, 1))
    terms = np.stack([np.ones(len(item)), prior[item], others])
    return fit_tempering(terms, if_absent, if_applies - if_absent, start=Tempering(), spread=_SPREAD)


def fit_tempering(
    terms: NDArray[np.float64],
    if_absent: NDArray[np.float64],
    gain: NDArray[np.float64],
    *,
    start: Tempering,
    spread: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> Tempering:
    """Return the weights under which what was observed is likeliest, drawn towards those to start from.

    Parameters
    ----------
    terms
        ``(3, n)``: ones, the prior and the votes, in log odds.
    if_absent, gain
        ``(n,)``: how likely each observation is if the label does not apply, and how much likelier if it does.
    start, spread
        What is believed about the three weights beforehand, and how far they are believed to be off.
    weight
        ``(n,)``: how often each observation counts; once where left out.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    centre = np.array([start.shift, start.prior_weight, start.vote_weight])
    counted = np.ones(terms.shape[1]) if weight is None else weight

    def surprise(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        chance = expit(weights @ terms)
        likelihood = if_absent + chance * gain
        off = (weights - centre) / spread
        slope = terms @ (counted * gain / likelihood * chance * (1 - chance))
        return float(-(counted * np.log(likelihood)).sum() + 0.5 * off @ off), off / spread - slope

    found = minimize(surprise, centre, jac=True, method="L-BFGS-B", bounds=_BOUNDS)
    shift, prior_weight, vote_weight = (float(weight) for weight in found.x)
    return Tempering(shift, prior_weight, vote_weight)


def share_that_counts(n_votes: NDArray[np.integer], correlation: float, vote_weight: float) -> NDArray[np.float64]:
    """Return the factor on what votes say, where votes on one label are believed to be correlated.

    ``n`` votes are then worth ``n / (1 + (n - 1) correlation)`` independent ones (the design effect of Kish, 1965).
    What the votes themselves show of it (`vote_weight`) is not taken off twice.

    Parameters
    ----------
    n_votes
        ``(n_items,)``: votes on each label.
    correlation
        In [0, 1]: 0 for independent votes, 1 for votes that only repeat each other.
    vote_weight
        From :class:`Tempering`.
    """
    factor: NDArray[np.float64] = np.minimum(1.0, 1 / ((1 + (n_votes - 1) * correlation) * vote_weight))
    return factor


def _worth(model: DawidSkene) -> NDArray[np.float64]:
    """Return how strongly each vote of each annotator speaks for the label: flat, ``(n_annotators * 3,)``."""
    worth: NDArray[np.float64] = (np.log(model.confusion[:, 1]) - np.log(model.confusion[:, 0])).ravel()
    return worth
