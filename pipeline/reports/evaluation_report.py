"""What the notebook for stage 5 shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.evaluation.differences import SURE
from pipeline.evaluation.metrics import METRICS, Metric
from pipeline.evaluation.shares import Mean, Share
from pipeline.project.folder import Project
from pipeline.project.wording import so_many
from pipeline.reports import evaluation_plots as plots
from pipeline.reports.figures import figure
from pipeline.reports.formats import count, p_value, percent, text
from pipeline.reports.frames import boxed, frame_table, paragraph, sentences
from pipeline.reports.gallery import class_list, gallery, sample
from pipeline.reports.headlines import BEYOND_RECALL, EVIDENCE_MARK, evaluation_headline, order_lines, precision_line
from pipeline.reports.html import Html, table
from pipeline.reports.images_behind import images_behind
from pipeline.stages.evaluate import ProjectEvaluation, label_count_table

_N_IMAGES = 24
_TITLES = {metric.name: metric.title for metric in METRICS}


def headline(found: ProjectEvaluation) -> Html:
    """Return the most important figures."""
    summary = found.summary
    notice = ""
    if summary.simulated_annotators:
        names = text(", ".join(summary.simulated_annotators))
        notice = boxed(f"The refined labels rest on votes of <strong>simulated</strong> annotators: {names}.")
    return Html(notice + sentences(evaluation_headline(replace(summary, simulated_annotators=(), models=()))).text)


def data_set(found: ProjectEvaluation) -> Html:
    """Return the figures about the data set, each with its denominator."""
    evaluation = found.evaluation
    rows = [
        ("images evaluated", count(evaluation.n_images)),
        ("left out: nobody has decided them, or no label is given", count(found.n_undecided)),
        ("two or more refined labels", _share(evaluation.multi_label)),
        ("no refined label (left out of ReaL and Real@5)", count(evaluation.label_counts.get(0, 0))),
        ("original label among the refined ones", _share(found.n_original_kept)),
    ]
    if found.recall is not None:
        rows += [
            ("refined labels (those that somebody found) that the proposals contain", _share(found.recall.labels)),
            ("images all of whose refined labels were proposed", _share(found.recall.complete_images)),
        ]
    caption = f"The data set; refined labels from {found.source}. Shares with 95% intervals."
    if found.recall is not None:
        caption += f" Of what the proposals contain: {BEYOND_RECALL}."
    return table(None, rows, caption=caption)


def models(found: ProjectEvaluation) -> Html:
    """Return every model's figures."""
    accuracies = sorted(found.evaluation.models, key=lambda accuracy: -(accuracy.top1.value or 0.0))
    marked = found.summary.evidence_models
    rows = [
        (
            _name(accuracy.model, found),
            *(_percent(accuracy.shares[metric.name]) for metric in METRICS),
            text(found.summary.precisions[accuracy.model]),
        )
        for accuracy in accuracies
    ]
    notes = []
    if found.evaluation.shallow_models:
        notes.append(
            "Top-5 and Real@5 are undefined for models whose predictions name fewer than five classes per image: "
            + ", ".join(found.evaluation.shallow_models)
        )
    if found.evaluation.worst_first_models:
        notes.append(
            "The rankings of these models look as if they were stored worst first; they are scored as given: "
            + ", ".join(found.evaluation.worst_first_models)
        )
    if marked:
        notes.append(
            f"Models marked {EVIDENCE_MARK} gave evidence when these labels were settled: their ReaL and Real@5 say "
            "how far the labels follow them, too. Leave them out (mlf settle --leave-out-model) to score them fairly."
        )
    original = ", ".join(_explained(metric) for metric in METRICS if metric.labels == "original")
    refined = "; ".join(_explained(metric) for metric in METRICS if metric.labels == "refined")
    listed = table(
        ("model", *(f"{metric.title} (of {_n_images(metric, found):,})" for metric in METRICS), "precision"),
        rows,
        caption=f"{so_many(len(rows), 'model')} under the original labels ({original}) and the refined ones "
        f"({refined}), with "
        "95% intervals. In brackets: over how many images. Precision: in which the model was computed.",
        text_columns=(0, len(METRICS) + 1),
    )
    return Html(listed.text + (sentences(notes).text if notes else ""))


def _name(model: str, found: ProjectEvaluation) -> str:
    """Return a model's name, marked where it gave evidence for the labels that it is scored under."""
    return text(model + (EVIDENCE_MARK if model in found.summary.evidence_models else ""))


def _precisions(found: ProjectEvaluation) -> str:
    return precision_line(found.summary.precisions) + "."


def _n_images(metric: Metric, found: ProjectEvaluation) -> int:
    """Return over how many images a metric is, for the model with the longest ranking."""
    figures = [accuracy.shares[metric.name] for accuracy in found.evaluation.models]
    return max((figure.n for figure in figures if figure is not None), default=0)


def _explained(metric: Metric) -> str:
    return f"{metric.title}: {metric.meaning}" if metric.meaning else metric.title


def order(found: ProjectEvaluation) -> Html:
    """Say whether Top-1 and ReaL order the models alike."""
    comparison = found.evaluation.comparison
    if comparison is None:
        return paragraph("Not compared: it takes two models, and no more than 20 million answers.")
    return sentences(order_lines(comparison.order))


def ranks(found: ProjectEvaluation) -> Html:
    """Return the models' ranks under every metric, with how far they move when the images are drawn anew."""
    comparison = found.evaluation.comparison
    if comparison is None:
        return Html("")
    return frame_table(
        comparison.ranks,
        {
            "metric": lambda row: text(_TITLES[row.metric]),
            "model": lambda row: _name(row.model, found),
            "value": lambda row: percent(row.value, row.low, row.high),
            "rank": lambda row: count(row.rank),
            "ranks in 95% of the draws": lambda row: f"{row.rank_low} to {row.rank_high}",
        },
        caption=f"Ranks of the models, 1 the best, over {so_many(comparison.n_draws, 'draw')} of the images. "
        f"{_precisions(found)}",
        n_rows=1000,
        text_columns=(0, 1),
    )


def levels(found: ProjectEvaluation) -> Html:
    """Return the models at every level of the classes, or say that there is one level alone."""
    if not found.levels:
        return paragraph(
            "No class has a parent: there is one level. A column `parent` in the list of classes makes more."
        )
    rows = [
        (
            f"{each.level + 1} of {len(found.levels)}",
            count(each.n_classes),
            _share(each.evaluation.multi_label),
            _name(accuracy.model, found),
            _percent(accuracy.top1),
            _percent(accuracy.real),
        )
        for each in found.levels
        for accuracy in sorted(each.evaluation.models, key=lambda accuracy: -(accuracy.top1.value or 0.0))
    ]
    top1, real = found.evaluation.n_original, found.evaluation.n_labelled
    return table(
        ("level", "classes", "two or more labels", "model", f"Top-1 (of {top1:,})", f"ReaL (of {real:,})"),
        rows,
        caption="Rankings, original and refined labels read at every level, 1 the top: a class stands for all those "
        f"below it. With 95% intervals. {_precisions(found)}",
        text_columns=(0, 3),
    )


def differences(found: ProjectEvaluation) -> Html:
    """Return every two models compared on the same images."""
    comparison = found.evaluation.comparison
    if comparison is None:
        return Html("")
    return frame_table(
        comparison.pairs,
        {
            "metric": lambda row: text(_TITLES[row.metric]),
            "better": lambda row: _name(row.a, found),
            "than": lambda row: _name(row.b, found),
            "by, points": lambda row: f"{100 * row.difference:.2f} ({100 * row.low:.2f} to {100 * row.high:.2f})",
            "images only the first hits": lambda row: count(row.n_only_a),
            "only the second": lambda row: count(row.n_only_b),
            "of": lambda row: count(row.n_images),
            "p (McNemar)": lambda row: p_value(row.p),
            "p (Holm)": lambda row: p_value(row.p_holm),
            "sure": lambda row: "yes" if row.p_holm < SURE else "no",
        },
        caption="Every two models on the same images, with 95% intervals. Sure: p below 5% after Holm's correction.",
        n_rows=2500,
        text_columns=(0, 1, 2, 9),
    )


def label_doubt(found: ProjectEvaluation) -> Html:
    """Return ReaL with intervals that hold the voters' doubt."""
    if found.doubt is None:
        return paragraph("Not drawn: the labels come from elsewhere, or none of them is doubtful.")
    real = {accuracy.model: accuracy.real for accuracy in found.evaluation.models}
    low, high = found.doubt.multi_label_interval()
    listed = frame_table(
        found.doubt.table(),
        {
            "model": lambda row: _name(row.model, found),
            "ReaL, labels as settled": lambda row: _percent(real[row.model]),
            "ReaL, labels drawn too": lambda row: percent(row.expected, row.low, row.high),
        },
        caption=f"ReaL of {so_many(found.evaluation.n_labelled, 'image')}, with 95% intervals over the images, and "
        f"over images and labels. {_precisions(found)}",
        n_rows=1000,
    )
    words = (
        f"Multi-label share: {found.evaluation.multi_label}; with the doubt of labels, "
        f"95% of the draws lie between {low:.1%} and {high:.1%}."
    )
    return Html(paragraph(words).text + listed.text)


def underrating(project: Project, found: ProjectEvaluation) -> Html:
    """Return the classes on whose images Top-1 underrates the models most."""
    names = project.label_space.names
    return frame_table(
        found.evaluation.underrating,
        {
            "original label": lambda row: text(names[row.class_index]),
            "images": lambda row: count(row.n_images),
            "Top-1": lambda row: percent(row.top1),
            "ReaL": lambda row: percent(row.real),
            "underrated by, points": lambda row: f"{100 * row.underrated:.1f}",
        },
        caption=f"Mean over {so_many(len(found.evaluation.models), 'model')} on the images of each original label "
        "that have a refined label; the most underrated class first.",
        n_rows=1000,
    )


def top1_against_real(found: ProjectEvaluation) -> Html:
    """Return the scatter plot of all models with the fitted line."""
    fit = found.evaluation.fit
    line = "No line can be fitted: it takes two models or more that differ in Top-1."
    if fit.slope is not None and fit.intercept is not None:
        r2 = "undefined" if fit.r2 is None else f"{fit.r2:.3f}"
        line = f"ReaL = {fit.slope:.3f} × Top-1 {100 * fit.intercept:+.1f} points (R² {r2}, {fit.n_models} models)."
    n_marked = len(found.summary.evidence_models)
    marked = f" {n_marked:,} of these models gave evidence for the labels: their ReaL is too high." if n_marked else ""
    accuracies = sorted(found.evaluation.models, key=lambda accuracy: -(accuracy.top1.value or 0.0))
    behind = table(
        ("model", "Top-1", "ReaL", "ReaL minus Top-1, points"),
        [
            (text(each.model), _share(each.top1), _share(each.real), _points(each.top1.value, each.real.value))
            for each in accuracies
        ],
        caption="The points of the figure: Top-1 and ReaL of every model, with 95% intervals. " + _precisions(found),
    )
    return figure(
        lambda: plots.top1_against_real(found.evaluation),
        f"ReaL accuracy against Top-1, one point per model, with 95% intervals. {line}{marked}",
        behind,
        images_behind(found.image_index),
    )


def label_counts(found: ProjectEvaluation) -> Html:
    """Return how many images have each number of labels."""
    behind = frame_table(
        label_count_table(found.evaluation),
        {
            "refined labels": lambda row: count(row.n_labels),
            "images": lambda row: count(row.n_images),
            "share": lambda row: percent(row.share),
        },
        caption=f"Images by number of refined labels, of {found.evaluation.n_images:,}.",
    )
    return figure(
        lambda: plots.label_count_bars(found.evaluation),
        f"Images by their number of refined labels, of {found.evaluation.n_images:,}.",
        behind,
        images_behind(found.image_index),
    )


def accuracy_by_label_count(found: ProjectEvaluation) -> Html:
    """Return how models fare on images with one, two, … labels."""
    rows = [
        (
            count(part.n_labels),
            _name(part.accuracy.model, found),
            _share(part.accuracy.top1),
            _share(part.accuracy.real),
        )
        for part in sorted(found.evaluation.by_label_count, key=lambda part: (part.n_labels, part.accuracy.model))
    ]
    behind = table(
        ("refined labels", "model", "Top-1", "ReaL"),
        rows[:200],
        caption=f"Accuracy by number of refined labels: {min(len(rows), 200):,} of {so_many(len(rows), 'row')}. "
        f"{_precisions(found)}",
    )
    return figure(
        lambda: plots.accuracy_by_label_count_lines(found.evaluation),
        "Top-1 and ReaL by number of refined labels. Where an image deserves several labels, a model that names "
        "another one than the original is wrong under Top-1 and right under ReaL.",
        behind,
        images_behind(found.image_index),
    )


def multi_label_images(project: Project, found: ProjectEvaluation, seed: int = 0) -> Html:
    """Return images with several labels, each with its original and its refined labels."""
    many = np.flatnonzero(found.labels.n_labels >= 2)
    row_of = {int(found.image_index[row]): int(row) for row in sample(many, _N_IMAGES, seed)}

    def words(image: int) -> str:
        row = row_of[image]
        original = int(found.original[row])
        before = class_list(project, [original]) if original >= 0 else "<i>no original label</i>"
        after = class_list(project, found.labels[row].tolist(), bold=original)
        return f"<br>before: {before}<br>after: {after}"

    return gallery(
        project,
        list(row_of),
        words,
        f"{len(row_of):,} of the {so_many(len(many), 'image')} with two or more refined labels, drawn at random (seed "
        f"{seed}): the original label before, the refined labels after (the original in bold).",
        images_behind(found.image_index[many], "labels=2+"),
    )


def _share(share: Share | None) -> str:
    return "undefined" if share is None or share.value is None else f"{_percent(share)} of {share.n:,}"


def _points(top1: float | None, real: float | None) -> str:
    return "undefined" if top1 is None or real is None else f"{100 * (real - top1):+.1f}"


def _percent(share: Share | Mean | None) -> str:
    if share is None:
        return "undefined"
    low, high = share.interval or (None, None)
    return percent(share.value, low, high)
