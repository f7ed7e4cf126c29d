"""What an audit found, with the refiner's own errors taken off.

Refiners err too. Where errors are rare, most of what a single refiner "corrects" may be right as it was. So an audited
label is no verdict: what annotators said (all no, all yes, neither) tells how often the label applies, refiners' votes
are evidence on it, and both the shares and the refiners' rates of error are estimated together. Images that two
refiners audit separate them; with one refiner, the rates stay as uncertain as they are believed to be beforehand.

It is the model of Dawid & Skene (1979) with refiners as the only witnesses, and a share of its own for each kind of
label: whether annotators erred alike or each by themselves makes no difference to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

#: What is believed of refiners before they vote: median rate and spread (of its logarithm) of a miss, of a false alarm.
_MISS, _FALSE_ALARM = (0.03, 0.8), (0.003, 1.0)
_STEPS = np.linspace(-2, 2, 7)
#: Imaginary labels in each kind, half of them true, and the trials that stand for what is believed of searching.
_LABELS, _SEARCHES = 1.0, 4.0
_N_EM = 60


@dataclass(frozen=True, eq=False)
class AuditFindings:
    """Wrong labels of each audited image, under several beliefs about the refiners.

    Attributes
    ----------
    weight
        float64 ``(n_beliefs,)``, summing to 1.
    wrong
        float64 ``(n_beliefs, n_audited)``: expected number of labels that were wrong before the audit.
    """

    weight: NDArray[np.float64]
    wrong: NDArray[np.float64]

    @property
    def n_images(self) -> int:
        """Return how many images were audited."""
        return int(self.wrong.shape[1])

    @property
    def expected(self) -> float:
        """Return how many labels of the audited images were wrong."""
        return float(self.weight @ self.wrong.sum(axis=1))


@dataclass(frozen=True, eq=False)
class RefinedItems:
    """Pairs that refiners judged, one entry a pair.

    Attributes
    ----------
    kind
        ``(n,)`` small integers: pairs of one kind share how often the label applies.
    n_yes, n_no
        ``(n,)``: refiners who said so; one who left an agreed label standing said yes.
    image
        ``(n,)``: position among the audited images, -1 for an image that was refined for cause.
    was_label
        ``(n,)``: whether it was a label before.
    """

    kind: NDArray[np.integer]
    n_yes: NDArray[np.integer]
    n_no: NDArray[np.integer]
    image: NDArray[np.integer]
    was_label: NDArray[np.bool_]


def judge_audit(items: RefinedItems, n_added: NDArray[np.integer], n_refiners: NDArray[np.integer]) -> AuditFindings:
    """Estimate how many labels of each audited image were wrong.

    Parameters
    ----------
    items
        What refiners said; images refined for cause tell about the refiners, too.
    n_added
        ``(n_audited, 2)``: labels that nobody had been shown and one refiner, or more than one, found.
    n_refiners
        ``(n_audited,)``: refiners of each audited image.
    """
    patterns, pattern_of, count = np.unique(
        np.stack([items.kind, items.n_yes, items.n_no], axis=1), axis=0, return_inverse=True, return_counts=True
    )
    beliefs = [
        (miss[0], false_alarm[0], miss[1] + false_alarm[1])
        for miss, false_alarm in product(_beliefs(*_MISS), _beliefs(*_FALSE_ALARM))
    ]
    is_audited = items.image >= 0
    missed = _never_found(n_added, n_refiners)
    log_weight, wrong = np.empty(len(beliefs)), np.empty((len(beliefs), len(n_refiners)))
    for number, (miss, false_alarm, believed) in enumerate(beliefs):
        chance, evidence = _fit_shares(patterns, count, miss, false_alarm)
        log_weight[number] = believed + evidence
        is_true = chance[pattern_of.ravel()]
        error = np.where(items.was_label, 1 - is_true, is_true)
        wrong[number] = missed + np.bincount(
            items.image[is_audited], weights=error[is_audited], minlength=len(n_refiners)
        )
    weight = np.exp(log_weight - log_weight.max(initial=-np.inf))
    return AuditFindings(weight / weight.sum(), wrong)


def _beliefs(median: float, spread: float) -> list[tuple[float, float]]:
    """Return rates and the logarithm of what each is believed."""
    return [(median * float(np.exp(spread * step)), -0.5 * float(step) ** 2) for step in _STEPS]


def _fit_shares(
    patterns: NDArray[np.integer], count: NDArray[np.integer], miss: float, false_alarm: float
) -> tuple[NDArray[np.float64], float]:
    """Return how likely a label of each pattern applies, and the log likelihood of the refiners' votes."""
    if len(patterns) == 0:
        return np.empty(0), 0.0
    kind, n_yes, n_no = patterns.T
    if_true = n_yes * np.log(1 - miss) + n_no * np.log(miss)
    if_false = n_yes * np.log(false_alarm) + n_no * np.log(1 - false_alarm)
    n_kinds = int(kind.max()) + 1
    share = np.full(n_kinds, 0.5)
    total = np.bincount(kind, weights=count, minlength=n_kinds) + _LABELS
    for _ in range(_N_EM):
        log_odds = np.log(share[kind]) - np.log1p(-share[kind]) + if_true - if_false
        chance = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
        share = (np.bincount(kind, weights=count * chance, minlength=n_kinds) + _LABELS / 2) / total
    likelihood = np.logaddexp(np.log(share[kind]) + if_true, np.log1p(-share[kind]) + if_false)
    return chance, float(count @ likelihood)


def _never_found(n_added: NDArray[np.integer], n_refiners: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return, for each image, the labels outside of what was shown: those found, and those that searching missed.

    How likely a refiner finds one shows where two looked: `f2` found by both and `f1` by one make it ``2 f2 / (2 f2 +
    f1)`` (Lincoln & Petersen); where nobody looked twice it is taken for one half.
    """
    if len(n_refiners) == 0:
        return np.empty(0)
    looked_twice = n_refiners > 1
    once, twice = n_added[looked_twice].sum(axis=0) if looked_twice.any() else (0, 0)
    found = (_SEARCHES / 2 + 2 * twice) / (_SEARCHES + 2 * twice + once)
    never_missed = 1 - (1 - found) ** np.maximum(n_refiners, 1)
    labels: NDArray[np.float64] = n_added.sum(axis=1) / never_missed
    return labels
