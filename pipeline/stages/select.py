"""Stage 4, first half: which images of a project go to refinement, and who refines them.

What was chosen, and why, is kept in `results/refinement/selection.parquet`, so that audits can be told from disputes
when the labels are settled. Choosing again adds images and removes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.assignment import assign_refinement
from pipeline.consensus.value_of_refining import draw_audit
from pipeline.errors import ProjectError
from pipeline.project.folder import Project
from pipeline.project.names import settled
from pipeline.project.result_paths import tables_dir
from pipeline.project.results import write_results
from pipeline.sessions.suggested import write_suggestions
from pipeline.stages.assign import write_plan
from pipeline.stages.consensus_of_project import project_consensus
from pipeline.stages.selection_rules import RULES, Candidates, disputed_images
from pipeline.stages.suggestions import project_suggestions
from pipeline.stages.votes_of_project import ProjectVotes, nothing_decided, read_project_votes
from pipeline.store import open_project_store
from pipeline.votes.words import Reason, Round, SelectionRule

SELECTION_FILE = "selection.parquet"


@dataclass(frozen=True)
class RefinementSummary:
    """What one call of `mlf refine --refiners` did.

    Attributes
    ----------
    rule
        The rule by which images were chosen.
    n_images
        Images decided by at least one annotator, without gold.
    n_disputed
        Those of them whose label sets differ.
    n_new, n_audit
        Images newly given to refiners, and how many of them are undisputed and audited.
    n_earlier
        Images that refiners already had.
    expected_minutes
        Minutes that the new images are expected to take; ``None`` under the published rule.
    loads
        From refiner to the number of their new images.
    n_suggested
        Labels that models believe in and nobody was asked about, which refiners are asked about as well.
    """

    rule: SelectionRule
    n_images: int
    n_disputed: int
    n_new: int
    n_audit: int
    n_earlier: int
    expected_minutes: float | None
    loads: dict[str, int]
    n_suggested: int = 0


def select_and_assign(
    project: Project,
    refiners: Sequence[str],
    *,
    rule: SelectionRule = SelectionRule.PUBLISHED,
    minutes: float | None = None,
    audit_share: float | None = None,
    seed: int = 0,
    kind: str = "human",
) -> RefinementSummary:
    """Choose images for refinement and give them to refiners; images given earlier stay with their refiners.

    Parameters
    ----------
    project
        An open project with votes.
    refiners
        Distinct names; new ones are added to the store.
    rule
        ``published``: every image whose annotators' label sets differ. ``budget``: the images on which a minute is
        expected to fix the most, until the minutes are used up. See :mod:`pipeline.stages.selection_rules`.
    minutes
        The budget, for the images newly chosen.
    audit_share
        Share of the images not chosen by the rule that are refined all the same; None takes the project's setting.
    seed
        For drawing the audit and dealing out the images. The draw also depends on the project's secret, so nobody
        without the project can foresee it.
    kind
        ``human``, or ``simulated`` for programs.

    Raises
    ------
    ProjectError
        If there is nothing to choose from, a budget is missing or given where the rule takes none, or some image was
        annotated by every refiner.
    """
    chooser = RULES[rule]
    if chooser.has_budget and minutes is None:
        raise ProjectError(f"the rule `{rule}` needs a number of minutes: --minutes 60")
    if minutes is not None and not chooser.has_budget:
        budgeted = " or ".join(f"--rule {name}" for name, other in RULES.items() if other.has_budget)
        raise ProjectError(f"{minutes} minutes, but the rule is `{rule}`; add {budgeted}, or leave the minutes out")
    refiners = [settled(name) for name in refiners]
    secret = project.secret
    with open_project_store(project) as store:
        votes = read_project_votes(project, store)
        if len(votes.sittings) == 0:
            raise nothing_decided(project, "refine", votes.left_out)
        earlier = store.assigned_images(Round.REFINEMENT)
        known = np.fromiter(earlier, dtype=np.int64, count=len(earlier))
        disputed = disputed_images(votes)
        suggestions = _suggestions(project, votes)
        chosen = chooser.choose(Candidates(project, votes, disputed, known, minutes, suggestions))
        share = project.settings.refinement.audit_share if audit_share is None else audit_share
        spared = np.union1d(chosen.images, disputed) if chooser.takes_all_disputed else chosen.images
        audited = _audit(votes, spared, known, share, secret.seed("audit", seed))
        images = np.concatenate([chosen.images, audited])
        plan = assign_refinement(
            images,
            store.annotators_of_images(Round.ANNOTATION, images.tolist()),
            list(refiners),
            twice=audited.tolist(),
            allow_own_images=project.settings.refinement.allow_own_images,
            seed=secret.seed("refinement", seed),
        )
        reasons = [(image, chooser.reason) for image in chosen.images.tolist()]
        reasons += [(image, Reason.AUDIT) for image in audited.tolist()]
        summary = RefinementSummary(
            rule=rule,
            n_images=len(np.unique(votes.sittings["image"])),
            n_disputed=len(disputed),
            n_new=len(images),
            n_audit=len(audited),
            n_earlier=len(earlier),
            expected_minutes=chosen.expected_minutes,
            loads=plan.loads,
        )
        # Recorded before the tasks are written: if the run stops in between, the images are chosen again, and audits
        # are still known as audits.
        _record(project, reasons, summary, share, seed)
        if suggestions is not None:
            refined = votes.refinement_sittings["image"]
            n_suggested = _hand_on(project, suggestions, np.union1d(images, known[~np.isin(known, refined)]))
            summary = replace(summary, n_suggested=n_suggested)
        store.add_annotators(refiners, kind=kind)
        write_plan(store, Round.REFINEMENT, plan)
    return summary


def read_selection(project: Project) -> pd.DataFrame:
    """Return what has been chosen for refinement: ``image_index``, ``reason``; empty before the first choice."""
    path = tables_dir(project, "refinement") / SELECTION_FILE
    if not path.exists():
        return pd.DataFrame({"image_index": np.empty(0, dtype=np.int64), "reason": pd.Series(dtype=object)})
    return pd.read_parquet(path)


def _suggestions(project: Project, votes: ProjectVotes) -> pd.DataFrame | None:
    if project.settings.consensus.evidence != "models":
        return None
    every = votes.all_votes()
    found = project_suggestions(project, every, project_consensus(project, every))
    # Only of images that somebody annotated: the others have no labels yet that one more could be missing from.
    return None if found is None else found[found["image_index"].isin(votes.sittings["image"])]


def _hand_on(project: Project, suggestions: pd.DataFrame, images: NDArray[np.int64]) -> int:
    """Write down what refiners are asked about beyond votes and proposals; return how many labels of these images."""
    own = suggestions[suggestions["image_index"].isin(images)]
    write_suggestions(project, zip(own["image_index"].tolist(), own["class_index"].tolist(), strict=True))
    return len(own)


def _audit(
    votes: ProjectVotes, spared: NDArray[np.int64], known: NDArray[np.int64], share: float, seed: int
) -> NDArray[np.int64]:
    """Draw the audit from the decided images that are not spared; images drawn earlier already have refiners."""
    decided = np.unique(votes.sittings["image"].to_numpy(dtype=np.int64))
    drawn = draw_audit(decided[~np.isin(decided, spared)], share, seed)
    return drawn[~np.isin(drawn, known)]


def _record(
    project: Project, reasons: list[tuple[int, Reason]], summary: RefinementSummary, share: float, seed: int
) -> None:
    earlier = read_selection(project)
    new = pd.DataFrame([(image, reason.value) for image, reason in reasons], columns=["image_index", "reason"]).astype(
        {"image_index": np.int64}
    )
    selection = pd.concat([earlier, new], ignore_index=True) if len(earlier) else new
    selection = selection.drop_duplicates("image_index", keep="last")
    figures = {
        "rule": summary.rule.value,
        "n_images": summary.n_images,
        "n_disputed": summary.n_disputed,
        "n_new": summary.n_new,
        "n_audit": summary.n_audit,
        "n_earlier": summary.n_earlier,
        "expected_minutes": summary.expected_minutes,
        "audit_share": share,
        "seed": seed,
    }
    write_results(project, "refinement", figures, {SELECTION_FILE: selection})
