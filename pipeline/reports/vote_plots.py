"""Figures of stages 3 and 4: agreement, disputed and confused classes, annotators, yield, reliability, budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DatasetError
from pipeline.reports.evaluation_plots import DescribedFigure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Colours that can be told apart with every common kind of colour blindness (Okabe and Ito, 2008).
_BLUE, _VERMILION, _GREY, _PALE = "#0072B2", "#D55E00", "#777777", "#E4E4E4"
_SIZE_INCHES = (6.4, 4.4)
_MINUTES_DRAWN_AS_HOURS = 180


def agreement_heat_map(matrix: pd.DataFrame) -> DescribedFigure:
    """Draw the agreement of every pair of annotators.

    Parameters
    ----------
    matrix
        From :func:`pipeline.votes.agreement.agreement_matrix`.

    Raises
    ------
    DatasetError
        If no two annotators were compared.
    """
    values = matrix.to_numpy(dtype=float)
    if not np.isfinite(values).any():
        raise DatasetError("no two annotators voted on the same class of the same image; there is no agreement to draw")
    figure, axes = _axes()
    image = axes.imshow(values, cmap="cividis", vmin=float(np.nanmin(values)), vmax=1.0)
    axes.set_facecolor(_PALE)
    figure.colorbar(image, ax=axes, label="share of equal votes (grey: never compared)")
    names = [str(name) for name in matrix.index]
    if len(names) <= 40:
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{len(names)} annotators, in the order of the table")
    row, column = np.unravel_index(int(np.nanargmin(values)), values.shape)
    alt = (
        f"Heat map of the agreement of {len(names)} annotators. Agreement runs from {np.nanmin(values):.2f} "
        f"({names[row]} and {names[column]}) to {np.nanmax(values):.2f}; its median is {np.nanmedian(values):.2f}."
    )
    return DescribedFigure(figure, alt)


def disputed_classes(per_class: pd.DataFrame, n_classes: int = 20) -> DescribedFigure:
    """Draw the classes on which votes differ most often, with 95% intervals.

    Parameters
    ----------
    per_class
        From a :class:`pipeline.disagreement.DisagreementAnalysis`; ``class`` may hold names instead of indices.
    n_classes
        How many to show.
    """
    table = per_class[per_class["n_compared"] > 0].head(n_classes).iloc[::-1]
    _require(table, "no class has two votes on one image; there is no dispute to draw")
    figure, axes = _axes(height=0.25 * len(table) + 1.2)
    share = table["split_share"].to_numpy()
    bars = [share - table["split_low"].to_numpy(), table["split_high"].to_numpy() - share]
    labels = [f"{name} ({n:,})" for name, n in zip(table["class"], table["n_compared"], strict=True)]
    axes.barh(labels, 100 * share, xerr=100 * np.clip(bars, 0, None), color=_BLUE, ecolor=_GREY)
    axes.set_xlabel("votes differ, % of images compared (how many)")
    top = table.iloc[-1]
    alt = (
        f"Bars of the {len(table)} most disputed classes. Most often disputed is {top['class']}: votes differ on "
        f"{top['n_split']:,} of {top['n_compared']:,} images ({top['split_share']:.0%})."
    )
    return DescribedFigure(figure, alt)


def confused_class_pairs(pairs: pd.DataFrame, n_pairs: int = 20) -> DescribedFigure:
    """Draw the pairs of classes where one annotator ticked one class and another annotator the other."""
    from matplotlib.ticker import MaxNLocator

    table = pairs.head(n_pairs).iloc[::-1]
    _require(table, "no two classes were confused; there is nothing to draw")
    figure, axes = _axes(height=0.25 * len(table) + 1.2)
    labels = [f"{one} / {other}" for one, other in zip(table["class_a"], table["class_b"], strict=True)]
    axes.barh(labels, table["n_confusions"], color=_VERMILION)
    axes.set_xlabel("confusions")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    alt = (
        f"Bars of the {len(table)} most confused pairs of classes, led by {labels[-1]} with "
        f"{table['n_confusions'].iloc[-1]:,} confusions."
    )
    return DescribedFigure(figure, alt)


def annotator_profiles(profiles: pd.DataFrame) -> DescribedFigure:
    """Draw each annotator's sensitivity against their specificity, with 95% intervals."""
    table = profiles.dropna(subset=["sensitivity", "specificity"])
    _require(table, "no annotator has both a sensitivity and a specificity; there is nothing to draw")
    figure, axes = _axes()
    axes.errorbar(
        table["specificity"],
        table["sensitivity"],
        xerr=_error_bars(table, "specificity"),
        yerr=_error_bars(table, "sensitivity"),
        fmt="o",
        color=_BLUE,
        ecolor=_GREY,
        elinewidth=0.8,
        markersize=4,
    )
    if len(table) <= 20:
        for row in table.itertuples():
            axes.annotate(
                str(row.annotator),
                (row.specificity, row.sensitivity),
                xytext=(5, 5),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set_xlabel("specificity: says no where the label does not apply")
    axes.set_ylabel("sensitivity: says yes where it applies")
    alt = (
        f"Scatter plot of {len(table)} annotators: sensitivity from {table['sensitivity'].min():.2f} to "
        f"{table['sensitivity'].max():.2f}, specificity from {table['specificity'].min():.2f} to "
        f"{table['specificity'].max():.2f}."
    )
    return DescribedFigure(figure, alt)


def model_against_people(table: pd.DataFrame) -> DescribedFigure:
    """Draw how often people ticked the proposal at each rank.

    Parameters
    ----------
    table
        From :func:`pipeline.disagreement.model.compare_ranks_to_people`.
    """
    from matplotlib.ticker import MaxNLocator

    ranked = table[table["rank"].notna()]
    _require(ranked, "no proposal has a vote; the model cannot be compared with people")
    figure, axes = _axes()
    share = ranked["any_yes_share"].to_numpy()
    bars = np.clip([share - ranked["low"].to_numpy(), ranked["high"].to_numpy() - share], 0, None)
    axes.bar(ranked["rank"].astype(int), 100 * share, yerr=100 * bars, color=_BLUE, ecolor=_GREY)
    axes.set_xlabel("rank of the proposal")
    axes.set_ylabel("ticked by someone, % of the images it was judged on")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=len(ranked) + 1 if len(ranked) <= 25 else 10, integer=True))
    axes.set_xlim(0.4, len(ranked) + 0.6)
    first, last = ranked.iloc[0], ranked.iloc[-1]
    alt = (
        f"Bars of the share of proposals that someone ticked, by rank. At rank {first['rank']} it is "
        f"{first['any_yes_share']:.0%} of {first['n_judged']:,}, at rank {last['rank']} {last['any_yes_share']:.0%} of "
        f"{last['n_judged']:,}."
    )
    return DescribedFigure(figure, alt)


def yield_curve(ranking: pd.DataFrame, budget_minutes: float | None = None) -> DescribedFigure:
    """Draw the errors expected to remain against the minutes spent.

    The errors come from :func:`pipeline.consensus.value_of_refining.rank_by_value`.
    """
    _require(ranking, "no image has votes; there is no yield to draw")
    figure, axes = _axes()
    minutes = np.concatenate([[0.0], ranking["cumulative_minutes"]])
    start = float(ranking["expected_errors"].sum())
    remaining = np.concatenate([[start], ranking["remaining_errors"]])
    unit, scale = ("hours", 60) if minutes[-1] > _MINUTES_DRAWN_AS_HOURS else ("minutes", 1)
    axes.plot(minutes / scale, remaining, color=_BLUE)
    axes.set_ylim(bottom=0)
    if budget_minutes is not None:
        axes.axvline(budget_minutes / scale, color=_VERMILION, linestyle="--", label="budget")
        axes.legend(frameon=False)
    best = int(np.argmin(remaining))
    axes.set_xlabel(f"{unit} of refinement, the most worthwhile images first")
    axes.set_ylabel("wrong labels expected to remain")
    alt = (
        f"Curve of the wrong labels expected to remain, from {start:,.0f} before refinement to {remaining[best]:,.0f} "
        f"after {minutes[best] / scale:,.1f} {unit}, beyond which refining fixes no more than it breaks."
    )
    return DescribedFigure(figure, alt)


def reliability_plot(table: pd.DataFrame) -> DescribedFigure:
    """Draw observed against claimed shares, from :func:`pipeline.consensus.calibration.reliability`."""
    _require(table, "no item has a known answer; there is no reliability to draw")
    figure, axes = _axes()
    axes.plot([0, 1], [0, 1], linestyle=":", color=_GREY, label="as claimed")
    bars = np.clip([table["observed"] - table["low"], table["high"] - table["observed"]], 0, None)
    axes.errorbar(table["claimed"], table["observed"], yerr=bars, fmt="o-", color=_BLUE, label="observed, 95%")
    axes.set_xlabel("mean posterior of the bin")
    axes.set_ylabel("share that applies")
    axes.legend(frameon=False)
    gaps = (table["observed"] - table["claimed"]).abs().to_numpy()
    worst = table.iloc[int(np.argmax(gaps))]
    alt = (
        f"Reliability of the posterior in {len(table)} bins over {table['n_items'].sum():,} items. The largest gap is "
        f"{gaps.max():.2f}, where {worst['claimed']:.2f} is claimed and {worst['observed']:.2f} observed."
    )
    return DescribedFigure(figure, alt)


def budget_curve(table: pd.DataFrame) -> DescribedFigure:
    """Draw quality against votes asked for, from :func:`pipeline.consensus.budget.replay`."""
    _require(table, "no policy was replayed; there is nothing to draw")
    figure, axes = _axes()
    bars = np.clip([table["f1"] - table["low"], table["high"] - table["f1"]], 0, None)
    axes.errorbar(table["votes_per_item"], table["f1"], yerr=bars, fmt="o", color=_BLUE, ecolor=_GREY)
    for number, row in enumerate(table.itertuples(), start=1):
        at = (row.votes_per_item, row.f1)
        axes.annotate(str(number), at, (6, -4), textcoords="offset points", fontsize=9)
        axes.plot([], [], " ", label=f"{number}  {row.policy}")
    axes.legend(frameon=False, loc="lower right", handlelength=0, fontsize=9)
    axes.set_xlabel("votes per question")
    axes.set_ylabel("F1 against the reference, 95% interval")
    told = "; ".join(f"{row.policy}: {row.votes_per_item:.2f} votes, F1 {row.f1:.3f}" for row in table.itertuples())
    return DescribedFigure(figure, f"F1 against votes per question for {len(table)} policies. {told}.")


def _axes(height: float = _SIZE_INCHES[1]) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE_INCHES[0], height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _error_bars(table: pd.DataFrame, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.clip([table[name] - table[f"{name}_low"], table[f"{name}_high"] - table[name]], 0, None)


def _require(table: pd.DataFrame, message: str) -> None:
    if len(table) == 0:
        raise DatasetError(message)
