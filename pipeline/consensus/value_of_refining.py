"""Which images go to refinement, in which order, and what is left wrong when it stops.

The default is the published rule: every image whose annotators' label sets differ (Anzaku et al. 2023). Where time is
short, images are ordered by *expected errors fixed per minute*: a label settled at posterior *p* is wrong with
probability *p* if it was dropped and *1 - p* if it was kept. A random audit slice of the images that were not selected
tells what no vote shows (:mod:`pipeline.consensus.remaining_errors`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import ProjectError
from pipeline.votes.arrays import VoteArrays


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
    wrong: NDArray[np.float64],
    cost: RefinementCost | None = None,
    *,
    scale: float = 1.0,
    hidden: float = 0.0,
    doubtful_above: float = 0.02,
) -> pd.DataFrame:
    """Order all images by the errors that a minute spent on them is expected to fix.

    Parameters
    ----------
    votes
        The votes.
    wrong
        ``(n_items,)``: the chance that each label is settled wrongly (:func:`chance_of_error`).
    cost
        What refining takes.
    scale, hidden
        Of :class:`pipeline.consensus.remaining_errors.RemainingErrors`: what that chance is multiplied by, and errors
        of each image that no vote shows. A refiner who looks at the image finds the latter like any other.
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
    is_doubtful = wrong > doubtful_above
    n_images = votes.n_images
    expected = np.bincount(votes.item_image, weights=wrong, minlength=n_images)
    n_doubtful = np.bincount(votes.item_image[is_doubtful], minlength=n_images)
    doubt = np.bincount(votes.item_image[is_doubtful], weights=wrong[is_doubtful], minlength=n_images)
    fixed = scale * doubt + cost.accuracy * hidden - n_doubtful * (1 - cost.accuracy)
    minutes = (cost.seconds_per_image + cost.seconds_per_label * n_doubtful) / 60
    table = pd.DataFrame(
        {
            "image": votes.images,
            "n_doubtful": n_doubtful,
            "expected_errors": scale * expected + hidden,
            "expected_fixed": fixed,
            "minutes": minutes,
            "fixed_per_minute": fixed / minutes,
        }
    )[np.bincount(votes.item_image, minlength=n_images) > 0]
    return with_yield_curve(table.sort_values("fixed_per_minute", ascending=False, kind="stable"))


def chance_of_error(label: NDArray[np.bool_], posterior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chance that each label is wrong *as it was settled*: by the votes' agreement, a refiner or the cut."""
    return np.where(label, 1 - posterior, posterior)


def with_yield_curve(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return a ranking with its three columns of the yield curve made anew, in the order that it has."""
    table = ranking.reset_index(drop=True)
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
