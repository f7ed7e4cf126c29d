"""Which images go to refinement, in which order, and what is left wrong when it stops.

The default is the published rule: every image whose annotators' label sets differ (Anzaku et al. 2023). Where time is
short, images are ordered by *expected errors fixed per minute*: a label settled at posterior *p* is wrong with
probability *p* if it was dropped and *1 - p* if it was kept. A random audit slice of the images that were not selected
says, with an interval, what stayed wrong among them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.result import Consensus
from pipeline.errors import ProjectError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.intervals import CONFIDENCE


@dataclass(frozen=True)
class RefinementCost:
    """What refining an image takes, and how often the one who refines is right.

    ``seconds_per_image`` to open and see it, ``seconds_per_label`` for each of its doubtful labels, ``accuracy`` the
    chance that a label is right after refinement.
    """

    seconds_per_image: float = 8.0
    seconds_per_label: float = 3.0
    accuracy: float = 0.98

    def __post_init__(self) -> None:
        if self.seconds_per_image <= 0 or self.seconds_per_label < 0 or not 0 < self.accuracy <= 1:
            raise ProjectError(f"{self}: times must be positive and the accuracy in (0, 1]")


@dataclass(frozen=True)
class ResidualError:
    """Errors left among the images that were not refined, estimated from audited ones.

    ``image_share`` of the ``n_audited`` images had at least one wrong label (``low`` to ``high``: exact, 95%);
    ``expected_images`` is that share of the ``n_population`` they were drawn from. ``None`` where nothing was audited.
    """

    n_population: int
    n_audited: int
    n_wrong_images: int
    n_wrong_labels: int
    image_share: float | None
    low: float | None
    high: float | None
    expected_images: float | None


def select_disputed(per_image: pd.DataFrame) -> pd.DataFrame:
    """Select by the published rule.

    Parameters
    ----------
    per_image
        :attr:`pipeline.disagreement.DisagreementAnalysis.per_image`.

    Returns
    -------
    pandas.DataFrame
        The rows of the images whose label sets differ, the most distant sets first.
    """
    disputed = per_image[per_image["set_disagreement"]]
    return disputed.sort_values("mean_jaccard_distance", ascending=False, kind="stable").reset_index(drop=True)


def rank_by_value(
    votes: VoteArrays,
    consensus: Consensus,
    cost: RefinementCost | None = None,
    *,
    doubtful_above: float = 0.02,
) -> pd.DataFrame:
    """Order all images by the errors that a minute spent on them is expected to fix.

    Parameters
    ----------
    votes, consensus
        The votes and what they come to; posteriors must be probabilities, so use Dawid-Skene.
    cost
        What refining takes.
    doubtful_above
        A label counts as doubtful, and takes time, where its chance of being wrong is above this.

    Returns
    -------
    pandas.DataFrame
        One row per image with votes, the most worthwhile first: ``image``, ``n_doubtful``, ``expected_errors``,
        ``expected_fixed`` (negative values mean that refining would do harm: they come last), ``minutes``,
        ``fixed_per_minute``, ``cumulative_minutes``, ``cumulative_fixed``, ``remaining_errors``. The last three are the
        yield curve.
    """
    cost = cost or RefinementCost()
    wrong = np.where(consensus.label, 1 - consensus.posterior, consensus.posterior)
    is_doubtful = wrong > doubtful_above
    n_images = votes.n_images
    expected = np.bincount(votes.item_image, weights=wrong, minlength=n_images)
    n_doubtful = np.bincount(votes.item_image[is_doubtful], minlength=n_images)
    doubt = np.bincount(votes.item_image[is_doubtful], weights=wrong[is_doubtful], minlength=n_images)
    fixed = doubt - n_doubtful * (1 - cost.accuracy)
    minutes = (cost.seconds_per_image + cost.seconds_per_label * n_doubtful) / 60
    table = pd.DataFrame(
        {
            "image": votes.images,
            "n_doubtful": n_doubtful,
            "expected_errors": expected,
            "expected_fixed": fixed,
            "minutes": minutes,
            "fixed_per_minute": fixed / minutes,
        }
    )[np.bincount(votes.item_image, minlength=n_images) > 0]
    table = table.sort_values("fixed_per_minute", ascending=False, kind="stable").reset_index(drop=True)
    table["cumulative_minutes"] = table["minutes"].cumsum()
    table["cumulative_fixed"] = table["expected_fixed"].cumsum()
    table["remaining_errors"] = table["expected_errors"].sum() - table["cumulative_fixed"]
    return table


def select_within_budget(ranking: pd.DataFrame, minutes: float) -> pd.DataFrame:
    """Cut a ranking where the budget ends, or before, where refining would no longer fix more than it breaks.

    Raises
    ------
    ProjectError
        If the budget is negative.
    """
    if minutes < 0:
        raise ProjectError(f"the budget is {minutes} minutes; give zero or more")
    return ranking[(ranking["cumulative_minutes"] <= minutes) & (ranking["expected_fixed"] > 0)].copy()


def draw_audit(candidates: NDArray[np.integer], share: float, seed: int = 0) -> NDArray[np.int64]:
    """Draw a random slice of the images that were not selected, each with the same chance.

    Whether an image is drawn depends on the seed and its own index alone. So the slice of a growing set of candidates
    grows with it, and stays a random one; a larger share contains a smaller one.

    Parameters
    ----------
    candidates
        Indices of the images not selected for refinement.
    share
        The chance of each, in [0, 1]. Above 0, at least one candidate is drawn.
    seed
        Of the draw, so that it can be told in a report.

    Raises
    ------
    ProjectError
        If the share is out of range.
    """
    if not 0 <= share <= 1:
        raise ProjectError(f"an audit share of {share}; give a share between 0 and 1")
    images = np.sort(np.asarray(candidates, dtype=np.int64))
    if share == 0 or len(images) == 0:
        return images[:0]
    draw = np.random.default_rng(seed).random(int(images[-1]) + 1)[images]
    chosen = images[draw < share]
    return chosen if len(chosen) else images[[int(np.argmin(draw))]]


def estimate_residual_error(n_wrong_labels: NDArray[np.int64], n_population: int) -> ResidualError:
    """Estimate what stayed wrong from the audit.

    Parameters
    ----------
    n_wrong_labels
        ``(n_audited,)``: labels that the audit changed in each image.
    n_population
        Number of images that the slice was drawn from.

    Raises
    ------
    ProjectError
        If more images were audited than there were.
    """
    n_audited = len(n_wrong_labels)
    if n_audited > n_population:
        raise ProjectError(
            f"{n_audited} images were audited of a population of {n_population}; give what they were drawn from"
        )
    n_wrong = int((np.asarray(n_wrong_labels) > 0).sum())
    n_labels = int(np.sum(n_wrong_labels))
    if n_audited == 0:
        return ResidualError(n_population, 0, 0, 0, None, None, None, None)
    share = n_wrong / n_audited
    low, high = _population_interval(n_wrong, n_audited, n_population)
    return ResidualError(n_population, n_audited, n_wrong, n_labels, share, low, high, share * n_population)


def _population_interval(n_wrong: int, n_audited: int, n_population: int) -> tuple[float, float]:
    """Return the exact interval of a finite population's share: the counts under which the audit is no surprise.

    Errors left over are rare and audits small, where Wilson's interval covers less than it says; and an audit of all
    images leaves no doubt.
    """
    from scipy.stats import hypergeom

    tail = (1 - CONFIDENCE) / 2
    fewest, most = n_wrong, n_population - (n_audited - n_wrong)

    def is_low_enough(n_in_population: int) -> bool:
        return bool(hypergeom.cdf(n_wrong, n_population, n_in_population, n_audited) > tail)

    def is_high_enough(n_in_population: int) -> bool:
        return bool(hypergeom.sf(n_wrong - 1, n_population, n_in_population, n_audited) > tail)

    low = bisect_left(range(fewest, most), True, key=is_high_enough) + fewest
    high = bisect_left(range(fewest + 1, most + 1), True, key=lambda count: not is_low_enough(count)) + fewest
    return low / n_population, high / n_population
