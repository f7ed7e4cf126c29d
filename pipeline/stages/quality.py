"""What is known of the quality of refined labels, and whether more refinement is worth its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus import Consensus, reach_consensus
from pipeline.consensus.calibration import reliability
from pipeline.consensus.known import UNKNOWN
from pipeline.consensus.value_of_refining import ResidualError, estimate_residual_error, rank_by_value
from pipeline.disagreement import analyze_disagreement
from pipeline.project.folder import Project
from pipeline.stages.analyze import gold_answers, original_answers
from pipeline.stages.select import read_selection
from pipeline.stages.selection_rules import RULES
from pipeline.stages.votes_of_project import ProjectVotes
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import Method, Reason

#: The labels before and after refinement, each label as one number (image times number of classes plus class).
KeyPair = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class StoppingAdvice:
    """Whether more refinement is worth it.

    ``n_images`` of those not refined yet are expected to yield at least ``min_fixed_per_minute`` corrected labels a
    minute; together they take ``minutes`` and fix ``expected_fixed`` of ``expected_errors`` wrong labels expected.
    """

    n_images: int
    n_left: int
    minutes: float
    expected_fixed: float
    expected_errors: float
    min_fixed_per_minute: float

    def __str__(self) -> str:
        if self.n_left == 0:
            return "Every image has been refined or was known beforehand: there is nothing left to refine."
        errors = f"{self.expected_errors:,.1f} wrong labels are expected among the {self.n_left:,} images not refined"
        if self.n_images == 0:
            return (
                f"Stop here: {errors}, but no image is expected to yield {self.min_fixed_per_minute:g} corrected "
                "labels a minute."
            )
        return (
            f"Go on: {errors}. Refining {self.n_images:,} of them would take about {self.minutes:,.0f} minutes and fix "
            f"about {self.expected_fixed:,.1f}; the rest yield less than {self.min_fixed_per_minute:g} a minute."
        )


def changed_labels(keys: KeyPair) -> NDArray[np.int64]:
    """Return the labels that refinement added or removed."""
    return np.setxor1d(keys[0], keys[1], assume_unique=True)


def audited_error(project: Project, votes: ProjectVotes, changed: NDArray[np.int64]) -> ResidualError:
    """Estimate what is wrong among the images that were not selected for cause, from those audited among them.

    Under the published rule these are the images whose annotators agree; under a budget also those that were not worth
    the minutes. What the refiner of an audited image says is taken to be right.

    Parameters
    ----------
    project
        Whose selection is read.
    votes
        Its votes.
    changed
        The image of every label that refinement added or removed, one entry a label.
    """
    selection = read_selection(project)
    for_cause = selection.loc[selection["reason"] != Reason.AUDIT, "image_index"].to_numpy()
    population = np.unique(votes.sessions["image"].to_numpy(dtype=np.int64))
    population = population[~np.isin(population, for_cause)]
    left_disputed = [rule.reason for rule in RULES.values() if not rule.takes_all_disputed]
    if not selection["reason"].isin(left_disputed).any():
        per_image = analyze_disagreement(votes.annotation, n_resamples=0).per_image
        population = population[~per_image["set_disagreement"].to_numpy()[population]]
    audited = selection.loc[selection["reason"] == Reason.AUDIT, "image_index"].to_numpy()
    audited = np.intersect1d(audited, votes.refinement_sessions["image"].to_numpy(dtype=np.int64))
    audited = np.intersect1d(audited, population)
    n_wrong = np.bincount(changed, minlength=votes.annotation.n_images)[audited]
    return estimate_residual_error(n_wrong, len(population))


def blind_reliability(project: Project, votes: VoteArrays, gold: dict[int, frozenset[int]]) -> pd.DataFrame | None:
    """Hold the posterior against the known answers, which it has not seen; ``None`` without any."""
    answers = gold_answers(votes, gold)
    is_known = answers != UNKNOWN
    if not is_known.any():
        return None
    blind = reach_consensus(votes, Method.DAWID_SKENE, original=original_answers(project, votes))
    return reliability(blind.posterior[is_known], answers[is_known] == 1)


def rank_what_is_left(
    votes: ProjectVotes, settled: VoteArrays, consensus: Consensus, gold: dict[int, frozenset[int]]
) -> pd.DataFrame:
    """Order the images that are neither refined nor known by what refining them is worth."""
    ranking = rank_by_value(settled, consensus)
    done = np.union1d(votes.refinement_sessions["image"].to_numpy(dtype=np.int64), np.array(list(gold), dtype=np.int64))
    ranking = ranking[~ranking["image"].isin(done)].reset_index(drop=True)
    ranking["cumulative_minutes"] = ranking["minutes"].cumsum()
    ranking["cumulative_fixed"] = ranking["expected_fixed"].cumsum()
    ranking["remaining_errors"] = ranking["expected_errors"].sum() - ranking["cumulative_fixed"]
    return ranking


def advise(ranking: pd.DataFrame, min_fixed_per_minute: float) -> StoppingAdvice:
    """Say whether to refine more, from the ranking of what is left."""
    worthwhile = ranking[ranking["fixed_per_minute"] >= min_fixed_per_minute]
    return StoppingAdvice(
        n_images=len(worthwhile),
        n_left=len(ranking),
        minutes=float(worthwhile["minutes"].sum()),
        expected_fixed=float(worthwhile["expected_fixed"].sum()),
        expected_errors=float(ranking["expected_errors"].sum()),
        min_fixed_per_minute=min_fixed_per_minute,
    )
