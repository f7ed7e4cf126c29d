"""What is known about the quality of refined labels, and whether more refinement is worth the time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.consensus.audit import AuditFindings, RefinedItems, judge_audit
from pipeline.consensus.refined import counts_within
from pipeline.consensus.remaining_errors import RemainingErrors, errors_of_one, estimate_remaining_errors
from pipeline.consensus.unproposed import Searches, missing_labels, unseen_by_all
from pipeline.consensus.value_of_refining import rank_by_value, with_yield_curve
from pipeline.disagreement import analyze_disagreement
from pipeline.project.folder import Project
from pipeline.project.presentation import Presentation
from pipeline.project.wording import so_many
from pipeline.stages.experiments import SearchedImages, searched_images, tasks_as_shown
from pipeline.stages.proposal_ranks import proposal_ranks
from pipeline.stages.recalibration import refined_items, refiners_words
from pipeline.stages.select import read_selection
from pipeline.stages.selection_rules import RULES
from pipeline.stages.votes_of_project import ProjectVotes
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.ascending import are_in, marked
from pipeline.votes.by_item import Numbers
from pipeline.votes.merging import merge_votes
from pipeline.votes.words import NO, YES, Reason

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
            rest = (
                f"; the rest yield less than {self.min_fixed_per_minute:g} a minute"
                if self.n_images < self.remaining.n_images
                else ""
            )
            return (
                f"Go on: refining {so_many(self.n_images, 'more image')} would take about "
                f"{so_many(max(round(self.minutes), 1), 'minute')} and fix "
                f"about {self.expected_fixed:,.1f} of the wrong labels{rest}."
            )
        if not self.remaining.is_audited:
            return (
                "Audit before you stop: nothing but votes speaks for the labels of the images not refined, and "
                "mistakes that annotators make alike show in no vote."
            )
        unproposed = (
            f" The {self.remaining.unproposed:,.0f} labels missing because nobody was shown them are found by better "
            "proposals (mlf improve), hardly by refining."
            if self.remaining.unproposed >= _LEAST_FIXED
            else ""
        )
        return (
            f"Stop here: no image is left, or too few to correct a label, that would yield "
            f"{self.min_fixed_per_minute:g} corrected labels a minute.{unproposed}"
        )


def remaining_line(remaining: RemainingErrors) -> str:
    """Say how many labels are expected to be wrong, and how that is known."""
    if remaining.n_images == 0:
        return "No image is left that was neither refined nor known beforehand"
    found = (
        f"Wrong labels expected on the {so_many(remaining.n_images, 'image')} not refined: {remaining.expected:,.1f} "
        f"({remaining.range_in_words})"
    )
    unproposed = (
        f"{remaining.unproposed:,.1f} that are missing because nobody was shown them, as searching all classes of "
        f"{so_many(remaining.n_probes, 'image')} tells"
    )
    if not remaining.is_audited:
        found += f", of them {unproposed}" if remaining.n_probes else ""
        return f"{found}; nobody has audited them: give some to refiners with mlf refine --audit-share 0.05"
    return (
        f"{found}: {remaining.from_doubt:,.1f} that the votes show, {'' if remaining.n_probes else 'and '}"
        f"{remaining.hidden:,.1f} that only the audit of {so_many(remaining.n_audited, 'image')} shows (about "
        f"{remaining.audit_wrong:,.1f} of their labels were wrong, the refiners' own errors taken off)"
        f"{f', and {unproposed}' if remaining.n_probes else ''}"
    )


def changed_labels(keys: KeyPair) -> NDArray[np.int64]:
    """Return the labels that refinement added or removed."""
    before, after = keys
    return np.sort(np.concatenate([before[~are_in(before, after)], after[~are_in(after, before)]]))


@dataclass(frozen=True, eq=False)
class Doubts:
    """What is kept of the labels from before refinement: their keys, and each image's expected errors."""

    label_keys: NDArray[np.int64]
    of_image: NDArray[np.float64]


def errors_of_images(votes: VoteArrays, wrong: Numbers) -> NDArray[np.float64]:
    """Return the expected errors of each image, from the chance that each of its labels is wrong."""
    return votes.sum_by_image(wrong)


@dataclass(frozen=True, eq=False)
class AnnotationRound:
    """What the annotation round tells about quality, kept when its votes are not: beside all votes they take too much.

    `audited` are the audited images, `on_refined` the votes on refined images, `errors_alone` the errors of one
    annotator an image.
    """

    audited: NDArray[np.int64]
    on_refined: VoteArrays
    errors_alone: float
    unasked: _Unasked
    searched: _Searched | None


def look_at_annotation(
    project: Project, votes: ProjectVotes, shown: dict[tuple[str, int], Presentation | None]
) -> AnnotationRound:
    """Find what is needed of the annotation round.

    Parameters
    ----------
    shown
        How tasks were shown (:func:`pipeline.stages.experiments.read_presentations`), where somebody searched.
    """
    annotation, refined = votes.annotation, votes.refinement_sittings["image"].to_numpy(dtype=np.int64)
    n_each = np.bincount(votes.sittings["image"].to_numpy(dtype=np.int64))
    ranks, unasked = _found_by_search(project, votes)
    return AnnotationRound(
        audited=audited_images(project, votes),
        on_refined=merge_votes(*(_on_images(part, refined) for part in (annotation, votes.probes))),
        errors_alone=errors_of_one(annotation.item_counts(), int(n_each[n_each > 1].sum())),
        unasked=unasked,
        searched=_searched(votes, ranks, shown) if shown else None,
    )


def rank_what_is_left(
    votes: ProjectVotes,
    settled: VoteArrays,
    wrong: Numbers,
    chance: NDArray[np.float64],
    before: Doubts,
    gold: dict[int, frozenset[int]],
    round_: AnnotationRound,
) -> tuple[RemainingErrors, pd.DataFrame]:
    """Estimate what is wrong among images neither refined nor known, and order them by what refining them is worth.

    Parameters
    ----------
    settled, wrong, chance
        All votes, the chance that each item is settled wrongly, and the chance that it applies.
    before
        The labels from before refinement.
    gold
        Known answers.
    round_
        What is known of the annotation round.
    """
    refined = votes.refinement_sittings["image"].to_numpy(dtype=np.int64)
    is_left = settled.sum_by_image(np.ones(settled.n_items, dtype=bool)) > 0
    is_left &= ~marked(settled.n_images, refined, np.array(list(gold), dtype=np.int64))
    left = np.flatnonzero(is_left)
    audited, found, searched = round_.audited, round_.unasked, round_.searched
    searches = None if searched is None else _searches(searched, settled, chance, found)
    # Where probes tell of the labels that were not proposed, doubt and audit are about the others alone.
    unseen = found.bound if searched is None else 0.0
    probed = None
    items = refined_items(votes, settled)
    by_annotators = counts_within(settled, round_.on_refined, items)
    n_added = _added_by_refiners(votes, settled, items, by_annotators, audited)
    if searches is not None and searched is not None:
        n_searchers = np.zeros(settled.n_images, dtype=np.int64)
        n_searchers[searched.found.images] = searched.found.n_searchers
        n_left = n_searchers[left]
        probed = missing_labels(searches, int((n_left == 0).sum()), n_left[n_left > 0])
    findings = None
    if len(audited):
        n_missed = n_added if probed is None else np.zeros_like(n_added)
        findings = _audit(votes, settled, items, by_annotators, before.label_keys, audited, n_missed, found)
    remaining = estimate_remaining_errors(
        errors_of_images(settled, wrong)[left] + unseen,
        before.of_image[audited] + unseen,
        findings,
        errors_alone=round_.errors_alone,
        probed=probed,
    )
    hidden = remaining.hidden_per_image + remaining.scale * unseen
    if probed is not None and len(audited) and len(left):  # refiners find what they add unasked, and no more
        hidden += min(float(n_added.sum()) / len(audited), remaining.unproposed / len(left))
    ranking = rank_by_value(settled, wrong, scale=remaining.scale, hidden=hidden)
    return remaining, with_yield_curve(ranking[is_left[ranking["image"].to_numpy()]])


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


@dataclass(frozen=True, eq=False)
class _Unasked:
    """Labels not proposed that annotators found.

    `n_once` labels were found by one annotator and `n_more` by several; `bound` is how many an image has that nobody
    found, at least.
    """

    n_once: int
    n_more: int
    bound: float


@dataclass(frozen=True, eq=False)
class _Searched:
    """Where annotators searched all classes; and of each item added unasked, its key, image and number of finders."""

    found: SearchedImages
    keys: NDArray[np.int64]
    image: NDArray[np.int32]
    n_finders: NDArray[np.int64]


def _found_by_search(project: Project, votes: ProjectVotes) -> tuple[NDArray[np.int16], _Unasked]:
    """Return the rank of each item of the annotation round, and what annotators added unasked."""
    annotation = votes.annotation
    n_decided = int(marked(annotation.n_images, votes.sittings["image"].to_numpy()).sum())
    if n_decided == 0 or annotation.n_items == 0 or not project.proposals_path.exists():
        return np.ones(annotation.n_items, dtype=np.int16), _Unasked(0, 0, 0.0)
    ranks = proposal_ranks(project, annotation)
    n_finders = annotation.item_counts()[ranks == 0, YES]
    once, more = int((n_finders == 1).sum()), int((n_finders > 1).sum())
    return ranks, _Unasked(once, more, unseen_by_all(once, more, len(votes.sittings) / n_decided) / n_decided)


def _searched(
    votes: ProjectVotes, ranks: NDArray[np.int16], shown: dict[tuple[str, int], Presentation | None]
) -> _Searched | None:
    annotation = votes.annotation
    found = searched_images(annotation, ranks, tasks_as_shown(votes.sittings, shown))
    if found is None or len(found.ordinary) == 0:
        return None
    added = np.flatnonzero(found.added_anyway)
    return _Searched(found, annotation.item_keys(added), annotation.item_image[added], found.n_finders[added])


def _searches(searched: _Searched, settled: VoteArrays, chance: NDArray[np.float64], unasked: _Unasked) -> Searches:
    """Return what the search probes tell."""
    found, applies, by_searchers = searched.found, chance[settled.places_of(searched.keys)], searched.n_finders > 0
    per_probe = np.bincount(searched.image, weights=applies * by_searchers, minlength=settled.n_images)
    per_image = np.bincount(searched.image, weights=applies, minlength=settled.n_images)
    n_searchers = np.zeros(settled.n_images, dtype=np.int64)
    n_searchers[found.images] = found.n_searchers
    shared = searched.n_finders[by_searchers & (n_searchers[searched.image] > 1)]
    return Searches(
        found=per_probe[found.images].astype(np.float64),
        n_searchers=found.n_searchers,
        n_by_one=int((shared == 1).sum()),
        n_by_more=int((shared > 1).sum()),
        added=float(per_image[found.ordinary].mean()),
        bound=unasked.bound,
    )


def audited_images(project: Project, votes: ProjectVotes) -> NDArray[np.int64]:
    """Return the images that were refined without any reason but the audit, and that nothing else has chosen since."""
    selection = read_selection(project)
    audited = selection.loc[selection["reason"] == Reason.AUDIT, "image_index"].to_numpy(dtype=np.int64)
    audited = np.intersect1d(audited, votes.refinement_sittings["image"].to_numpy(dtype=np.int64))
    left_disputed = [rule.reason for rule in RULES.values() if not rule.takes_all_disputed]
    if len(audited) and not selection["reason"].isin(left_disputed).any():
        per_image = analyze_disagreement(_on_images(votes.annotation, audited), n_resamples=0).per_image
        audited = audited[~per_image["set_disagreement"].to_numpy()[audited]]
    return audited


def _on_images(votes: VoteArrays, images: NDArray[np.int64]) -> VoteArrays:
    is_theirs = np.zeros(votes.n_images, dtype=bool)
    is_theirs[images] = True
    return votes.part(np.repeat(is_theirs[votes.item_image], votes.n_each))


def _audit(
    votes: ProjectVotes,
    settled: VoteArrays,
    refined: NDArray[np.intp],
    by_annotators: NDArray[np.integer],
    labels_before: NDArray[np.int64],
    audited: NDArray[np.int64],
    n_added: NDArray[np.int64],
    unasked: _Unasked,
) -> AuditFindings:
    """Estimate the errors in the audited images from the refiners' votes on all images they refined."""
    n_refiners = np.bincount(votes.refinement_sittings["image"].to_numpy(dtype=np.int64), minlength=settled.n_images)
    position = np.full(settled.n_images, -1, dtype=np.int64)
    position[audited] = np.arange(len(audited))
    by_refiners, image = refiners_words(votes, settled, refined, by_annotators), settled.item_image[refined]
    n_annotators = by_annotators.sum(axis=1)
    is_agreed = (n_annotators > 1) & (by_annotators.max(axis=1) == n_annotators)
    all_yes, all_no = is_agreed & (by_annotators[:, YES] > 0), is_agreed & (by_annotators[:, NO] > 0)
    kind = np.where(all_no, 0, np.where(all_yes, 1, 2)) + 3 * (position[image] >= 0)
    is_shown = n_annotators > 0
    items = RefinedItems(
        kind=kind[is_shown],
        n_yes=by_refiners[is_shown, YES],
        n_no=by_refiners[is_shown, NO],
        image=position[image[is_shown]],
        was_label=are_in(settled.item_keys(refined[is_shown]), labels_before),
    )
    return judge_audit(items, n_added, n_refiners[audited], (unasked.n_once, unasked.n_more))


def _added_by_refiners(
    votes: ProjectVotes,
    settled: VoteArrays,
    refined: NDArray[np.intp],
    by_annotators: NDArray[np.integer],
    audited: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return how many labels that no annotator was shown one refiner found in each audited image, and how many several.

    The shape is ``(n_audited, 2)``.
    """
    position = np.full(settled.n_images, -1, dtype=np.int64)
    position[audited] = np.arange(len(audited))
    place = position[settled.item_image[refined]]
    of_audited = np.flatnonzero(place >= 0)
    place, n_yes = place[of_audited], counts_within(settled, votes.refinement, refined[of_audited])[:, YES]
    added = (by_annotators[of_audited].sum(axis=1) == 0) & (n_yes > 0)
    n_added = np.zeros((len(audited), 2), dtype=np.int64)
    np.add.at(n_added, (place[added], (n_yes[added] > 1).astype(np.int64)), 1)
    return n_added
