"""What the proposals miss: on probes annotators search all classes, and add what nobody proposed.

On an ordinary image hardly anybody searches, so a label that is not among the proposals is seldom found, and no
agreement between annotators tells that it is missing. A random share of images has annotators search. What they find
there is what the proposals miss everywhere, *of the labels that somebody can find*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.votes.intervals import CONFIDENCE, effective_trials, wilson_interval


@dataclass(frozen=True)
class Rate:
    """How many labels an image has on average, with a 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ProbeFindings:
    """What searching found.

    Attributes
    ----------
    n_asked, n_searched
        Tasks on which somebody decided an image and was asked to search, and those of them marked as searched.
    n_images
        Images that at least one annotator searched.
    n_proposed, n_unproposed
        Labels (image and class) that somebody ticked on them, among the proposals and outside.
    recall
        Share of these labels that the proposals contain, with ``recall_low`` and ``recall_high`` (95%, by image); None
        where there is no label.
    n_images_missed, n_images_missed_low, n_images_missed_high
        Images with a label that was not proposed; the interval is that of the share, times the images.
    unproposed
        Labels an image that are not among its proposals.
    found_anyway
        Labels an image that annotators add without being asked to search; None where no other image is decided.
    n_by_one, n_by_more
        Unproposed labels on images that two or more searched: added by one of them, and by more than one.
    """

    n_asked: int
    n_searched: int
    n_images: int
    n_proposed: int
    n_unproposed: int
    recall: float | None
    recall_low: float | None
    recall_high: float | None
    n_images_missed: int
    n_images_missed_low: float
    n_images_missed_high: float
    unproposed: Rate
    found_anyway: Rate | None
    n_by_one: int
    n_by_more: int

    def missing_in(self, n_images: int) -> Rate:
        """Return how many labels are not among the proposals of so many images, found or not."""
        return Rate(*(n_images * each for each in (self.unproposed.value, self.unproposed.low, self.unproposed.high)))


def findings_of_probes(
    n_asked: int,
    n_searchers: NDArray[np.integer],
    n_proposed: NDArray[np.integer],
    finders: list[NDArray[np.integer]],
    ordinary_unproposed: NDArray[np.integer],
) -> ProbeFindings:
    """Estimate what the proposals miss.

    Parameters
    ----------
    n_asked
        Decided tasks on which a search was asked for.
    n_searchers
        ``(n_images,)``: annotators who searched each probed image, 1 or more.
    n_proposed
        ``(n_images,)``: proposed classes that one of them ticked.
    finders
        For each probed image, how many of its searchers ticked each unproposed class that one of them ticked.
    ordinary_unproposed
        ``(n_other_images,)``: unproposed classes that somebody ticked on each decided image that is no probe.
    """
    n_unproposed = np.array([len(found) for found in finders], dtype=np.int64)
    n_images, total = len(n_searchers), int(n_unproposed.sum() + n_proposed.sum())
    recall = recall_low = recall_high = None
    if total:
        recall = float(n_proposed.sum() / total)
        n_effective = effective_trials(n_proposed, n_proposed + n_unproposed)
        recall_low, recall_high = (float(edge) for edge in wilson_interval(recall * n_effective, n_effective))
    n_missed = int((n_unproposed > 0).sum())
    low, high = (float(n_images * edge) for edge in wilson_interval(n_missed, n_images))
    shared = [found for found, n in zip(finders, n_searchers.tolist(), strict=True) if n > 1]
    by_more = int(sum((found > 1).sum() for found in shared))
    return ProbeFindings(
        n_asked=n_asked,
        n_searched=int(n_searchers.sum()),
        n_images=n_images,
        n_proposed=int(n_proposed.sum()),
        n_unproposed=int(n_unproposed.sum()),
        recall=recall,
        recall_low=recall_low,
        recall_high=recall_high,
        n_images_missed=n_missed,
        n_images_missed_low=low,
        n_images_missed_high=high,
        unproposed=mean_rate(n_unproposed),
        found_anyway=mean_rate(ordinary_unproposed) if len(ordinary_unproposed) else None,
        n_by_one=sum(len(found) for found in shared) - by_more,
        n_by_more=by_more,
    )


def mean_rate(counts: NDArray[np.integer]) -> Rate:
    """Return the mean of counts, with the exact interval of a Poisson mean, widened where they vary more than that.

    Garwood, F. (1936). https://doi.org/10.1093/biomet/28.3-4.437; the dispersion is that of a quasi-Poisson model.
    """
    from scipy.stats import chi2

    n, total = len(counts), float(counts.sum())
    mean = total / n
    dispersion = max(1.0, float(counts.var(ddof=1)) / mean) if n > 1 and total else 1.0
    tail, events = (1 - CONFIDENCE) / 2, total / dispersion
    low = dispersion * chi2.ppf(tail, 2 * events) / 2 if total else 0.0
    high = dispersion * chi2.ppf(1 - tail, 2 * (events + 1)) / 2
    return Rate(mean, float(low) / n, float(high) / n)
