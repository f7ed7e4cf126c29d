"""The first page of a report: what came of the project in a few sentences, and three pictures."""

from __future__ import annotations

import re
from html import escape
from itertools import chain
from pathlib import Path
from statistics import fmean

from pipeline.evaluation.label_changes import KINDS
from pipeline.evaluation.shares import Share
from pipeline.project.folder import Project
from pipeline.project.results import read_summary_if_any
from pipeline.project.wording import so_many
from pipeline.reports.formats import INTERVAL, percent
from pipeline.reports.html import Html, table
from pipeline.reports.reader_answers import best_model, messy_classes, who_differs
from pipeline.stages.analyze import AnalyzeSummary
from pipeline.stages.compare_labels import LabelComparison, compare_labels
from pipeline.stages.evaluate import EvaluateSummary
from pipeline.stages.settle import SettleSummary

#: How the pictures of the overview begin in words, with the page that each is on.
_PICTURES = (
    ("evaluate.html#The-data-set", "Bar chart of the number of images by number of refined labels"),
    ("evaluate.html#Top-1-against-ReaL", "Scatter plot of ReaL accuracy against Top-1"),
    ("analyze.html#Between-whom", ""),
)
_FIGURE = re.compile(r'<figure\b.*?</figure>(?:<p class="mlf-behind".*?</p>)?', re.DOTALL)


def overview(project: Project) -> Html:
    """Return the page's content: sentences, how many images changed against what, and pictures with their sources."""
    analyzed = read_summary_if_any(project, "analyze", AnalyzeSummary)
    settled = read_summary_if_any(project, "settle", SettleSummary)
    evaluated = read_summary_if_any(project, "evaluate", EvaluateSummary)
    changed = None if settled is None else compare_labels(project)
    lines = [
        *_label_lines(settled, changed),
        *_model_lines(evaluated),
        *best_model(project, evaluated),
        *who_differs(project, analyzed),
        *messy_classes(project),
        *_people_lines(analyzed),
    ]
    listed = "".join(f"<li>{line}</li>" for line in lines)
    parts = [
        f"<h1>{escape(project.settings.project.name)}</h1>",
        _simulated(analyzed, settled, evaluated),
        f'<ul class="mlf-headline">{listed}</ul>',
    ]
    if settled is not None and changed is not None:
        parts.append(_changes(settled, changed).text)
    parts += _pictures(project.reports_dir)
    return Html("".join(parts))


def _label_lines(summary: SettleSummary | None, changed: LabelComparison | None) -> list[str]:
    if summary is None or changed is None:
        return ["Labels are not settled yet: <code>mlf settle</code>."]
    multi = Share(summary.n_multi_label, summary.n_labelled_images)
    low, high = multi.interval or (None, None)
    different = Share(changed.n_changed, len(changed.changes))
    return [
        (
            f"<strong>{multi.n_hits:,} of {multi.n:,} images have more than one label</strong>: "
            f"{percent(multi.value, low, high, named=INTERVAL)}."
        ),
        (
            f"<strong>{different.n_hits:,} of {so_many(different.n, 'image')} differ from their original "
            f"label</strong>: {different.value or 0:.1%} have other labels than just that one "
            '(<a href="explorer.html#images=changed">see them</a>).'
        ),
        (
            f"Against what annotators had said before, refinement changed {summary.n_changed_by_refinement:,} of "
            f"{so_many(summary.n_labelled_images, 'image')}."
        ),
    ]


def _model_lines(summary: EvaluateSummary | None) -> list[str]:
    if summary is None:
        return ["Models are not scored yet: <code>mlf evaluate</code>."]
    gains = [
        m.real.value - m.top1.value for m in summary.models if m.real.value is not None and m.top1.value is not None
    ]
    if not gains:
        return []
    points = 100 * fmean(gains)
    word = "gain" if points >= 0 else "lose"
    n_marked = len(summary.evidence_models)
    marked = f" ({n_marked:,} of them gave evidence for the labels, so that their ReaL is too high)" if n_marked else ""
    line = (
        f"<strong>Models {word} {abs(points):.1f} points</strong> when any refined label counts (ReaL) instead of the "
        f"original one (Top-1): mean over {so_many(len(gains), 'model')}, from {100 * min(gains):+.1f} to "
        f'{100 * max(gains):+.1f}{marked} (<a href="evaluate.html#The-models">all models</a>).'
    )
    return [line]


def _people_lines(summary: AnalyzeSummary | None) -> list[str]:
    if summary is None:
        return []
    share = Share(summary.n_set_disagreements, summary.n_images_compared)
    alpha = "undefined" if summary.alpha is None else f"{summary.alpha:.2f}"
    line = (
        f"<strong>Annotators differ on {share.n_hits:,} of {so_many(share.n, 'image')}</strong> that two or more "
        f"decided (Krippendorff's alpha of their votes: {alpha}; "
        '<a href="analyze.html#Between-whom">who differs from whom</a>). '
        '<a href="explorer.html#sort=worst&amp;look=first">Look at the worst image</a>.'
    )
    return [line]


def _simulated(*summaries: AnalyzeSummary | SettleSummary | EvaluateSummary | None) -> str:
    found = (summary.simulated_annotators for summary in summaries if summary is not None)
    people = dict.fromkeys(chain.from_iterable(found))
    if not people:
        return ""
    names = escape(", ".join(people))
    return (
        f'<p class="mlf-simulated"><b>Simulated:</b> {names}. The votes of these annotators were made by programs, not '
        "by people.</p>"
    )


def _changes(summary: SettleSummary, changed: LabelComparison) -> Html:
    n = len(changed.changes)
    rows = [(f"{kind}: {KINDS[kind]}", f"{count:,}", f"{count / n:.1%}") for kind, count in changed.n_by_kind.items()]
    rows.append(("not the same, all together", f"{changed.n_changed:,}", f"{changed.n_changed / n:.1%}"))
    rows.append(
        (
            "changed by refinement, against annotation alone",
            f"{summary.n_changed_by_refinement:,}",
            f"{summary.n_changed_by_refinement / max(summary.n_labelled_images, 1):.1%}",
        )
    )
    caption = (
        f"How the refined labels differ from the original label, {so_many(n, 'image')}; the last row is "
        "against annotation."
    )
    return Html(f"<h2>How many images changed</h2>{table(('images', 'number', 'share'), rows, caption=caption).text}")


def _pictures(folder: Path) -> list[str]:
    parts = []
    for target, beginning in _PICTURES:
        page = folder / target.partition("#")[0]
        if not page.is_file():
            continue
        figures = _FIGURE.findall(page.read_text(encoding="utf-8"))
        found = next((one for one in figures if f'alt="{beginning}' in one), None)
        if found is not None:
            parts.append(f'{found}<p><a href="{target}">The table behind it</a></p>')
    return parts
