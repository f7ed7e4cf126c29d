"""Which images go to refinement, in which order, and how many errors are left when it stops.

The default is the published rule: every image whose annotators' label sets differ (Anzaku et al. 2023). If time is
short, images are ordered by *expected errors fixed per minute*: a label settled at posterior *p* is wrong with
probability *p* if it was dropped and *1 - p* if it was kept. A random audit of the images that were not selected finds
the errors that no vote shows (:mod:`pipeline.consensus.remaining_errors`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.errors import ProjectError
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.by_item import Numbers


@dataclass(frozen=True)
class RefinementCost:
    """What it takes to refine an image, and how often the refiner is right.

    ``seconds_per_image`` is the time to open and view it, ``seconds_per_label`` the time for each of its doubtful
    labels, and ``accuracy`` the chance that a label is right after refinement.
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
        The rows of the images whose label sets differ, those with the most distant sets first.
    """
    disputed = per_image[per_image["set_disagreement"]]
    return disputed.sort_values("mean_jaccard_distance", ascending=False, kind="stable").reset_index(drop=True)


def rank_by_value(
    votes: VoteArrays,
    wrong: Numbers,
    cost: RefinementCost | None = None,
    *,
    scale: float = 1.0,
    hidden: float = 0.0,
    doubtful_above: float = 0.02,
) -> pd.DataFrame:
    """Order all images by the errors that a minute spent on them is expected to fix.

    Parameters
    ----------
    wrong
        ``(n_items,)``: the chance that each label is settled wrongly (:func:`chance_of_error`).
    cost
        What refining an image takes.
    scale, hidden
        From :class:`pipeline.consensus.remaining_errors.RemainingErrors`: the factor on that chance, and the errors
        per image that no vote shows. A refiner who looks at the image finds the latter like any other.
    doubtful_above
        A label counts as doubtful, and takes time, if its chance of being wrong is above this.

    Returns
    -------
    pandas.DataFrame
        One row per image with votes, most worthwhile first: ``image``, ``n_doubtful``, ``expected_errors``,
        ``expected_fixed`` (negative values mean that refining would do harm: they come last), ``minutes``,
        ``fixed_per_minute``, ``cumulative_minutes``, ``cumulative_fixed``, ``remaining_errors``. The last three are the
        yield curve.
    """
    cost = cost or RefinementCost()
    expected = votes.sum_by_image(wrong)
    n_doubtful, doubt = np.zeros(votes.n_images, dtype=np.int64), np.zeros(votes.n_images)
    for block in votes.blocks():
        images = slice(block.first_image, block.first_image + block.n_images)
        chance = wrong[block.first_item : block.first_item + block.n_items]
        is_doubtful = chance > doubtful_above
        image, chance = block.item_image[is_doubtful], chance[is_doubtful]
        n_doubtful[images] = np.bincount(image, minlength=block.n_images)
        doubt[images] = np.bincount(image, weights=chance, minlength=block.n_images)
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
    )[votes.sum_by_image(np.ones(votes.n_items, dtype=bool)) > 0]
    return with_yield_curve(table.sort_values("fixed_per_minute", ascending=False, kind="stable"))


def chance_of_error(label: NDArray[np.bool_], posterior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the chance that each label is wrong *as it was settled*: by agreement, a refiner or the cut."""
    wrong = posterior.copy()
    np.subtract(1, posterior, out=wrong, where=label)
    return wrong


@dataclass(frozen=True, eq=False)
class ChancesOfError:
    """What :func:`chance_of_error` returns, made of some items as they are asked for."""

    label: NDArray[np.bool_]
    posterior: NDArray[np.float64]

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.label)

    def __getitem__(self, chosen: slice, /) -> NDArray[np.float64]:
        """Return the chance that each of some labels is wrong."""
        return chance_of_error(self.label[chosen], self.posterior[chosen])


def with_yield_curve(ranking: pd.DataFrame) -> pd.DataFrame:
    """Return a ranking with the three columns of the yield curve recomputed for its present order."""
    table = ranking.reset_index(drop=True)
    table["cumulative_minutes"] = table["minutes"].cumsum()
    table["cumulative_fixed"] = table["expected_fixed"].cumsum()
    table["remaining_errors"] = table["expected_errors"].sum() - table["cumulative_fixed"]
    return table


def select_within_budget(ranking: pd.DataFrame, minutes: float) -> pd.DataFrame:
    """Cut a ranking where the budget ends, or earlier, where refining would no longer fix more than it breaks.

    Raise `ProjectError` if the budget is negative.
    """
    if minutes < 0:
        raise ProjectError(f"the budget is {minutes} minutes; give --minutes zero or more")
    return ranking[(ranking["cumulative_minutes"] <= minutes) & (ranking["expected_fixed"] > 0)].copy()


def draw_audit(candidates: NDArray[np.integer], share: float, seed: int = 0) -> NDArray[np.int64]:
    """Draw a random audit slice of the images that were not selected, each with the same chance.

    Whether an image is drawn depends only on the seed and its own index. So the slice grows with the set of candidates
    and stays random, and a larger share contains a smaller one.

    Parameters
    ----------
    candidates
        Indices of the images not selected for refinement.
    share
        The chance of each candidate, in [0, 1]. Above 0, at least one is drawn.
    seed
        Seed of the draw, so that a report can state it.

    Raises
    ------
    ProjectError
        If the share is out of range.
    """
    if not 0 <= share <= 1:
        raise ProjectError(
            f"an audit share of {share}; give --audit-share, or audit_share in [refinement] of "
            "mlf.toml, between 0 and 1"
        )
    images = np.sort(np.asarray(candidates, dtype=np.int64))
    if share == 0 or len(images) == 0:
        return images[:0]
    draw = np.random.default_rng(seed).random(int(images[-1]) + 1)[images]
    chosen = images[draw < share]
    return chosen if len(chosen) else images[[int(np.argmin(draw))]]
