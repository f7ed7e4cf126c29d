"""Figures of stage 5: Top-1 against ReaL, how many labels images have, accuracy by number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import DatasetError
from pipeline.evaluation.shares import Share
from pipeline.project.wording import so_many

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipeline.evaluation.models import Evaluation
    from pipeline.evaluation.multilabel import LabelCountAccuracy

#: Label counts from this one on are drawn together.
MANY_LABELS = 5
#: Colours that can be told apart with every common kind of colour blindness (Okabe and Ito, 2008), and their marks.
TOP1_COLOUR, REAL_COLOUR = "#0072B2", "#D55E00"
_SIZE_INCHES = (6.4, 4.4)


@dataclass(frozen=True)
class DescribedFigure:
    """A figure, with a description in words for those who cannot see it."""

    figure: Figure
    alt_text: str


def top1_against_real(evaluation: Evaluation) -> DescribedFigure:
    """Draw one point per model with its intervals, the fitted line, and the diagonal of equal accuracies.

    Raise `DatasetError` if no model has both accuracies.
    """
    points = [(model.top1, model.real) for model in evaluation.models if model.top1.n and model.real.n]
    if not points:
        raise DatasetError("no model has both Top-1 and ReaL; evaluate on images with original and refined labels")
    figure, axes = new_axes()
    top1, real = [_percent(share) for share, _ in points], [_percent(share) for _, share in points]
    axes.errorbar(
        top1,
        real,
        xerr=_error_bars([share for share, _ in points]),
        yerr=_error_bars([share for _, share in points]),
        fmt="o",
        color=REAL_COLOUR,
        ecolor="#999999",
        elinewidth=0.8,
        markersize=4,
        label=f"{so_many(len(points), 'model')}, 95% intervals",
    )
    ends = [min(top1), max(top1)]
    axes.plot(ends, ends, linestyle=":", color="#555555", label="ReaL equal to Top-1")
    fit, sentence = evaluation.fit, "No line can be fitted."
    if fit.slope is not None and fit.intercept is not None:
        r2 = "undefined" if fit.r2 is None else f"{fit.r2:.3f}"
        line = f"ReaL = {fit.slope:.3f} × Top-1 {100 * fit.intercept:+.1f} points, R² {r2}"
        axes.plot(ends, [fit.slope * x + 100 * fit.intercept for x in ends], color=TOP1_COLOUR, label=line)
        sentence = f"The fitted line is {line}."
    axes.set_xlabel(f"Top-1, % of {so_many(evaluation.n_original, 'image')}")
    axes.set_ylabel(f"ReaL accuracy, % of {so_many(evaluation.n_labelled, 'image')}")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    n_above = sum(y > x for x, y in zip(top1, real, strict=True))
    alt = (
        f"Scatter plot of ReaL accuracy against Top-1 for {so_many(len(points), 'model')}. Top-1 runs from "
        f"{min(top1):.1f}% to {max(top1):.1f}%, ReaL from {min(real):.1f}% to {max(real):.1f}%; ReaL is above Top-1 "
        f"for {n_above} of them. {sentence}"
    )
    return DescribedFigure(figure, alt)


def label_count_bars(evaluation: Evaluation) -> DescribedFigure:
    """Draw how many images have 0, 1, 2, … refined labels, with one bar for each number of labels."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_axes()
    counts = range(max(evaluation.label_counts) + 1)
    n_images = [evaluation.label_counts.get(count, 0) for count in counts]
    bars = axes.bar([str(count) for count in counts], n_images, color=[_bar_colour(count) for count in counts])
    axes.bar_label(bars, labels=[f"{n:,}" if n else "" for n in n_images], fontsize=8)
    axes.set_xlabel("Refined labels")
    axes.set_ylabel(f"Images (of {evaluation.n_images:,})")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    listed = ", ".join(f"{count}: {n:,}" for count, n in evaluation.label_counts.items())
    alt = (
        f"Bar chart of the number of images by number of refined labels. {listed}. "
        f"Two or more labels: {evaluation.multi_label} images."
    )
    return DescribedFigure(figure, alt)


def accuracy_by_label_count_lines(evaluation: Evaluation) -> DescribedFigure:
    """Draw the models' mean Top-1 and ReaL accuracy by number of labels, with the range over the models.

    Images with :data:`MANY_LABELS` labels or more are pooled; each tick states its number of images.

    Raise `DatasetError` if no model was evaluated.
    """
    if not evaluation.models:
        raise DatasetError("no model was evaluated; there is no accuracy to draw")
    figure, axes = new_axes()
    pooled = _pool(evaluation.by_label_count)
    ticks = sorted({count for _, count in pooled})
    sentences = []
    for name, label, colour, mark in (("top1", "Top-1", TOP1_COLOUR, "o"), ("real", "ReaL", REAL_COLOUR, "s")):
        shares = {count: [share for share in pooled.get((name, count), []) if share.n] for count in ticks}
        drawn = [count for count in ticks if shares[count]]
        values = [[_percent(share) for share in shares[count]] for count in drawn]
        means = [sum(found) / len(found) for found in values]
        axes.plot(
            drawn,
            means,
            marker=mark,
            color=colour,
            label=f"{label}, mean of {so_many(len(evaluation.models), 'model')}",
        )
        lowest, highest = [min(found) for found in values], [max(found) for found in values]
        axes.fill_between(drawn, lowest, highest, color=colour, alpha=0.15, linewidth=0)
        listed = ", ".join(f"{_count_name(c)}: {mean:.1f}%" for c, mean in zip(drawn, means, strict=True))
        sentences.append(f"Mean {label} by number of labels is {listed}.")
    n_images = {
        count: sum(n for c, n in evaluation.label_counts.items() if min(c, MANY_LABELS) == count) for count in ticks
    }
    axes.set_xticks(
        ticks, [f"{_count_name(count)}\n{so_many(n_images[count], 'image')}" for count in ticks], fontsize=8
    )
    axes.set_xlabel("Refined labels")
    axes.set_ylabel("Accuracy, % (shaded: range over the models)")
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    alt = (
        f"Line chart of Top-1 and ReaL by number of refined labels, for {so_many(len(evaluation.models), 'model')}. "
        f"{' '.join(sentences)} ReaL is undefined for images without labels."
    )
    return DescribedFigure(figure, alt)


def new_axes(height_inches: float = _SIZE_INCHES[1]) -> tuple[Figure, Axes]:
    """Return the axes of a new figure that no window or notebook shows by itself."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE_INCHES[0], height_inches), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _percent(share: Share) -> float:
    return 100 * share.n_hits / share.n


def _error_bars(shares: list[Share]) -> list[list[float]]:
    """Return how far each share's interval reaches below and above it, in percentage points."""
    intervals = [share.interval or (0.0, 1.0) for share in shares]
    below = [max(0.0, _percent(share) - 100 * low) for share, (low, _) in zip(shares, intervals, strict=True)]
    above = [max(0.0, 100 * high - _percent(share)) for share, (_, high) in zip(shares, intervals, strict=True)]
    return [below, above]


def _bar_colour(n_labels: int) -> str:
    return REAL_COLOUR if n_labels >= 2 else TOP1_COLOUR if n_labels == 1 else "#999999"


def _count_name(n_labels: int) -> str:
    return f"{n_labels} or more" if n_labels == MANY_LABELS else str(n_labels)


def _pool(rows: tuple[LabelCountAccuracy, ...]) -> dict[tuple[str, int], list[Share]]:
    """Return the models' shares by figure and number of labels, with the high numbers pooled."""
    summed: dict[tuple[str, int, str], tuple[int, int]] = {}
    for row in rows:
        for name, share in (("top1", row.accuracy.top1), ("real", row.accuracy.real)):
            key = (name, min(row.n_labels, MANY_LABELS), row.accuracy.model)
            n_hits, n = summed.get(key, (0, 0))
            summed[key] = (n_hits + share.n_hits, n + share.n)
    pooled: dict[tuple[str, int], list[Share]] = {}
    for (name, count, _), (n_hits, n) in summed.items():
        pooled.setdefault((name, count), []).append(Share(n_hits, n))
    return pooled
