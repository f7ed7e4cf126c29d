"""A sentence each: who differs from the rest, which classes are a mess, whether one model is better than another."""

from __future__ import annotations

import csv
from html import escape

import pandas as pd

from pipeline.evaluation.differences import lead
from pipeline.evaluation.shares import Share
from pipeline.project.folder import Project
from pipeline.project.result_paths import ResultStage, tables_dir
from pipeline.project.wording import so_many
from pipeline.reports.formats import person
from pipeline.reports.headlines import lead_words
from pipeline.stages.analyze import AnalyzeSummary
from pipeline.stages.evaluate import EvaluateSummary

#: How many classes the figure of disputed classes shows, and how many of them a sentence names.
_N_DRAWN, _N_NAMED = 20, 3


def who_differs(project: Project, summary: AnalyzeSummary | None) -> list[str]:
    """Return who agrees least with the others; of two people, neither stands out. Empty where nobody was compared."""
    if summary is None:
        return []
    people = sorted(
        (row for row in _rows(project, "analyze", "annotators.csv") if row["agreement"]),
        key=lambda row: float(row["agreement"]),
    )
    if len(people) < 2:
        return []
    names = [escape(person(row["annotator"], summary.simulated_annotators)) for row in people]
    same = [Share(round(float(row["agreement"]) * int(row["n_compared"])), int(row["n_compared"])) for row in people]
    more = '<a href="analyze.html#What-annotators-are-like">what annotators are like</a>'
    if len(people) == 2:
        ticked = " and ".join(
            f"{name} ticks {float(row['labels_per_image']):.2f} labels an image"
            for name, row in zip(names, people, strict=True)
        )
        line = (
            f"<strong>With two annotators nobody stands out</strong>: {_of(same[0])} are alike, and {ticked} ({more}; "
            '<a href="progress.html">refiners are on the page of progress</a>).'
        )
        return [line]
    low, high = same[0].interval or (0.0, 0.0)
    next_low = (same[1].interval or (0.0, 0.0))[0]
    rest = f"{same[1].value or 0:.1%} to {same[-1].value or 0:.1%}"
    doubt = "" if high < next_low else "; it may be chance, since its interval and that of the next overlap"
    line = (
        f"<strong>{names[0]} differs most from the other annotators</strong>: {_of(same[0])} are as most others' (95% "
        f"interval {low:.1%} to {high:.1%}), against {rest} of the rest's{doubt} ({more})."
    )
    return [line]


def messy_classes(project: Project) -> list[str]:
    """Return the first classes of the figure of disputed classes, and the pair most often confused, if it is no chance.

    Empty where votes differ on no class.
    """
    disputed = [row for row in _rows(project, "analyze", "classes.csv") if int(row["n_split"])][:_N_DRAWN]
    disputed.sort(key=lambda row: -float(row["split_share"]))
    if not disputed:
        return []
    named = ", ".join(
        f"{escape(row['class_name'])} (on {int(row['n_split']):,} of {int(row['n_compared']):,} images)"
        for row in disputed[:_N_NAMED]
    )
    pair = next(iter(_rows(project, "analyze", "confused_pairs.csv")), None)
    confused = ""
    if pair is not None and int(pair["n_confusions"]) > 1:
        confused = (
            f"; most often confused: {escape(pair['class_a_name'])} with {escape(pair['class_b_name'])} "
            f"({int(pair['n_confusions']):,} times)"
        )
    line = (
        f"<strong>Votes differ most often on these classes</strong>: {named}{confused} "
        '(<a href="analyze.html#Disputed-classes">which classes are a mess</a>).'
    )
    return [line]


def best_model(project: Project, summary: EvaluateSummary | None) -> list[str]:
    """Return how far the best model is ahead of the next under ReaL, and how sure that is; empty unless two differ."""
    if summary is None or summary.order is None or len(summary.models) < 2:
        return []
    ranked = sorted(summary.models, key=lambda model: -(model.real.value or 0.0))
    pairs = pd.DataFrame(_rows(project, "evaluate", "pairs.csv"))
    found = lead(pairs, ranked[0].model, ranked[1].model) if len(pairs) else None
    if found is None:
        return []
    claim, reason = map(escape, lead_words(found, len(ranked)))
    more = '<a href="evaluate.html#Is-one-model-better-than-another?">is one better than another?</a>'
    return [f"<strong>{claim}</strong>, {reason} ({more})."]


def _of(share: Share) -> str:
    return f"{share.value or 0:.1%} of {so_many(share.n, 'vote')}"


def _rows(project: Project, stage: ResultStage, file: str) -> list[dict[str, str]]:
    path = tables_dir(project, stage) / file
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
