"""One way to ask for a consensus, whatever the method, and the tables made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.cut import BEYER2020_CUT, Cut, choose_cut
from pipeline.consensus.dawid_skene import DawidSkene, fit_dawid_skene
from pipeline.consensus.evidence import ORIGINAL_COLUMN, Evidence, original_evidence
from pipeline.consensus.known import UNKNOWN, keep_where_unsure
from pipeline.consensus.majority import majority, weighted_majority
from pipeline.consensus.prior import LearntPrior, explain, with_effects
from pipeline.consensus.tempering import Tempering, learn_tempering, share_that_counts, vote_log_odds
from pipeline.errors import DatasetError
from pipeline.project.aim import Aim, AimKind
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.by_item import ByItem
from pipeline.votes.words import NO, UNSURE, VOTE_ORDER, YES, Method

#: The fixed cuts: more than half for majorities; for Dawid-Skene, the published method's (aim `beyer2020`).
DEFAULT_THRESHOLD: Final = {Method.MAJORITY: 0.5, Method.WEIGHTED: 0.5, Method.DAWID_SKENE: BEYER2020_CUT}


#: Coarse on purpose. With two votes per item the likelihood has a long flat ridge. Steps along it go on for a hundred
#: iterations; they make annotators seem surer and the label rarer than they are, and predict hidden votes no better.
#: Where there are few images this costs most: with 256 of them and two votes, 0.05 of F1 against a tolerance of 0.01.
_TOLERANCE = 0.1


@dataclass(frozen=True, eq=False)
class Consensus:
    """The consensus of some votes.

    Attributes
    ----------
    method
        How it was reached.
    cut
        The posterior above which labels are kept, the aim it serves, and the quality to expect.
    posterior
        float64 ``(n_items,)``: probability (Dawid-Skene) or share of votes (majorities) in favour of the label.
    label
        bool ``(n_items,)``: posterior above the cut, or the known answer where there is one.
    weights
        ``(n_annotators,)``: weights of the weighted majority, else ``None``.
    model
        The fitted Dawid-Skene model, else ``None``.
    prior, tempering
        What was learnt about each label before its votes, and how much votes and prior count; ``None`` for majorities
        and under the aim `beyer2020`.
    evidence_models
        The models whose rankings were used as evidence. They must be marked wherever they are scored under these
        labels.
    uses_original
        Whether the original labels were used.
    n_calibrated_on
        How many known labels the posteriors were recalibrated on; 0 if nothing was known, so that mistakes which all
        annotators make alike are not in them (:mod:`pipeline.consensus.recalibration`).
    """

    method: Method
    cut: Cut
    posterior: NDArray[np.float64]
    label: NDArray[np.bool_]
    weights: NDArray[np.float64] | None = None
    model: DawidSkene | None = None
    prior: LearntPrior | None = None
    tempering: Tempering | None = None
    evidence_models: tuple[str, ...] = ()
    uses_original: bool = False
    n_calibrated_on: int = 0

    @property
    def threshold(self) -> float:
        """Return the posterior above which labels are kept."""
        return self.cut.value

    def labels(self, votes: VoteArrays) -> pd.DataFrame:
        """Return one row per item: ``image``, ``class``, ``posterior``, ``label``."""
        return votes.item_frame().assign(posterior=self.posterior, label=self.label)

    def annotators(self, votes: VoteArrays) -> pd.DataFrame:
        """Return one row per annotator of the vocabulary.

        The columns are ``annotator``, ``n_votes``, ``n_no``, ``n_unsure``, ``n_yes`` and ``agreement`` (share of their
        yes and no votes that match the consensus label; missing where there are none). Then comes ``weight`` or, for
        Dawid-Skene, ``no_if_absent`` … ``yes_if_applies``: the six entries of the confusion matrix.
        """
        by_vote, n_right = np.zeros((votes.n_annotators, 3), dtype=np.int64), np.zeros(votes.n_annotators)
        for block in votes.blocks():
            label = self.label[block.first_item : block.first_item + block.n_items][block.item]
            by_vote += np.bincount(block.annotator * 3 + block.vote, minlength=by_vote.size).reshape(-1, 3)
            is_right = np.where(label, block.vote == YES, block.vote == NO)
            n_right += np.bincount(block.annotator[is_right], minlength=votes.n_annotators)
        n_clear = by_vote[:, NO] + by_vote[:, YES]
        table = pd.DataFrame({"annotator": votes.annotators, "n_votes": by_vote.sum(axis=1)})
        table["n_no"], table["n_unsure"], table["n_yes"] = by_vote[:, NO], by_vote[:, UNSURE], by_vote[:, YES]
        table["agreement"] = np.where(n_clear > 0, n_right / np.maximum(n_clear, 1), np.nan)
        if self.weights is not None:
            table["weight"] = self.weights
        if self.model is not None:
            for state, what in enumerate(("absent", "applies")):
                for code, vote in enumerate(VOTE_ORDER):
                    table[f"{vote}_if_{what}"] = self.model.confusion[:, state, code]
        return table


def reach_consensus(
    votes: VoteArrays,
    method: Method = Method.DAWID_SKENE,
    *,
    gold: NDArray[np.int8] | None = None,
    original: NDArray[np.int8] | None = None,
    evidence: Evidence | None = None,
    aim: Aim | None = None,
    threshold: float | None = None,
    correlation: float = 0.0,
) -> Consensus:
    """Settle every item.

    First, Dawid-Skene's posterior from the votes alone is used to learn a prior for each item
    (:mod:`pipeline.consensus.prior`). Then prior and votes are weighted by how well they predict hidden votes
    (:mod:`pipeline.consensus.tempering`). Last, the result is cut as the aim says (:mod:`pipeline.consensus.cut`).
    Under the aim `beyer2020` the model of the published labels is used instead: no prior but the prevalence, the
    original label as one more annotator, and a cut at 0.8.

    Parameters
    ----------
    gold
        Known answers ``(n_items,)``. They stand whatever the votes say, and anchor Dawid-Skene.
    original
        Original labels ``(n_items,)``; only Dawid-Skene uses them, as evidence.
    evidence
        What models say about each item (:func:`pipeline.consensus.evidence.model_evidence`); only Dawid-Skene uses it.
    aim
        What labels are to be good at. If left out: F1, and for majorities more than half of the votes.
    threshold
        In [0, 1]. To be given instead of an aim: labels above this posterior are kept.
    correlation
        In [0, 1]: how strongly mistakes of annotators on one label are believed to be correlated, fixed beforehand
        (:func:`pipeline.consensus.tempering.share_that_counts`). What known answers show
        (:mod:`pipeline.consensus.recalibration`) is better than a belief.

    Raises
    ------
    DatasetError
        If the threshold lies outside [0, 1] or is given together with an aim, or if evidence or an aim is given to a
        method that has no use for it.
    """
    chosen = _aim_of(method, aim, threshold)
    _refuse_misfits(method, chosen, original is not None, evidence is not None, correlation)
    weights, model, prior, tempering = None, None, None, None
    evidence_models = () if evidence is None else evidence.models
    if method is Method.DAWID_SKENE and chosen.kind is AimKind.BEYER2020:
        model = fit_dawid_skene(votes, gold, None if original is None else keep_where_unsure(votes, original))
        posterior = model.posterior
    elif method is Method.DAWID_SKENE:
        model = fit_dawid_skene(votes, gold, tolerance=_TOLERANCE)
        known = evidence
        if original is not None and (evidence is None or ORIGINAL_COLUMN not in evidence.columns):
            known = original_evidence(original).joined(evidence)
        prior = explain(votes, model.by_item(), known)
        del evidence, known  # in a large project, as much as all that follows needs
        prior = with_effects(prior, votes, model.by_item())
        said: ByItem | NDArray[np.float64] = vote_log_odds(model)
        tempering = learn_tempering(votes, model, prior.log_odds, said)
        if correlation:
            said = vote_log_odds(model).whole() * share_that_counts(votes.n_each, correlation, tempering.vote_weight)
        posterior = tempering.probability(prior.log_odds, said)
    elif method is Method.WEIGHTED:
        posterior, weights = weighted_majority(votes)
    else:
        posterior = majority(votes)
    if gold is not None:
        posterior = np.where(gold == UNKNOWN, posterior, gold.astype(float))
    cut = choose_cut(posterior, chosen)
    label = posterior > cut.value
    if gold is not None:
        label = np.where(gold == UNKNOWN, label, gold == 1)
    return Consensus(
        method=method,
        cut=cut,
        posterior=posterior,
        label=label,
        weights=weights,
        model=model,
        prior=prior,
        tempering=tempering,
        evidence_models=evidence_models,
        uses_original=original is not None,
    )


def _refuse_misfits(method: Method, aim: Aim, has_original: bool, has_evidence: bool, correlation: float) -> None:
    if not 0 <= correlation <= 1:
        raise DatasetError(f"the correlation of mistakes is {correlation}; give --correlation a number between 0 and 1")
    if method is not Method.DAWID_SKENE and (has_original or has_evidence):
        what = "original labels" if has_original else "models' predictions"
        raise DatasetError(f"{method} has no use for {what}; leave them out or use {Method.DAWID_SKENE}")
    if aim.kind is AimKind.BEYER2020 and has_evidence:
        raise DatasetError("the aim beyer2020 is of votes and original labels alone; leave the models out")
    if correlation and (method is not Method.DAWID_SKENE or aim.kind is AimKind.BEYER2020):
        raise DatasetError(f"{method} with the aim {aim} takes votes as they are; leave the correlation out")


def _aim_of(method: Method, aim: Aim | None, threshold: float | None) -> Aim:
    if threshold is not None:
        if aim is not None:
            raise DatasetError(f"the aim {aim} and the threshold {threshold:g} both say where to cut; give one")
        if not 0 <= threshold <= 1:
            raise DatasetError(f"the threshold is {threshold}; give a posterior between 0 and 1")
        return Aim(AimKind.POSTERIOR, threshold)
    if method is Method.DAWID_SKENE:
        return aim or Aim()
    if aim is not None and aim.kind is not AimKind.POSTERIOR:
        raise DatasetError(
            f"{method} gives shares of votes, no probabilities: the aim {aim} needs {Method.DAWID_SKENE}"
        )
    return aim or Aim(AimKind.POSTERIOR, DEFAULT_THRESHOLD[method])
