"""Recalibration: how much prior and votes count, relearnt from labels whose truth is known.

Annotators who look at the same image err together, and votes alone cannot show it
(:mod:`pipeline.consensus.tempering`). Known answers, refiners' votes and an audit can. From them the same three numbers
are learnt again: a shift, the weight of the prior and the weight of the votes. They start from what votes taught, and
move only as far as the known labels make them (Platt scaling with two inputs, and a prior belief in no change). The
weight of the votes is the inverse of their design effect: at one half, two votes are worth one.

Platt, J. (1999). Probabilistic outputs for support vector machines. Kish, L. (1965), Survey Sampling: design effects.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.calibration import reliability
from pipeline.consensus.cut import choose_cut
from pipeline.consensus.result import Consensus
from pipeline.consensus.tempering import Tempering, fit_tempering, share_that_counts, vote_log_odds
from pipeline.errors import DatasetError
from pipeline.project.aim import AimKind
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.by_item import ByItem
from pipeline.votes.words import NO, YES

#: How far shift, prior weight and vote weight are believed to move.
_SPREAD = np.array([1.0, 0.5, 0.5])
#: An answer known beforehand is believed to be wrong this often; refiners miss and add labels this often.
_GOLD_ERROR, _MISS, _FALSE_ALARM = 0.002, 0.03, 0.003
_N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class KnownLabels:
    """Labels whose truth is known, or nearly.

    Attributes
    ----------
    item
        int64 ``(n,)``: which items.
    if_absent, if_applies
        ``(n,)``: how likely what is known is if the label does not apply, and if it does.
    weight
        ``(n,)``: how many labels each one stands for; an audit of one image in ten stands for ten.
    """

    item: NDArray[np.int64]
    if_absent: NDArray[np.float64]
    if_applies: NDArray[np.float64]
    weight: NDArray[np.float64]

    def __len__(self) -> int:
        """Return how many labels are known."""
        return len(self.item)

    @property
    def applies(self) -> NDArray[np.bool_]:
        """Return which labels apply, as far as is known."""
        return self.if_applies > self.if_absent

    def part(self, chosen: NDArray[np.bool_]) -> KnownLabels:
        """Return some of them."""
        return KnownLabels(self.item[chosen], self.if_absent[chosen], self.if_applies[chosen], self.weight[chosen])


def known_labels(
    gold: NDArray[np.int8] | None, refined: NDArray[np.integer] | None, weight: NDArray[np.float64] | None = None
) -> KnownLabels:
    """Put together what is known.

    Parameters
    ----------
    gold
        ``(n_items,)``: 1 applies, 0 does not, -1 unknown; ``None`` without known answers.
    refined
        ``(n_items, 3)``: refiners' votes of no, unsure and yes; ``None`` without a refinement round.
    weight
        ``(n_items,)``: how many items each stands for; 1 where left out.

    Raises
    ------
    DatasetError
        If neither is given.
    """
    if gold is None and refined is None:
        raise DatasetError("nothing is known to recalibrate by; give known answers or refiners' votes")
    is_gold = np.zeros(0 if refined is None else len(refined), dtype=bool) if gold is None else gold >= 0
    is_known = is_gold if refined is None else is_gold | (refined[:, NO] != 0) | (refined[:, YES] != 0)
    item = np.flatnonzero(is_known)
    log_likelihood = np.zeros((2, len(item)))
    if refined is not None:
        n_no, n_yes = refined[item, NO], refined[item, YES]
        log_likelihood[0] = n_yes * np.log(_FALSE_ALARM) + n_no * np.log1p(-_FALSE_ALARM)
        log_likelihood[1] = n_yes * np.log1p(-_MISS) + n_no * np.log(_MISS)
    if gold is not None:
        answered = np.flatnonzero(is_gold[item])
        log_likelihood[:, answered] = np.log(_GOLD_ERROR)
        log_likelihood[gold[item[answered]].astype(np.int64), answered] = np.log1p(-_GOLD_ERROR)
    counted = np.ones(len(item)) if weight is None else weight[item]
    if_absent, if_applies = np.exp(log_likelihood)
    return KnownLabels(item, if_absent, if_applies, counted * (len(item) / max(counted.sum(), 1e-12)))


@dataclass(frozen=True, eq=False)
class Recalibration:
    """What known labels say about the posteriors of a consensus that has not seen them.

    Attributes
    ----------
    n_known
        How many labels are known.
    images
        The images that they are of, ascending.
    before, after
        The weights learnt from votes alone, and those relearnt from the known labels.
    reliability_before, reliability_after
        Posterior against known labels (:func:`pipeline.consensus.calibration.reliability`). After: each label's
        posterior is recalibrated by the known labels of other images.
    """

    n_known: int
    images: NDArray[np.int64]
    before: Tempering
    after: Tempering
    reliability_before: pd.DataFrame
    reliability_after: pd.DataFrame


def reliability_table(found: Recalibration) -> pd.DataFrame:
    """Return both reliabilities below each other, told apart by the column ``posterior``: before or after."""
    parts = {"before": found.reliability_before, "after": found.reliability_after}
    return pd.concat([part.assign(posterior=name) for name, part in parts.items()], ignore_index=True)


def recalibrate(consensus: Consensus, votes: VoteArrays, known: KnownLabels) -> Recalibration:
    """Relearn the weights of prior and votes, so that the known labels are likeliest, and check the posteriors.

    Parameters
    ----------
    consensus
        Reached without the known labels.
    votes
        The votes that it rests on.
    known
        At least one label.

    Raises
    ------
    DatasetError
        If the consensus has no prior (majorities and the aim `beyer2020`), or nothing is known.
    """
    if len(known) == 0:
        raise DatasetError("nothing is known to recalibrate by; give known answers or refiners' votes on voted classes")
    tempering, prior, said = _parts(consensus)
    before = tempering.probability(prior[known.item], said[known.item])
    after = np.empty(len(known))
    fold = votes.item_image[known.item] % _N_FOLDS

    def check(number: int) -> None:
        here = fold == number
        item = known.item[here]
        learnt = tempering if here.all() else _relearnt(tempering, prior, said, known.part(~here))
        after[here] = learnt.probability(prior[item], said[item])

    with ThreadPoolExecutor(2) as threads:  # what is known may be millions of labels
        list(threads.map(check, np.unique(fold).tolist()))
    return Recalibration(
        n_known=len(known),
        images=np.unique(votes.item_image[known.item]).astype(np.int64),
        before=tempering,
        after=_relearnt(tempering, prior, said, known),
        reliability_before=reliability(before, known.applies),
        reliability_after=reliability(after, known.applies),
    )


def recalibrated(consensus: Consensus, found: Recalibration, where: NDArray[np.bool_] | None = None) -> Consensus:
    """Return the consensus with the relearnt weights of prior and votes, cut anew for the same aim.

    Parameters
    ----------
    consensus
        One with a prior.
    found
        What was learnt.
    where
        ``(n_items,)``: the items that it is for; the others keep their posterior. Left out: all.
    """
    _, prior, said = _parts(consensus)
    posterior = found.after.probability(prior, said)
    if where is not None:
        posterior = np.where(where, posterior, consensus.posterior)
    cut = choose_cut(posterior, consensus.cut.aim)
    # A known answer, of posterior 0 or 1, stands wherever the cut is.
    label = np.where(posterior == 1, True, posterior > cut.value)
    return replace(
        consensus, posterior=posterior, cut=cut, label=label, tempering=found.after, n_calibrated_on=found.n_known
    )


def expected_f1_if_correlated(consensus: Consensus, votes: VoteArrays, correlation: float) -> float:
    """Return the F1 to expect of the same labels if mistakes on a label are correlated this strongly (0 to 1)."""
    tempering, prior, said = _parts(consensus)
    counted = said.whole() * share_that_counts(votes.n_each, correlation, tempering.vote_weight)
    posterior = tempering.probability(prior, counted)
    if consensus.cut.aim.kind is AimKind.F1 and not consensus.label.any():  # right only if nothing applies
        return float(np.prod(1 - posterior))
    n_labels = int(consensus.label.sum()) + float(posterior.sum())
    return 2 * float(posterior[consensus.label].sum()) / n_labels if n_labels else 0.0


def _parts(consensus: Consensus) -> tuple[Tempering, NDArray[np.float64], ByItem]:
    if consensus.prior is None or consensus.tempering is None or consensus.model is None:
        raise DatasetError(f"{consensus.method}, {consensus.cut.aim}: this consensus cannot be recalibrated")
    return consensus.tempering, consensus.prior.log_odds, vote_log_odds(consensus.model)


def _relearnt(tempering: Tempering, prior: NDArray[np.float64], said: ByItem, known: KnownLabels) -> Tempering:
    terms = np.stack([np.ones(len(known)), prior[known.item], said[known.item]])
    gain = known.if_applies - known.if_absent
    return fit_tempering(terms, known.if_absent, gain, start=tempering, spread=_SPREAD, weight=known.weight)
