"""The rules by which images are chosen for refinement, in one registry.

To add a rule, give it a name in :class:`pipeline.votes.words.SelectionRule`, with its line of help, and an entry in
:data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.value_of_refining import (
    rank_by_value,
    select_disputed,
    select_within_budget,
    with_yield_curve,
)
from pipeline.disagreement import analyze_disagreement
from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.stages.consensus_of_project import annotation_doubt
from pipeline.stages.votes_of_project import ProjectVotes
from pipeline.votes.words import Reason, SelectionRule


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a rule chooses from.

    Attributes
    ----------
    project, votes
        The project, and its votes.
    disputed
        Images with image disagreement, those with the most distant label sets first.
    earlier
        Images that refiners already have; a rule leaves them out.
    minutes
        The budget, for a rule that has one.
    suggestions
        Labels that models believe in and nobody was asked about, the likeliest first
        (:func:`pipeline.stages.suggestions.project_suggestions`); None where models give no evidence.
    """

    project: Project
    votes: ProjectVotes
    disputed: NDArray[np.int64]
    earlier: NDArray[np.int64]
    minutes: float | None = None
    suggestions: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Chosen:
    """Images newly chosen, in the order to refine them, and the minutes they are expected to take."""

    images: NDArray[np.int64]
    expected_minutes: float | None = None


@dataclass(frozen=True)
class Rule:
    """One way to choose images.

    Attributes
    ----------
    choose
        The function that chooses.
    reason
        Recorded beside each image that the rule chose.
    has_budget
        Whether the rule needs a number of minutes; the others take none.
    takes_all_disputed
        Whether it leaves no disputed image behind, so that an audit only draws images on which annotators agree.
    """

    choose: Callable[[Candidates], Chosen]
    reason: Reason
    has_budget: bool = False
    takes_all_disputed: bool = False


def disputed_images(votes: ProjectVotes) -> NDArray[np.int64]:
    """Return the images whose label sets differ, those with the most distant sets first."""
    per_image = analyze_disagreement(votes.annotation, n_resamples=0).per_image
    return select_disputed(per_image)["image"].to_numpy(dtype=np.int64)


def _published(given: Candidates) -> Chosen:
    return Chosen(given.disputed[~np.isin(given.disputed, given.earlier)])


def _within_budget(given: Candidates) -> Chosen:
    votes = given.votes.annotation
    ranking = rank_by_value(votes, annotation_doubt(given.project, votes))
    ranking = with_yield_curve(ranking[~ranking["image"].isin(given.earlier)])
    chosen = select_within_budget(ranking, given.minutes or 0.0)
    return Chosen(chosen["image"].to_numpy(dtype=np.int64), float(chosen["minutes"].sum()))


def _suggested(given: Candidates) -> Chosen:
    if given.suggestions is None:
        raise ProjectError(
            f'{given.project.root}: only models suggest labels; set evidence = "models" below [consensus] in mlf.toml '
            "(then whatever they helped to settle is marked), or choose another --rule"
        )
    images = given.suggestions["image_index"].drop_duplicates().to_numpy(dtype=np.int64)
    return Chosen(images[~np.isin(images, given.earlier)])


RULES: Final[dict[SelectionRule, Rule]] = {
    SelectionRule.PUBLISHED: Rule(_published, Reason.DISPUTED, takes_all_disputed=True),
    SelectionRule.BUDGET: Rule(_within_budget, Reason.WORTHWHILE, has_budget=True),
    SelectionRule.SUGGESTED: Rule(_suggested, Reason.SUGGESTED),
}
