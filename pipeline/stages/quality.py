"""What is known about the quality of refined labels, and whether more refinement is worth the time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.audit import AuditFindings, RefinedItems, judge_audit
from pipeline.consensus.calibration import reliability
from pipeline.consensus.known import UNKNOWN
from pipeline.consensus.refined import counts_within
from pipeline.consensus.remaining_errors import RemainingErrors, estimate_remaining_errors, unseen_by_all
from pipeline.consensus.value_of_refining import rank_by_value, with_yield_curve
from pipeline.disagreement import analyze_disagreement
from pipeline.project.folder import Project
from pipeline.stages.consensus_of_project import gold_answers, project_consensus
from pipeline.stages.proposal_ranks import proposal_ranks
from pipeline.stages.select import read_selection
from pipeline.stages.selection_rules import RULES
from pipeline.stages.votes_of_project import ProjectVotes, merge_votes
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import NO, UNSURE, YES, Reason

#: The labels before and after refinement, each label as one number: image × number of classes + class.
KeyPair = tuple[NDArray[np.int64], NDArray[np.int64]]
#: Fewer fixed labels than this are no reason to go on.
_LEAST_FIXED = 1.0


@dataclass(frozen=True)
class StoppingAdvice:
    """Whether more refinement is worth it.

    Of the images not refined yet, ``n_images`` are expected to yield at least ``min_fixed_per_minute`` corrected labels
    per minute. Together they take ``minutes`` and fix ``expected_fixed`` labels. The errors are those of ``remaining``.
    """

    n_images: int
    minutes: float
    expected_fixed: float
    min_fixed_per_minute: float
    remaining: RemainingErrors

    @property
    def goes_on(self) -> bool:
        """Return whether more refining is advised."""
        return self.n_images > 0 and self.expected_fixed >= _LEAST_FIXED

    def __str__(self) -> str:
        if self.remaining.n_images == 0:
            return "Every image has been refined or was known beforehand: there is nothing left to refine."
        if self.goes_on:
            return (
                f"Go on: refining {self.n_images:,} more images would take about {self.minutes:,.0f} minutes and fix "
                f"about {self.expected_fixed:,.1f} of the wrong labels; the rest yield less than "
                f"{self.min_fixed_per_minute:g} a minute."
            )
        if not self.remaining.is_audited:
            return (
                "Audit before you stop: nothing but votes speaks for the labels of the images not refined, and "
                "mistakes that annotators make alike show in no vote."
            )
        return (
            f"Stop here: no image is left, or too few to correct a label, that would yield "
            f"{self.min_fixed_per_minute:g} corrected labels a minute."
        )


def remaining_line(remaining: RemainingErrors) -> str:
    """Say how many labels are expected to be wrong, and how that is known."""
    if remaining.n_images == 0:
        return "No image is left that was neither refined nor known beforehand"
    found = (
        f"Wrong labels expected on the {remaining.n_images:,} images not refined: {remaining.expected:,.1f} "
        f"(95% interval {remaining.low:,.0f} to {remaining.high:,.0f})"
    )
    if not remaining.is_audited:
        return (
            f"{found}; nobody has audited them, so the interval is wide: give some to refiners with mlf refine "
            "--audit-share 0.05"
        )
    return (
        f"{found}: {remaining.from_doubt:,.1f} that the votes show, and {remaining.hidden:,.1f} that only the audit of "
        f"{remaining.n_audited:,} images shows (about {remaining.audit_wrong:,.1f} of their labels were wrong, the "
        "refiners' own errors taken off)"
    )


def changed_labels(keys: KeyPair) -> NDArray[np.int64]:
    """Return the labels that refinement added or removed."""
    return np.setxor1d(keys[0], keys[1], assume_unique=True)


@dataclass(frozen=True, eq=False)
class Doubts:
    """What is kept of the labels from before refinement: their keys, and each image's expected errors."""

    label_keys: NDArray[np.int64]
    of_image: NDArray[np.float64]


def errors_of_images(votes: VoteArrays, wrong: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the expected errors of each image, from the chance that each of its labels is wrong."""
    return np.bincount(votes.item_image, weights=wrong, minlength=votes.n_images).astype(np.float64)


def rank_what_is_left(
    project: Project,
    votes: ProjectVotes,
    settled: VoteArrays,
    wrong: NDArray[np.float64],
    before: Doubts,
    gold: dict[int, frozenset[int]],
) -> tuple[RemainingErrors, pd.DataFrame]:
    """Estimate what is wrong among images neither refined nor known, and order them by what refining them is worth.

    Parameters
    ----------
    project, votes
        The project and its votes.
    settled, wrong
        All votes, and the chance that each item is settled wrongly.
    before
        The labels from before refinement.
    gold
        Known answers.
    """
    unseen = _unseen_per_image(project, votes)
    done = np.union1d(votes.refinement_sittings["image"].to_numpy(dtype=np.int64), np.array(list(gold), dtype=np.int64))
    decided = np.unique(settled.item_image).astype(np.int64)
    left = decided[~np.isin(decided, done)]
    audited = _audited_images(project, votes)
    remaining = estimate_remaining_errors(
        errors_of_images(settled, wrong)[left] + unseen,
        before.of_image[audited] + unseen,
        _audit(votes, settled, before.label_keys, audited) if len(audited) else None,
    )
    hidden = remaining.hidden_per_image + remaining.scale * unseen
    ranking = rank_by_value(settled, wrong, scale=remaining.scale, hidden=hidden)
    return remaining, with_yield_curve(ranking[ranking["image"].isin(left)])


def blind_reliability(project: Project, votes: VoteArrays, gold: dict[int, frozenset[int]]) -> pd.DataFrame | None:
    """Compare the posterior with the known answers, computing it without them; ``None`` where there are none."""
    answers = gold_answers(votes, gold)
    is_known = answers != UNKNOWN
    if not is_known.any():
        return None
    blind = project_consensus(project, votes)
    return reliability(blind.posterior[is_known], answers[is_known] == 1)


def advise(ranking: pd.DataFrame, remaining: RemainingErrors, min_fixed_per_minute: float) -> StoppingAdvice:
    """Say whether to refine more, from the ranking of what is left."""
    worthwhile = ranking[ranking["fixed_per_minute"] >= min_fixed_per_minute]
    return StoppingAdvice(
        n_images=len(worthwhile),
        minutes=float(worthwhile["minutes"].sum()),
        expected_fixed=float(worthwhile["expected_fixed"].sum()),
        min_fixed_per_minute=min_fixed_per_minute,
        remaining=remaining,
    )


def _unseen_per_image(project: Project, votes: ProjectVotes) -> float:
    """Return the expected number of labels per image that were not proposed and that no annotator found."""
    annotation = votes.annotation
    n_decided = len(np.unique(votes.sittings["image"]))
    if n_decided == 0 or annotation.n_items == 0 or not project.proposals_path.exists():
        return 0.0
    n_yes = annotation.item_counts()[:, YES]
    n_finders = n_yes[proposal_ranks(project, annotation) == 0]
    n_lookers = len(votes.sittings) / n_decided
    return unseen_by_all(int((n_finders == 1).sum()), int((n_finders > 1).sum()), n_lookers) / n_decided


def _audited_images(project: Project, votes: ProjectVotes) -> NDArray[np.int64]:
    """Return the images that were refined without any reason but the audit, and that nothing else has chosen since."""
    selection = read_selection(project)
    audited = selection.loc[selection["reason"] == Reason.AUDIT, "image_index"].to_numpy(dtype=np.int64)
    audited = np.intersect1d(audited, votes.refinement_sittings["image"].to_numpy(dtype=np.int64))
    left_disputed = [rule.reason for rule in RULES.values() if not rule.takes_all_disputed]
    if len(audited) and not selection["reason"].isin(left_disputed).any():
        per_image = analyze_disagreement(votes.annotation, n_resamples=0).per_image
        audited = audited[~per_image["set_disagreement"].to_numpy()[audited]]
    return audited


def _audit(
    votes: ProjectVotes, settled: VoteArrays, labels_before: NDArray[np.int64], audited: NDArray[np.int64]
) -> AuditFindings:
    """Estimate the errors in the audited images from the refiners' votes on all images they refined."""
    n_refiners = np.bincount(votes.refinement_sittings["image"].to_numpy(dtype=np.int64), minlength=settled.n_images)
    position = np.full(settled.n_images, -1, dtype=np.int64)
    position[audited] = np.arange(len(audited))
    by_refiners = counts_within(settled, votes.refinement)
    by_annotators = counts_within(settled, merge_votes(votes.annotation, votes.probes))
    image, n_annotators = settled.item_image, by_annotators.sum(axis=1)
    is_refined = n_refiners[image] > 0
    is_agreed = (n_annotators > 1) & (by_annotators.max(axis=1) == n_annotators)
    all_yes, all_no = is_agreed & (by_annotators[:, YES] > 0), is_agreed & (by_annotators[:, NO] > 0)
    # An agreed label that a refiner leaves alone is not a vote in the store; here it counts as one more yes.
    n_yes = np.where(all_yes, n_refiners[image] - by_refiners[:, NO] - by_refiners[:, UNSURE], by_refiners[:, YES])
    kind = np.where(all_no, 0, np.where(all_yes, 1, 2)) + 3 * (position[image] >= 0)
    is_shown = is_refined & (n_annotators > 0)
    items = RefinedItems(
        kind=kind[is_shown],
        n_yes=n_yes[is_shown],
        n_no=by_refiners[is_shown, NO],
        image=position[image[is_shown]],
        was_label=np.isin(settled.item_keys()[is_shown], labels_before),
    )
    n_added = np.zeros((len(audited), 2), dtype=np.int64)
    added = (n_annotators == 0) & (by_refiners[:, YES] > 0) & (position[image] >= 0)
    np.add.at(n_added, (position[image[added]], (by_refiners[added, YES] > 1).astype(np.int64)), 1)
    return judge_audit(items, n_added, n_refiners[audited])
