"""Stage 4, second half: a project's refined labels, and where each of them came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.assignment.gold import project_gold
from pipeline.consensus import Consensus
from pipeline.consensus.recalibration import Recalibration, reliability_table
from pipeline.consensus.remaining_errors import RemainingErrors
from pipeline.formats.consensus_tables import consensus_provenance
from pipeline.formats.refined_labels_out import write_refined_labels
from pipeline.project.folder import Project
from pipeline.project.image_table import original_labels
from pipeline.project.results import write_results
from pipeline.stages.analyze import thin_curve
from pipeline.stages.experiments import read_presentations
from pipeline.stages.quality import (
    Doubts,
    KeyPair,
    StoppingAdvice,
    advise,
    audited_images,
    changed_labels,
    errors_of_images,
    look_at_annotation,
    rank_what_is_left,
    remaining_line,
)
from pipeline.stages.recalibration import check_posteriors
from pipeline.stages.settled import before_after, by_source, doubtful_labels, label_keys, refined_table, settle_votes
from pipeline.stages.suggestions import project_suggestions
from pipeline.stages.suspicious import suspicious_originals
from pipeline.stages.votes_of_project import ProjectVotes, nothing_decided, read_project_votes
from pipeline.store import open_project_store
from pipeline.votes.ascending import are_in, marked
from pipeline.votes.merging import merge_votes
from pipeline.votes.words import Round

_CURVE_ROWS = 2000


@dataclass(frozen=True)
class LeftOut:
    """Annotators whose votes do not count, and how many labels on how many images would change if they did."""

    names: tuple[str, ...]
    n_labels_changed: int
    n_images_changed: int


@dataclass(frozen=True)
class SettleSummary:
    """The figures of settling, as stored in `results/settle.json`; :class:`Settlement` explains those not named here.

    `n_images` counts all images of the project; the other figures are over the `n_labelled_images`.
    `median_refinement_ms` is the active time per image. `before_after` maps each stage to its row of
    :attr:`Settlement.before_after`.
    """

    n_images: int
    n_labelled_images: int
    n_without_label: int
    n_labels: int
    n_multi_label: int
    multi_label_share: float
    multi_label_interval_95: tuple[float, float]
    n_refined_images: int
    n_refinement_tasks_open: int
    median_refinement_ms: float | None
    n_changed_by_refinement: int
    n_labels_added: int
    n_labels_removed: int
    n_gold_images: int
    consensus: Mapping[str, object]
    labels_by_source: Mapping[str, int]
    empty_sets_by_source: Mapping[str, int]
    before_after: Mapping[str, Mapping[str, float]]
    remaining_errors: RemainingErrors
    advice: StoppingAdvice
    annotators_left_out: LeftOut
    is_converged: bool
    annotators: tuple[str, ...]
    refiners: tuple[str, ...]
    simulated_annotators: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the content of the file, including the remaining errors and the advice in words."""
        return asdict(self) | {
            "remaining_errors": asdict(self.remaining_errors) | {"text": remaining_line(self.remaining_errors)},
            "advice": asdict(self.advice) | {"goes_on": self.advice.goes_on, "text": str(self.advice)},
        }


@dataclass(frozen=True, eq=False)
class Settlement:
    """Stage 4 of one project.

    Attributes
    ----------
    labels
        The refined labels (:data:`pipeline.project.tables.REFINED_LABELS`), in order of image and class.
    votes
        The votes that they rest on, without those of the annotation round.
    consensus
        The consensus of all votes, anchored by the known answers.
    annotators
        All annotators as the consensus sees them.
    keys
        The labels without and with the refinement round, each as one number (image × number of classes + class),
        ascending.
    before_after
        One row per stage (``original``, ``annotation``, ``refinement``), over the images that are labelled now:
        ``n_images``, ``n_labels``, ``labels_per_image``, ``n_without``, ``n_multi``, ``multi_share`` with ``low`` and
        ``high``, ``n_original_kept`` of ``n_with_original``.
    by_source
        ``source``, ``n_labels``, ``n_empty_sets``.
    changed
        Indices of the images whose label set was changed by refinement.
    remaining
        The errors expected to remain in the images that were not refined.
    recalibration
        The posteriors of annotators' votes compared with what is known, and what was relearnt from it; ``None`` where
        nothing is known.
    ranking
        Images not refined yet, the most worthwhile first (:func:`pipeline.consensus.value_of_refining.rank_by_value`).
    advice
        Whether to go on refining.
    suspicious
        Decided images whose original label people and models reject, the surest first
        (:func:`pipeline.stages.suspicious.suspicious_originals`).
    suggestions
        Labels that models believe in but nobody was asked about; ``None`` where models give no evidence.
    left_out
        Whose votes do not count, and what difference that makes.
    chances
        Labels, kept or not, of which the posterior is not certain: `image_index`, `class_index`, `chance` to apply.
    n_images, n_open, n_gold
        Images of the project, refinement tasks still open, images whose labels were known beforehand.
    """

    labels: pa.Table
    votes: ProjectVotes
    consensus: Consensus
    annotators: pd.DataFrame
    keys: KeyPair
    before_after: pd.DataFrame
    by_source: pd.DataFrame
    changed: NDArray[np.int64]
    remaining: RemainingErrors
    recalibration: Recalibration | None
    ranking: pd.DataFrame
    advice: StoppingAdvice
    suspicious: pd.DataFrame
    suggestions: pd.DataFrame | None
    left_out: LeftOut
    chances: pd.DataFrame
    n_images: int
    n_open: int
    n_gold: int

    @cached_property
    def summary(self) -> SettleSummary:
        """Return all these figures in short."""
        votes, consensus, (before, after) = self.votes, self.consensus, self.keys
        rows = self.before_after.set_index("stage").to_dict("index")
        stages = {str(stage): {str(name): figure for name, figure in row.items()} for stage, row in rows.items()}
        now, sources = stages["refinement"], self.by_source["source"]
        people = sorted({*votes.voters, *votes.refiners})
        return SettleSummary(
            n_images=self.n_images,
            n_labelled_images=int(now["n_images"]),
            n_without_label=int(now["n_without"]),
            n_labels=int(now["n_labels"]),
            n_multi_label=int(now["n_multi"]),
            multi_label_share=now["multi_share"],
            multi_label_interval_95=(now["low"], now["high"]),
            n_refined_images=int(votes.refinement_sittings["image"].nunique()),
            n_refinement_tasks_open=self.n_open,
            median_refinement_ms=_median(votes.refinement_sittings["active_ms"]),
            n_changed_by_refinement=len(self.changed),
            n_labels_added=int((~are_in(after, before)).sum()),
            n_labels_removed=int((~are_in(before, after)).sum()),
            n_gold_images=self.n_gold,
            consensus=consensus_provenance(consensus),
            labels_by_source=dict(zip(sources, self.by_source["n_labels"].tolist(), strict=True)),
            empty_sets_by_source=dict(zip(sources, self.by_source["n_empty_sets"].tolist(), strict=True)),
            before_after=stages,
            remaining_errors=self.remaining,
            advice=self.advice,
            annotators_left_out=self.left_out,
            is_converged=bool(consensus.model is None or consensus.model.is_converged),
            annotators=tuple(votes.voters),
            refiners=tuple(votes.refiners),
            simulated_annotators=tuple(name for name in people if name in votes.simulated),
        )


def settle_project(project: Project, *, min_fixed_per_minute: float = 0.5) -> Settlement:
    """Settle a project's labels; write `results/refined_labels.parquet`, `.csv` and `.json`, and `results/settle`.

    The parameters and errors are those of :func:`settled_labels`.
    """
    settlement = settled_labels(project, min_fixed_per_minute=min_fixed_per_minute)
    _write(project, settlement)
    return settlement


def settled_labels(project: Project, *, min_fixed_per_minute: float = 0.5) -> Settlement:
    """Settle a project's labels without writing anything.

    The rule of :func:`pipeline.consensus.refined.settle_items` decides each label, except that an answer known
    beforehand (gold) always stands. The aim, the evidence and whose votes count are the project's own (`[consensus]` in
    `mlf.toml`).

    Parameters
    ----------
    project
        An open project with votes.
    min_fixed_per_minute
        The lowest yield at which refining another image is still advised.

    Raises
    ------
    ProjectError
        If nobody has decided about an image yet, or the project's consensus settings do not fit it.
    """
    with open_project_store(project) as store:
        votes = read_project_votes(project, store)
        shown = read_presentations(store) if votes.sittings["searched"].any() else {}
        refinement = store.annotators_of(Round.REFINEMENT).values()
        n_open = sum(progress.n_tasks - progress.n_done for progress in refinement)
    if len(votes.sittings) == 0 and votes.probes.n_votes == 0:
        raise nothing_decided(project, "settle", votes.left_out)
    gold = project_gold(project)
    before, checked = _before_refinement(project, votes, gold)
    round_ = look_at_annotation(project, votes, shown)
    every, votes = votes.all_votes(), votes.without_annotation()
    final = settle_votes(project, every, gold, votes, checked)
    decided = np.flatnonzero(_is_decided(votes, gold))
    labels = refined_table(project, final, decided, gold)
    original = original_labels(project)
    keys = (before.label_keys, label_keys(final))
    remaining, ranking = rank_what_is_left(votes, final.votes, final.wrong, final.as_voted, before, gold, round_)
    return Settlement(
        labels=labels,
        votes=votes,
        consensus=final.consensus,
        annotators=final.consensus.annotators(final.votes),
        keys=keys,
        before_after=before_after(keys, final.votes.n_classes, original, decided),
        by_source=by_source(labels),
        changed=np.unique(changed_labels(keys) // final.votes.n_classes),
        remaining=remaining,
        recalibration=checked,
        ranking=ranking,
        advice=advise(ranking, remaining, min_fixed_per_minute),
        suspicious=suspicious_originals(project, final.votes, final.consensus, decided, keys[1]),
        suggestions=project_suggestions(project, final.votes, final.consensus),
        left_out=_what_leaving_out_changes(project, votes, keys[1], gold),
        chances=doubtful_labels(final),
        n_images=len(original),
        n_open=n_open,
        n_gold=len(gold),
    )


def _before_refinement(
    project: Project, votes: ProjectVotes, gold: dict[int, frozenset[int]]
) -> tuple[Doubts, Recalibration | None]:
    """Settle without the refinement round; little of it is kept, since two settlings would not fit in memory."""
    settled = settle_votes(project, merge_votes(votes.annotation, votes.probes), gold)
    doubts = Doubts(label_keys(settled), errors_of_images(settled.votes, settled.wrong))
    every, consensus = settled.votes, replace(settled.consensus, posterior=np.empty(0), label=np.empty(0, dtype=bool))
    del settled  # checking takes as much memory as what is let go of here
    return doubts, check_posteriors(project, votes, every, consensus, gold, audited_images(project, votes))


def _is_decided(votes: ProjectVotes, gold: dict[int, frozenset[int]]) -> NDArray[np.bool_]:
    """Return for every image whether somebody decided it or its labels were known beforehand."""
    sittings = (table["image"].to_numpy(dtype=np.int64) for table in (votes.sittings, votes.refinement_sittings))
    return marked(votes.annotation.n_images, *sittings, np.array(list(gold), dtype=np.int64))


def _what_leaving_out_changes(
    project: Project, votes: ProjectVotes, labels: NDArray[np.int64], gold: dict[int, frozenset[int]]
) -> LeftOut:
    if not votes.left_out:
        return LeftOut((), 0, 0)
    whole = replace(project, settings=project.settings.with_changes("consensus", annotators_left_out=[]))
    with open_project_store(whole) as store:
        everyone = read_project_votes(whole, store)
    _, checked = _before_refinement(whole, everyone, gold)
    settled = settle_votes(whole, everyone.all_votes(), gold, everyone, checked)
    changed = changed_labels((labels, label_keys(settled)))
    return LeftOut(votes.left_out, len(changed), len(np.unique(changed // settled.votes.n_classes)))


def _median(values: pd.Series) -> float | None:
    return float(values.median()) if len(values) else None


def _write(project: Project, settlement: Settlement) -> None:
    write_refined_labels(project, settlement.labels, consensus_provenance(settlement.consensus))
    tables = {
        "before_after.csv": settlement.before_after,
        "sources.csv": settlement.by_source,
        "annotators.csv": settlement.annotators,
        "suspicious_originals.csv": settlement.suspicious,
        "yield_curve.csv": thin_curve(settlement.ranking, _CURVE_ROWS),
    }
    tables["chances.parquet"] = settlement.chances
    if settlement.suggestions is not None:
        tables["suggestions.csv"] = settlement.suggestions
    if settlement.recalibration is not None:
        tables["reliability.csv"] = reliability_table(settlement.recalibration)
    write_results(project, "settle", settlement.summary.as_json(), tables)
