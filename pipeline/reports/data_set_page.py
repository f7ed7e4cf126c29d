"""What `mlf compare-datasets` writes: a page with the picture, the table behind it, and a summary."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from pipeline.errors import DatasetError, in_plain_words
from pipeline.evaluation.data_sets import DataSetComparison
from pipeline.project.files import write_table
from pipeline.project.writing import write_text
from pipeline.reports.evaluation_plots import REAL_COLOUR, TOP1_COLOUR, DescribedFigure, new_axes
from pipeline.reports.figures import figure
from pipeline.reports.formats import text
from pipeline.reports.frames import frame_table, sentences
from pipeline.reports.html import Html, lone_page


def comparison_lines(found: DataSetComparison, names: tuple[str, str]) -> list[str]:
    """Return what a person wants to know first, line by line."""
    first, second = names
    n = f"{found.n_models:,}"
    lines = [
        (
            f"From {first} to {second}, {n} models lose {100 * found.mean_top1_drop:.2f} points of Top-1 "
            f"and {100 * found.mean_real_drop:.2f} points of ReaL in the mean"
        ),
        (
            f"{found.n_less:,} of {found.n_models:,} models lose less under ReaL, "
            f"{100 * float(found.drops['kept_back'].mean()):.2f} points less in the mean"
        ),
    ]
    for which, only in ((first, found.only_first), (second, found.only_second)):
        if only:
            lines.append(f"Left out, scored on {which} alone: {', '.join(only)}")
    return lines


def drop_plot(found: DataSetComparison, names: tuple[str, str]) -> DescribedFigure:
    """Draw each model's accuracy on the second data set against the first, under both kinds of labels."""
    drawn, axes = new_axes()
    sentences_said = []
    for metric, title, colour, mark in (("top1", "Top-1", TOP1_COLOUR, "o"), ("real", "ReaL", REAL_COLOUR, "s")):
        x, y = 100 * found.drops[f"{metric}_first"], 100 * found.drops[f"{metric}_second"]
        axes.plot(x, y, mark, color=colour, markersize=4, label=f"{title}, {found.n_models} models")
        sentences_said.append(f"{title} runs from {y.min():.1f}% to {y.max():.1f}% on {names[1]}")
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], linestyle=":", color="#555555", label="no drop")
    axes.set_xlabel(f"{names[0]}, accuracy in %")
    axes.set_ylabel(f"{names[1]}, accuracy in %")
    drawn.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    alt = (
        f"Scatter plot of {found.n_models} models, accuracy on {names[1]} against {names[0]}: "
        f"{'; '.join(sentences_said)}. The points of ReaL lie nearer to the line of no drop."
        if found.mean_real_drop < found.mean_top1_drop
        else f"Scatter plot of {found.n_models} models, accuracy on {names[1]} against {names[0]}."
    )
    return DescribedFigure(drawn, alt)


def drop_table(found: DataSetComparison, names: tuple[str, str]) -> Html:
    """Return every model's accuracies and drops."""

    def points(value: float, low: float | None = None, high: float | None = None) -> str:
        interval = "" if low is None or high is None else f" ({100 * low:.2f} to {100 * high:.2f})"
        return f"{100 * value:.2f}{interval}"

    return frame_table(
        found.drops,
        {
            "model": lambda row: text(row.model),
            f"Top-1, {names[0]}": lambda row: points(row.top1_first),
            f"Top-1, {names[1]}": lambda row: points(row.top1_second),
            "Top-1 drop (95%)": lambda row: points(row.top1_drop, row.top1_low, row.top1_high),
            f"ReaL, {names[0]}": lambda row: points(row.real_first),
            f"ReaL, {names[1]}": lambda row: points(row.real_second),
            "ReaL drop (95%)": lambda row: points(row.real_drop, row.real_low, row.real_high),
            "less under ReaL by": lambda row: points(row.kept_back),
        },
        caption="Accuracies in %, drops in points, the images of both data sets as independent samples.",
        n_rows=10_000,
    )


def write_comparison(found: DataSetComparison, names: tuple[str, str], out: Path) -> Path:
    """Write drops.csv, summary.json and drops.html into a folder, which is made where missing; return the page.

    Raise `DatasetError` if the folder cannot be written to.
    """
    behind = drop_table(found, names)
    shown = figure(lambda: drop_plot(found, names), "Each model once under single labels and once under refined ones.")
    title = f"{names[0]} and {names[1]}"
    body = sentences(comparison_lines(found, names)).text + shown.text + behind.text
    figures = {name: value for name, value in vars(found).items() if name not in ("drops", "top1_fit", "real_fit")}
    summary = figures | {
        "n_models": found.n_models,
        "first": names[0],
        "second": names[1],
        "top1_fit": asdict(found.top1_fit),
        "real_fit": asdict(found.real_fit),
    }
    page = out / "drops.html"
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_table(found.drops, out / "drops.csv")
        write_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
        write_text(page, lone_page(title, body))
    except OSError as error:
        raise DatasetError(f"{out}: results cannot be written there: {in_plain_words(error, out)}") from error
    return page
