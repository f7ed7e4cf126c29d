"""What the way of showing proposals does to the answers: the experiment that draws tasks to be shown otherwise.

Which tasks are shown otherwise is drawn at random, so a difference in how often people tick is an effect of what they
saw. Shares are compared rank by rank. Votes on one image are not independent, so each share counts for as many votes as
its spread over images allows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.votes.intervals import effective_trials, wilson_interval

#: First and last rank of each group that is compared; the last one is open, and ``(1, None)`` holds all ranks.
RANK_GROUPS: Final = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, None), (1, None))


@dataclass(frozen=True, eq=False)
class TrialVotes:
    """Votes on proposals, by tasks of an experiment; one entry a vote.

    Attributes
    ----------
    image
        int ``(n_votes,)``: any code of the image.
    rank
        int ``(n_votes,)``: the proposal's rank by score, from 1, wherever it was shown.
    is_yes
        bool ``(n_votes,)``.
    condition
        ``(n_votes,)``: how the task was shown; :attr:`control` names the usual way.
    control
        The word in `condition` for tasks that were shown as usual.
    """

    image: NDArray[np.integer]
    rank: NDArray[np.integer]
    is_yes: NDArray[np.bool_]
    condition: NDArray[np.object_]
    control: str


@dataclass(frozen=True)
class _Share:
    """A share of votes that are yes, and for how many independent votes it stands."""

    n_votes: int
    n_yes: int
    n_effective: float

    @property
    def value(self) -> float:
        return self.n_yes / self.n_votes


def anchoring_effects(votes: TrialVotes) -> pd.DataFrame:
    """Compare the share of yes under each condition with the usual way, by rank.

    Parameters
    ----------
    votes
        Votes of the tasks that took part.

    Returns
    -------
    pandas.DataFrame
        ``condition``, ``first_rank``, ``last_rank`` (``NaN``: and all after), ``n_votes``, ``n_yes``, ``share``;
        ``n_usual``, ``n_yes_usual``, ``share_usual`` for tasks shown as usual; ``effect`` (difference of the shares)
        with ``low`` and ``high`` (95%). Ranks on which one of the two sides has no vote are left out.

    References
    ----------
    Newcombe, R. G. (1998), method 10, with effective numbers of votes.
    https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I
    """
    frame = pd.DataFrame(
        {"image": votes.image, "rank": votes.rank, "is_yes": votes.is_yes, "condition": votes.condition}
    )
    rows = list(_comparisons(frame[frame["rank"] > 0], votes.control))
    columns = ["condition", "first_rank", "last_rank", "n_votes", "n_yes", "share"]
    columns += ["n_usual", "n_yes_usual", "share_usual", "effect", "low", "high"]
    return pd.DataFrame(rows, columns=columns).astype({"last_rank": float})


def _comparisons(frame: pd.DataFrame, control: str) -> Iterator[dict[str, object]]:
    for condition in sorted(set(frame["condition"]) - {control}):
        for first, last in RANK_GROUPS:
            here = frame[(frame["rank"] >= first) & (frame["rank"] <= (last or np.inf))]
            other, usual = here[here["condition"] == condition], here[here["condition"] == control]
            if len(other) == 0 or len(usual) == 0:
                continue
            tried, base = _share(other), _share(usual)
            low, high = _interval(tried, base)
            yield {
                "condition": condition,
                "first_rank": first,
                "last_rank": last,
                "n_votes": tried.n_votes,
                "n_yes": tried.n_yes,
                "share": tried.value,
                "n_usual": base.n_votes,
                "n_yes_usual": base.n_yes,
                "share_usual": base.value,
                "effect": tried.value - base.value,
                "low": low,
                "high": high,
            }


def _share(votes: pd.DataFrame) -> _Share:
    of_images = votes["is_yes"].groupby(votes["image"])
    return _Share(len(votes), int(votes["is_yes"].sum()), effective_trials(of_images.sum(), of_images.size()))


def _interval(tried: _Share, usual: _Share) -> tuple[float, float]:
    # Images that were seen in both ways make the two sides alike. Allowing for that narrows the interval, but how alike
    # they are is known too poorly from so few images: coverage falls to 0.92.
    (low_1, high_1), (low_2, high_2) = (
        (float(edge) for edge in wilson_interval(one.value * one.n_effective, one.n_effective))
        for one in (tried, usual)
    )
    effect = tried.value - usual.value
    below = math.hypot(tried.value - low_1, high_2 - usual.value)
    above = math.hypot(high_1 - tried.value, usual.value - low_2)
    return effect - below, effect + above
