"""What an audit found, less the refiners' own errors.

Refiners err too. Where errors are rare, most of what a single refiner "corrects" may have been right before. So an
audited label is not a verdict. What annotators said (all no, all yes, neither) tells how often such labels apply, and
refiners' votes are evidence on each label. The shares and the refiners' error rates are estimated together. Images that
two refiners audited tell the two apart; with one refiner, the rates stay as uncertain as the prior beliefs about them.

It is the model of Dawid & Skene (1979), with refiners as the only witnesses and a separate share for each kind of
label. Whether annotators erred alike or independently makes no difference to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

#: Prior beliefs about refiners: median rate of a miss and of a false alarm, each with the spread of its logarithm.
_MISS, _FALSE_ALARM = (0.03, 0.8), (0.003, 1.0)
_STEPS = np.linspace(-2, 2, 7)
#: Imaginary labels of each kind, half of them true, and the imaginary searches that stand for the prior belief.
_LABELS, _SEARCHES = 1.0, 4.0  # 4 searches: as much as two labels that both found
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
    """(image, class) pairs that refiners judged, one entry per pair.

    Attributes
    ----------
    kind
        ``(n,)`` small integers: pairs of one kind share how often the label applies.
    n_yes, n_no
        ``(n,)``: how many refiners said so. One who left an agreed label standing said yes.
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


def judge_audit(
    items: RefinedItems,
    n_added: NDArray[np.integer],
    n_refiners: NDArray[np.integer],
    found_by_annotators: tuple[int, int] = (0, 0),
) -> AuditFindings:
    """Estimate how many labels of each audited image were wrong.

    Parameters
    ----------
    items
        What refiners said. Images refined for cause also tell about the refiners.
    n_added
        ``(n_audited, 2)``: labels that nobody had been shown, found by one refiner, and by more than one.
    n_refiners
        ``(n_audited,)``: number of refiners of each audited image.
    found_by_annotators
        Labels not proposed that one of an image's annotators found, and that two found: refiners are believed to search
        about as well as annotators do.
    """
    rows = np.stack([items.kind, items.n_yes, items.n_no], axis=1)
    low, high = (rows.min(axis=0), rows.max(axis=0)) if len(rows) else (np.zeros(3, int), np.zeros(3, int))
    # One number a row: sorting millions of rows takes ten times as long.
    code = np.ravel_multi_index(tuple((rows - low).T), tuple((high - low + 1).tolist()))
    _, first, pattern_of, count = np.unique(code, return_index=True, return_inverse=True, return_counts=True)
    patterns = rows[first]
    beliefs = [
        (miss[0], false_alarm[0], miss[1] + false_alarm[1])
        for miss, false_alarm in product(_beliefs(*_MISS), _beliefs(*_FALSE_ALARM))
    ]
    is_audited = items.image >= 0
    missed = _never_found(n_added, n_refiners, found_by_annotators)
    log_weight, wrong = np.empty(len(beliefs)), np.empty((len(beliefs), len(n_refiners)))
    for number, (miss, false_alarm, believed) in enumerate(beliefs):
        chance, evidence = _fit_shares(patterns, count, miss, false_alarm)
        log_weight[number] = believed + evidence
        is_true = chance[pattern_of]
        error = np.where(items.was_label, 1 - is_true, is_true)
        wrong[number] = missed + np.bincount(
            items.image[is_audited], weights=error[is_audited], minlength=len(n_refiners)
        )
    weight = np.exp(log_weight - log_weight.max(initial=-np.inf))
    return AuditFindings(weight / weight.sum(), wrong)


def _beliefs(median: float, spread: float) -> list[tuple[float, float]]:
    """Return rates, each with the logarithm of its prior belief."""
    return [(median * float(np.exp(spread * step)), -0.5 * float(step) ** 2) for step in _STEPS]


def _fit_shares(
    patterns: NDArray[np.integer], count: NDArray[np.integer], miss: float, false_alarm: float
) -> tuple[NDArray[np.float64], float]:
    """Return how likely a label of each pattern is to apply, and the log likelihood of the refiners' votes."""
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


def _never_found(
    n_added: NDArray[np.integer], n_refiners: NDArray[np.integer], found_by_annotators: tuple[int, int]
) -> NDArray[np.float64]:
    """Return, for each image, the number of labels that were not shown: those found, and those that searching missed.

    Images with two refiners show how likely a refiner is to find one: if both found `f2` and only one found `f1`, the
    chance is ``2 f2 / (2 f2 + f1)`` (Lincoln & Petersen). What annotators found counts as a few such searches; if they
    found nothing either, the chance is taken as one half.
    """
    if len(n_refiners) == 0:
        return np.empty(0)
    looked_twice = n_refiners > 1
    once, twice = n_added[looked_twice].sum(axis=0) if looked_twice.any() else (0, 0)
    by_one, by_two = found_by_annotators
    of_annotators = (_SEARCHES / 2 + 2 * by_two) / (_SEARCHES + 2 * by_two + by_one)
    found = (_SEARCHES * of_annotators + 2 * twice) / (_SEARCHES + 2 * twice + once)
    never_missed = 1 - (1 - found) ** np.maximum(n_refiners, 1)
    labels: NDArray[np.float64] = n_added.sum(axis=1) / never_missed
    return labels
