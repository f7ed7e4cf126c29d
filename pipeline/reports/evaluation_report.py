"""What the notebook for stage 5 shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.evaluation.metrics import METRICS, Metric
from pipeline.evaluation.shares import Share
from pipeline.project.folder import Project
from pipeline.reports import evaluation_plots as plots
from pipeline.reports.figures import figure
from pipeline.reports.formats import count, percent, text
from pipeline.reports.frames import frame_table, sentences
from pipeline.reports.gallery import class_list, gallery, sample
from pipeline.reports.headlines import EVIDENCE_MARK, evaluation_headline
from pipeline.reports.html import Html, table
from pipeline.stages.evaluate import ProjectEvaluation, label_count_table

_N_IMAGES = 24


def headline(found: ProjectEvaluation) -> Html:
    """Return the most important figures."""
    summary = found.summary
    notice = ""
    if summary.simulated_annotators:
        notice = (
            '<p style="border:2px solid #D55E00;padding:.6em .8em">The refined labels rest on votes of <strong>'
            f"simulated</strong> annotators: {text(', '.join(summary.simulated_annotators))}.</p>"
        )
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
            ("refined labels that the proposals contain", _share(found.recall.labels)),
            ("images all of whose refined labels were proposed", _share(found.recall.complete_images)),
        ]
    return table(None, rows, caption=f"The data set; refined labels from {found.source}. Shares with 95% intervals.")


def models(found: ProjectEvaluation) -> Html:
    """Return every model's figures."""
    accuracies = sorted(found.evaluation.models, key=lambda accuracy: -(accuracy.top1.value or 0.0))
    marked = found.summary.evidence_models
    rows = [
        (
            text(accuracy.model + (EVIDENCE_MARK if accuracy.model in marked else "")),
            *(_percent(accuracy.shares[metric.name]) for metric in METRICS),
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
    n_of = {"original": found.evaluation.n_original, "refined": found.evaluation.n_labelled}
    original = ", ".join(_explained(metric) for metric in METRICS if metric.labels == "original")
    refined = "; ".join(_explained(metric) for metric in METRICS if metric.labels == "refined")
    listed = table(
        ("model", *(f"{metric.title} (of {n_of[metric.labels]:,})" for metric in METRICS)),
        rows,
        caption=f"{len(rows):,} models under the original labels ({original}) and the refined ones ({refined}), with "
        "95% intervals. In brackets: over how many images.",
    )
    return Html(listed.text + (sentences(notes).text if notes else ""))


def _explained(metric: Metric) -> str:
    return f"{metric.title}: {metric.meaning}" if metric.meaning else metric.title


def top1_against_real(found: ProjectEvaluation) -> Html:
    """Return the scatter plot of all models with the fitted line."""
    fit = found.evaluation.fit
    line = "No line can be fitted: it takes two models or more that differ in Top-1."
    if fit.slope is not None and fit.intercept is not None:
        r2 = "undefined" if fit.r2 is None else f"{fit.r2:.3f}"
        line = f"ReaL = {fit.slope:.3f} × Top-1 {fit.intercept:+.3f} (R² {r2}, {fit.n_models} models)."
    return figure(
        lambda: plots.top1_against_real(found.evaluation),
        f"ReaL accuracy against Top-1, one point per model, with 95% intervals. {line}",
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
    )


def accuracy_by_label_count(found: ProjectEvaluation) -> Html:
    """Return how models fare on images with one, two, … labels."""
    rows = [
        (
            count(part.n_labels),
            text(part.accuracy.model),
            _share(part.accuracy.top1),
            _share(part.accuracy.real),
        )
        for part in sorted(found.evaluation.by_label_count, key=lambda part: (part.n_labels, part.accuracy.model))
    ]
    behind = table(
        ("refined labels", "model", "Top-1", "ReaL"),
        rows[:200],
        caption=f"Accuracy by number of refined labels: {min(len(rows), 200):,} of {len(rows):,} rows.",
    )
    return figure(
        lambda: plots.accuracy_by_label_count_lines(found.evaluation),
        "Top-1 and ReaL by number of refined labels. Where an image deserves several labels, a model that names "
        "another one than the original is wrong under Top-1 and right under ReaL.",
        behind,
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
        f"{len(row_of):,} of the {len(many):,} images with two or more refined labels, drawn at random (seed {seed}): "
        "the original label before, the refined labels after (the original in bold).",
    )


def _share(share: Share | None) -> str:
    return "undefined" if share is None or share.value is None else f"{_percent(share)} of {share.n:,}"


def _percent(share: Share | None) -> str:
    if share is None:
        return "undefined"
    low, high = share.interval or (None, None)
    return percent(share.value, low, high)
