"""Figures of stages 3 and 4: agreement, disputed and confused classes, annotators, yield, reliability, budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import DatasetError
from pipeline.project.wording import so_many
from pipeline.reports.evaluation_plots import DescribedFigure, new_axes

if TYPE_CHECKING:
    import pandas as pd

#: Colours that can be told apart with every common kind of colour blindness (Okabe and Ito, 2008).
_BLUE, _VERMILION, _GREY, _PALE = "#0072B2", "#D55E00", "#777777", "#E4E4E4"
_MINUTES_DRAWN_AS_HOURS = 180
#: How many classes, or pairs of them, are drawn.
_N_DRAWN = 20


def agreement_heat_map(matrix: pd.DataFrame, chance: float | None = None) -> DescribedFigure:
    """Draw the agreement of every pair of annotators.

    Most votes are *no*, so that two people agree on most classes even if they guess: colours begin at the
    agreement that chance would give.

    Parameters
    ----------
    matrix
        From :func:`pipeline.votes.agreement.agreement_matrix`.
    chance
        Share of equal votes to be expected by chance; None where it is undefined, and colours begin at the lowest.

    Raises
    ------
    DatasetError
        If no two annotators were compared.
    """
    values = matrix.to_numpy(dtype=float)
    if not np.isfinite(values).any():
        raise DatasetError("no two annotators voted on the same class of the same image; there is no agreement to draw")
    figure, axes = new_axes()
    lowest = float(np.nanmin(values)) if chance is None else min(max(chance, 0.0), 0.99)
    image = axes.imshow(100 * values, cmap="cividis", vmin=100 * lowest, vmax=100.0)
    axes.set_facecolor(_PALE)
    begin = "the lowest" if chance is None else "chance"
    words = f"equal votes, %, from {begin}\n(grey: never compared)"
    figure.colorbar(image, ax=axes, label=words, extend="min" if np.nanmin(values) < lowest else "neither")
    names = [str(name) for name in matrix.index]
    if len(names) <= 40:
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names)
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel(f"{so_many(len(names), 'annotator')}, in the order of the table")
    row, column = np.unravel_index(int(np.nanargmin(values)), values.shape)
    alt = (
        f"Heat map of the agreement of {so_many(len(names), 'annotator')}. Agreement runs from {np.nanmin(values):.1%} "
        f"({names[row]} and {names[column]}) to {np.nanmax(values):.1%}; its median is {np.nanmedian(values):.1%}"
        f"{'' if chance is None else f', and chance would give {chance:.1%}'}."
    )
    return DescribedFigure(figure, alt)


def disputed_classes(per_class: pd.DataFrame) -> DescribedFigure:
    """Draw the classes on which votes differ most often, with 95% intervals.

    Parameters
    ----------
    per_class
        From a :class:`pipeline.disagreement.DisagreementAnalysis`; ``class`` may hold names instead of indices.
    """
    chosen = per_class[per_class["n_compared"] > 0].head(_N_DRAWN)
    table = chosen.sort_values("split_share", kind="stable", ascending=False).iloc[::-1]
    _require(table, "no class has two votes on one image; there is no dispute to draw")
    figure, axes = new_axes(0.25 * len(table) + 1.2)
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


def confused_class_pairs(pairs: pd.DataFrame) -> DescribedFigure:
    """Draw the pairs of classes where one annotator ticked one class and another annotator the other."""
    from matplotlib.ticker import MaxNLocator

    table = pairs.head(_N_DRAWN).sort_values("n_confusions", kind="stable", ascending=False).iloc[::-1]
    _require(table, "no two classes were confused; there is nothing to draw")
    figure, axes = new_axes(0.25 * len(table) + 1.2)
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
    figure, axes = new_axes()
    axes.errorbar(
        100 * table["specificity"],
        100 * table["sensitivity"],
        xerr=100 * np.asarray(_error_bars(table, "specificity")),
        yerr=100 * np.asarray(_error_bars(table, "sensitivity")),
        fmt="o",
        color=_BLUE,
        ecolor=_GREY,
        elinewidth=0.8,
        markersize=4,
    )
    if len(table) <= 20:
        at = 100 * table[["specificity", "sensitivity"]].to_numpy()
        for name, (x, y) in zip(table["annotator"], at.tolist(), strict=True):
            axes.annotate(
                str(name),
                (x, y),
                xytext=(5, 5),
                textcoords="offset points",
                fontsize=8,
            )
    axes.set_xlabel("specificity, %: says no where the label does not apply")
    axes.set_ylabel("sensitivity, %: says yes where it applies")
    alt = (
        f"Scatter plot of {so_many(len(table), 'annotator')}: sensitivity from {table['sensitivity'].min():.1%} to "
        f"{table['sensitivity'].max():.1%}, specificity from {table['specificity'].min():.1%} to "
        f"{table['specificity'].max():.1%}."
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
    figure, axes = new_axes()
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


def yield_curve(ranking: pd.DataFrame) -> DescribedFigure:
    """Draw the errors expected to remain against the minutes spent.

    The errors come from :func:`pipeline.consensus.value_of_refining.rank_by_value`.
    """
    _require(ranking, "no image has votes; there is no yield to draw")
    figure, axes = new_axes()
    minutes = np.concatenate([[0.0], ranking["cumulative_minutes"]])
    start = float(ranking["expected_errors"].sum())
    remaining = np.concatenate([[start], ranking["remaining_errors"]])
    unit, scale = ("hours", 60) if minutes[-1] > _MINUTES_DRAWN_AS_HOURS else ("minutes", 1)
    axes.plot(minutes / scale, remaining, color=_BLUE)
    axes.set_ylim(bottom=0)
    best = int(np.argmin(remaining))
    axes.set_xlabel(f"{unit} of refinement, the most worthwhile images first")
    axes.set_ylabel("wrong labels expected to remain")
    alt = (
        f"Curve of the wrong labels expected to remain, from {start:,.0f} before refinement to {remaining[best]:,.0f} "
        f"after {minutes[best] / scale:,.1f} {unit}, beyond which refining fixes no more than it breaks."
    )
    return DescribedFigure(figure, alt)


def reliability_plot(before: pd.DataFrame, after: pd.DataFrame) -> DescribedFigure:
    """Draw observed against claimed shares (:func:`pipeline.consensus.calibration.reliability`), in both states."""
    _require(before, "no item has a known answer; there is no reliability to draw")
    figure, axes = new_axes()
    axes.plot([0, 1], [0, 1], linestyle=":", color=_GREY, label="as claimed")
    for name, part, colour in (("before recalibration, 95%", before, _GREY), ("after, 95%", after, _BLUE)):
        bars = np.clip([part["observed"] - part["low"], part["high"] - part["observed"]], 0, None)
        axes.errorbar(part["claimed"], part["observed"], yerr=bars, fmt="o-", color=colour, label=name)
    axes.set_xlabel("mean posterior of the bin")
    axes.set_ylabel("share that applies")
    axes.legend(frameon=False)
    alt = (
        f"Reliability of the posterior in {so_many(len(before), 'bin')} over {before['n_items'].sum():,} items. "
        f"{_worst_gap(before)} After recalibration: {_worst_gap(after)}"
    )
    return DescribedFigure(figure, alt)


def _worst_gap(table: pd.DataFrame) -> str:
    gaps = (table["observed"] - table["claimed"]).abs().to_numpy()
    worst = table.iloc[int(np.argmax(gaps))]
    return (
        f"The largest gap is {gaps.max():.2f}, where {worst['claimed']:.2f} is claimed and {worst['observed']:.2f} "
        "observed."
    )


def anchoring_effects(table: pd.DataFrame) -> DescribedFigure:
    """Draw effects on the share of yes, from :func:`pipeline.disagreement.anchoring.anchoring_effects`.

    The table has two more columns: ``words`` (what was tried out) and ``ranks``, both as text.
    """
    _require(table, "no task was shown in another way; there is nothing to compare")
    conditions = list(dict.fromkeys(table["words"]))
    groups = list(dict.fromkeys(table["ranks"]))
    figure, axes = new_axes()
    axes.axhline(0, color=_GREY, linewidth=1)
    for number, words in enumerate(conditions):
        own = table[table["words"] == words]
        at = np.array([groups.index(ranks) for ranks in own["ranks"]]) + 0.2 * (number - (len(conditions) - 1) / 2)
        bars = np.clip(100 * np.array([own["effect"] - own["low"], own["high"] - own["effect"]]), 0, None)
        axes.errorbar(at, 100 * own["effect"], yerr=bars, fmt="o", capsize=3, label=words)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_xlabel("rank of the proposal")
    axes.set_ylabel("effect on the share ticked, points")
    axes.legend(frameon=False)
    points = 100 * table[["effect", "low", "high"]].to_numpy(dtype=float)
    told = "; ".join(
        f"{words}, rank {ranks}: {effect:+.1f} ({low:+.1f} to {high:+.1f})"
        for words, ranks, (effect, low, high) in zip(table["words"], table["ranks"], points, strict=True)
    )
    return DescribedFigure(figure, f"Effects on the share of proposals ticked, in points. {told}.")


def budget_curve(table: pd.DataFrame) -> DescribedFigure:
    """Draw quality against votes, from :func:`pipeline.consensus.budget.replay`: a line for each way to ask."""
    _require(table, "no policy was replayed; there is nothing to draw")
    figure, axes = new_axes()
    told = []
    for (with_models, is_adaptive), part in table.groupby(["with_models", "is_adaptive"]):
        rows = part.sort_values("votes_per_item")
        bars = np.clip([rows["f1"] - rows["low"], rows["high"] - rows["f1"]], 0, None)
        name = ("adaptive" if is_adaptive else "the same number for all") + (", with models" if with_models else "")
        axes.errorbar(
            rows["votes_per_item"],
            rows["f1"],
            yerr=bars,
            fmt="o--" if is_adaptive else "o-",
            color=_VERMILION if with_models else _BLUE,
            ecolor=_GREY,
            markersize=4,
            label=name,
        )
        suffix = " with models" if with_models else ""
        figures = zip(rows["policy"], rows["votes_per_item"], rows["f1"], strict=True)
        told += [f"{policy}{suffix}: {n_votes:.2f} votes, F1 {f1:.3f}" for policy, n_votes, f1 in figures]
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    axes.set_xlabel("votes per question")
    axes.set_ylabel("F1, 95% interval")
    return DescribedFigure(figure, f"F1 against votes per question for {len(table)} policies. {'; '.join(told)}.")


def _error_bars(table: pd.DataFrame, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.clip([table[name] - table[f"{name}_low"], table[f"{name}_high"] - table[name]], 0, None)


def _require(table: pd.DataFrame, message: str) -> None:
    if len(table) == 0:
        raise DatasetError(message)
