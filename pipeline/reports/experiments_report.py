"""What stage 3 shows of a project's experiment and of its search probes."""

from __future__ import annotations

import math
from typing import Any

from pipeline.disagreement.search_probes import ProbeFindings, Rate
from pipeline.project.presentation import CONTROL, Condition
from pipeline.project.wording import so_many
from pipeline.reports import vote_plots as plots
from pipeline.reports.figures import figure
from pipeline.reports.formats import count, number, percent, text
from pipeline.reports.frames import frame_table, paragraph
from pipeline.reports.headlines import recall_line
from pipeline.reports.html import Html, table
from pipeline.reports.images_behind import images_behind
from pipeline.stages.analyze import ProjectAnalysis


def way_of_showing(analysis: ProjectAnalysis) -> Html:
    """Return what the way of showing proposals does to how often people tick them."""
    found = analysis.experiments
    if found.anchoring is None:
        return paragraph(
            "Nothing was tried out: set share in [experiment] of mlf.toml, and that share of the tasks is shown in "
            "another way."
        )
    n_usual = found.n_tasks.get(CONTROL, 0)
    tried = ", ".join(f"{words_of(name)}: {so_many(n, 'task')}" for name, n in found.n_tasks.items() if name != CONTROL)
    behind = frame_table(
        found.anchoring,
        {
            "shown": lambda row: text(words_of(row.condition)),
            "rank": rank_words,
            "ticked": lambda row: f"{count(row.n_yes)} of {count(row.n_votes)}: {percent(row.share)}",
            "as usual": lambda row: f"{count(row.n_yes_usual)} of {count(row.n_usual)}: {percent(row.share_usual)}",
            "effect (95% interval)": lambda row: (
                f"{100 * row.effect:+.1f} points ({100 * row.low:+.1f} to {100 * row.high:+.1f})"
            ),
        },
        caption="Share of the proposals shown that were ticked, by rank.",
        n_rows=60,
        text_columns={0, 1},
    )
    mixed = (
        f" {so_many(found.n_mixed, 'task')} that were shown in more than one way are left out." if found.n_mixed else ""
    )
    drawn = found.anchoring.assign(
        words=[words_of(name) for name in found.anchoring["condition"]],
        ranks=[rank_words(row) for row in found.anchoring.itertuples()],
    )
    return figure(
        lambda: plots.anchoring_effects(drawn),
        "Effect on the share of proposals ticked, in points, with 95% intervals over images. Tasks drawn at random: "
        f"{tried}; as usual: {so_many(n_usual, 'task')}.{mixed} An interval that holds 0 shows no effect. Nothing is "
        "ticked beforehand for anybody.",
        behind,
        images_behind(analysis.votes.sittings["image"]),
    )


def missed_by_proposals(analysis: ProjectAnalysis) -> Html:
    """Return how many labels are never proposed, as searching all classes shows it."""
    found = analysis.experiments.probes
    if found is None:
        return paragraph(
            "Nobody was asked to search all classes: set probe_share in [experiment] of mlf.toml. Until then nobody "
            "knows how many labels are among no proposals."
        )
    n_images = analysis.votes.annotation.n_images
    rows = [
        ("images on which annotators searched all classes", count(found.n_images)),
        ("tasks on which they were asked to, and did", f"{count(found.n_searched)} of {count(found.n_asked)}"),
        ("labels found there, that somebody could find", count(found.n_proposed + found.n_unproposed)),
        (
            "of these, among the proposals",
            f"{count(found.n_proposed)}: {percent(found.recall, found.recall_low, found.recall_high)}",
        ),
        ("images with a label that was not proposed", _images_missed(found)),
        ("labels an image that are not proposed", _rate(found.unproposed)),
        (f"in all {so_many(n_images, 'image')} of the project", _rate(found.missing_in(n_images), 0)),
        ("labels an image that annotators add unasked, on other images", _rate(found.found_anyway)),
        (
            "unproposed labels on images that two or more searched: found by more than one of them",
            f"{count(found.n_by_more)} of {count(found.n_by_more + found.n_by_one)}",
        ),
    ]
    missing = "No label was found there." if found.recall is None else f"The proposals: {recall_line(found)}."
    return table(
        None,
        rows,
        caption=f"What the proposals miss, from a random share of images; 95% intervals. {missing} What even a search "
        "does not find is not counted.",
    )


def words_of(condition: str) -> str:
    """Return a condition in words."""
    return Condition(condition).words if condition in list(Condition) else condition


def rank_words(row: Any) -> str:
    """Return which ranks a row of the comparison is about."""
    if math.isnan(row.last_rank):
        return "all" if row.first_rank == 1 else f"{row.first_rank} and more"
    last = int(row.last_rank)
    return str(last) if last == row.first_rank else f"{row.first_rank}–{last}"


def _images_missed(found: ProbeFindings) -> str:
    share = [
        each / found.n_images for each in (found.n_images_missed, found.n_images_missed_low, found.n_images_missed_high)
    ]
    return f"{count(found.n_images_missed)}: {percent(*share)}"


def _rate(rate: Rate | None, digits: int = 2) -> str:
    if rate is None:
        return "undefined"
    return number(rate.value, digits, rate.low, rate.high)
