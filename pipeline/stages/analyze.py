"""Stage 3 of a project: where its annotators differ, what they are like, and what refining would be worth."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd

from pipeline.assignment.gold import project_gold
from pipeline.consensus.known import UNKNOWN
from pipeline.consensus.value_of_refining import rank_by_value
from pipeline.disagreement import DisagreementAnalysis, analyze_disagreement
from pipeline.disagreement.analysis import DisagreementSummary
from pipeline.disagreement.model import compare_ranks_to_people
from pipeline.disagreement.profiles import AnnotatorProfiles, profile_annotators
from pipeline.disagreement.search_probes import ProbeFindings
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.label_space import LabelSpace
from pipeline.project.presentation import Presentation
from pipeline.project.results import write_results
from pipeline.stages.class_pairs import keep_class_pairs
from pipeline.stages.consensus_of_project import annotation_doubt, gold_answers
from pipeline.stages.experiments import Experiments, find_experiments, read_presentations
from pipeline.stages.proposal_ranks import proposal_ranks
from pipeline.stages.votes_of_project import ProjectVotes, nothing_decided, read_project_votes
from pipeline.store import open_project_store

#: How many rows of the yield curve are kept as a table; the curve itself is computed on all images.
_CURVE_ROWS = 2000


@dataclass(frozen=True)
class LeftOutOfAnalysis:
    """Annotators whose votes do not count, and what would be found if they did.

    ``n_set_disagreements`` of ``n_images_compared`` images, and Krippendorff's alpha, are those of all votes together.
    """

    names: tuple[str, ...] = ()
    n_set_disagreements: int = 0
    n_images_compared: int = 0
    alpha: float | None = None


@dataclass(frozen=True)
class AnalyzeSummary(DisagreementSummary):
    """The figures of stage 3, as stored in `results/analyze.json`; the gold images left out only measure people."""

    annotators: tuple[str, ...]
    simulated_annotators: tuple[str, ...]
    n_gold_images_left_out: int
    n_comments: int
    annotators_left_out: LeftOutOfAnalysis = LeftOutOfAnalysis()
    n_tasks_tried_out: dict[str, int] = field(default_factory=dict)
    probes: ProbeFindings | None = None


@dataclass(frozen=True, eq=False)
class ProjectAnalysis:
    """Stage 3 of one project.

    Attributes
    ----------
    votes
        The votes that were counted.
    disagreement
        The analysis, with classes named by index.
    classes, confused_pairs
        Its tables, with classes named by key and name as well.
    model_against_people
        See :func:`pipeline.disagreement.model.compare_ranks_to_people`; ``None`` for a project without proposals.
    profiles
        Annotators compared with each other; only those who have tasks or votes.
    gold_profiles
        Annotators compared with known answers, on hidden gold images; empty where there are none.
    experiments
        What was tried out on the annotation round, and what search probes found.
    ranking
        From :func:`pipeline.consensus.value_of_refining.rank_by_value`, on a Dawid-Skene consensus of the annotation
        round.
    summary
        The plain figures, as in `results/analyze.json`.
    """

    votes: ProjectVotes
    disagreement: DisagreementAnalysis
    classes: pd.DataFrame
    confused_pairs: pd.DataFrame
    model_against_people: pd.DataFrame | None
    profiles: AnnotatorProfiles
    gold_profiles: pd.DataFrame
    experiments: Experiments
    ranking: pd.DataFrame
    summary: AnalyzeSummary


def analyze_project(project: Project, *, n_resamples: int = 1000, seed: int = 0) -> ProjectAnalysis:
    """Analyse a project's annotation round, and write the tables to `results/analyze`.

    Parameters
    ----------
    n_resamples, seed
        For the bootstrap of Krippendorff's alpha.

    Raises
    ------
    ProjectError
        If nobody has decided about an image yet.
    """
    # The database is searched without Python, so that a second core can do it.
    with ThreadPoolExecutor(1) as aside, open_project_store(project) as store:
        looked_up = aside.submit(read_presentations, store)
        votes = read_project_votes(project, store)
        shown = looked_up.result()
    if len(votes.sittings) == 0:
        raise nothing_decided(project, "analyse", votes.left_out)
    # What is expected of refining takes as long as what follows, and needs none of it: a second core computes it.
    with ThreadPoolExecutor(1) as aside:
        expected = aside.submit(_ranking, project, votes)
        return _analysis(project, votes, shown, expected, n_resamples, seed)


def _ranking(project: Project, votes: ProjectVotes) -> pd.DataFrame:
    return rank_by_value(votes.annotation, annotation_doubt(project, votes.annotation))


def _analysis(
    project: Project,
    votes: ProjectVotes,
    shown: dict[tuple[str, int], Presentation | None],
    expected: Future[pd.DataFrame],
    n_resamples: int,
    seed: int,
) -> ProjectAnalysis:
    profiles = _profiles(votes)
    found = analyze_disagreement(votes.annotation, n_resamples=n_resamples, seed=seed)
    gold = project_gold(project)
    model, experiments = None, Experiments(None, {}, 0, None)
    if project.proposals_path.exists():
        ranks = proposal_ranks(project, votes.annotation)
        model = compare_ranks_to_people(ranks, votes.annotation.item_counts())
        experiments = find_experiments(votes, ranks, shown)
    analysis = ProjectAnalysis(
        votes=votes,
        disagreement=found,
        classes=name_classes(found.per_class, project.label_space, ("class",)),
        confused_pairs=name_classes(found.confused_pairs, project.label_space, ("class_a", "class_b")),
        model_against_people=model,
        profiles=profiles,
        gold_profiles=_gold_profiles(votes, gold),
        experiments=experiments,
        ranking=expected.result(),
        summary=_summary(votes, found, _with_everyone(project, votes), experiments),
    )
    _write(project, analysis)
    keep_class_pairs(project, found.confused_pairs.itertuples(index=False, name=None))
    return analysis


def name_classes(table: pd.DataFrame, space: LabelSpace, columns: Sequence[str]) -> pd.DataFrame:
    """Return a copy in which each column of class indices is followed by a column of keys and one of names."""
    named = table.copy()
    for column in columns:
        place = list(named.columns).index(column)
        indices = named[column].astype(int)
        named.insert(place + 1, f"{column}_key", [space.keys[index] for index in indices])
        named.insert(place + 2, f"{column}_name", [space.names[index] for index in indices])
    return named


def _profiles(votes: ProjectVotes) -> AnnotatorProfiles:
    found = profile_annotators(votes.annotation, sittings=votes.sittings)
    profiles = found.profiles[found.profiles["annotator"].isin(votes.voters)].reset_index(drop=True)
    profiles.insert(1, "is_simulated", profiles["annotator"].isin(votes.simulated))
    return AnnotatorProfiles(profiles, found.drift)


def _gold_profiles(votes: ProjectVotes, gold: dict[int, frozenset[int]]) -> pd.DataFrame:
    answers = gold_answers(votes.probes, gold)
    if len(answers) == 0 or (answers == UNKNOWN).any():
        return pd.DataFrame()
    found = profile_annotators(votes.probes, reference=answers == 1).profiles
    found = found[found["n_votes"] > 0].reset_index(drop=True)
    found.insert(1, "is_simulated", found["annotator"].isin(votes.simulated))
    return found


def _with_everyone(project: Project, votes: ProjectVotes) -> LeftOutOfAnalysis:
    if not votes.left_out:
        return LeftOutOfAnalysis()
    whole = replace(project, settings=project.settings.with_changes("consensus", annotators_left_out=[]))
    with open_project_store(whole) as store:
        everyone = read_project_votes(whole, store)
    found = analyze_disagreement(everyone.annotation, n_resamples=0).summary
    return LeftOutOfAnalysis(votes.left_out, found.n_set_disagreements, found.n_images_compared, found.alpha)


def _summary(
    votes: ProjectVotes, found: DisagreementAnalysis, left_out: LeftOutOfAnalysis, experiments: Experiments
) -> AnalyzeSummary:
    voters = tuple(votes.voters)
    return AnalyzeSummary(
        **asdict(found.summary),
        annotators=voters,
        simulated_annotators=tuple(name for name in voters if name in votes.simulated),
        n_gold_images_left_out=votes.n_probe_images,
        n_comments=votes.n_comments,
        annotators_left_out=left_out,
        n_tasks_tried_out=experiments.n_tasks,
        probes=experiments.probes,
    )


def _write(project: Project, analysis: ProjectAnalysis) -> None:
    ids = image_columns(project, ["image_id"]).column(0).to_pandas()
    images = analysis.disagreement.per_image.rename(columns={"image": "image_index"})
    images.insert(1, "image_id", ids)
    tables = {
        "images.parquet": images[images["n_annotators"] > 0],
        "classes.csv": analysis.classes,
        "confused_pairs.csv": analysis.confused_pairs,
        "annotator_pairs.csv": analysis.disagreement.annotator_pairs,
        "annotators.csv": analysis.profiles.profiles,
        "drift.csv": analysis.profiles.drift,
        "yield_curve.csv": thin_curve(analysis.ranking, _CURVE_ROWS),
    }
    if len(analysis.gold_profiles):
        tables["gold.csv"] = analysis.gold_profiles
    if analysis.experiments.anchoring is not None:
        tables["anchoring.csv"] = analysis.experiments.anchoring
    if analysis.model_against_people is not None:
        tables["model_against_people.csv"] = analysis.model_against_people
    write_results(project, "analyze", asdict(analysis.summary), tables)


def thin_curve(ranking: pd.DataFrame, n_rows: int) -> pd.DataFrame:
    """Return about `n_rows` rows of a ranking at most, evenly spaced and including the first and the last."""
    if len(ranking) <= n_rows:
        return ranking
    return ranking.iloc[np.unique(np.linspace(0, len(ranking) - 1, n_rows).round().astype(int))]
