"""What the notebook for stage 3 shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pipeline.consensus.value_of_refining import select_disputed
from pipeline.project.folder import Project
from pipeline.project.image_table import image_columns
from pipeline.project.wording import so_many
from pipeline.reports import vote_plots as plots
from pipeline.reports.figures import figure
from pipeline.reports.formats import count, number, percent, person, seconds, shortened, text
from pipeline.reports.frames import frame_table, sentences, simulation_notice
from pipeline.reports.gallery import class_list, gallery
from pipeline.reports.headlines import disagreement_headline
from pipeline.reports.html import Html, table
from pipeline.reports.images_behind import images_behind
from pipeline.stages.analyze import ProjectAnalysis
from pipeline.votes.agreement import agreement_matrix
from pipeline.votes.arrays import VoteArrays
from pipeline.votes.words import YES

_N_IMAGES = 12


def headline(analysis: ProjectAnalysis) -> Html:
    """Return the most important figures, and whether programs took part."""
    notice = simulation_notice(analysis.votes.simulated & set(analysis.votes.voters), analysis.votes.voters)
    return Html(notice.text + sentences(disagreement_headline(replace(analysis.summary, simulated_annotators=()))).text)


def how_far_sets_differ(analysis: ProjectAnalysis) -> Html:
    """Return the measures of disagreement, each with its denominator."""
    found, alpha = analysis.disagreement.summary, analysis.disagreement.alpha
    value = number(alpha.value, 3, alpha.low, alpha.high)
    per_image = analysis.disagreement.per_image
    n_unanimous, n_single = int(per_image["n_unanimous"].sum()), int(per_image["n_single"].sum())
    share = percent(found.set_disagreement_share, found.set_disagreement_low, found.set_disagreement_high)
    images = f"{so_many(found.n_images_compared, 'image')} with two or more annotators"
    pairs = f"{found.n_items:,} (image, class) pairs that someone was shown"
    rows = [
        ("label sets differ (the published rule)", count(found.n_set_disagreements), share, images),
        ("label sets differ on classes shown to both", count(found.n_set_disagreements_shared), "", images),
        ("mean Jaccard distance of two label sets", "", number(found.mean_jaccard_distance, 3), images),
        ("Krippendorff's alpha", "", value, f"{so_many(alpha.n_units, 'pair')} with two or more votes"),
        ("all said the same", count(n_unanimous), _share(n_unanimous, found.n_items), pairs),
        ("votes differ", count(found.n_items_split), _share(found.n_items_split, found.n_items), pairs),
        ("one vote only", count(n_single), _share(n_single, found.n_items), pairs),
        ("somebody was unsure", count(found.n_items_unsure), _share(found.n_items_unsure, found.n_items), pairs),
    ]
    return table(
        ("measure", "number", "value (95% interval)", "over"),
        rows,
        caption="How far annotators differ. A class that was not shown to someone is missing, not a no.",
        text_columns={3},
    )


def agreement(analysis: ProjectAnalysis) -> Html:
    """Return the heat map of agreement with its table."""
    simulated = analysis.votes.simulated
    pairs = analysis.disagreement.annotator_pairs
    named = pairs.assign(**{c: [person(n, simulated) for n in pairs[c]] for c in ("annotator_a", "annotator_b")})
    behind = frame_table(
        named.sort_values("agreement"),
        {
            "annotators": lambda row: text(f"{row.annotator_a} and {row.annotator_b}"),
            "images": lambda row: count(row.n_images),
            "classes shown to both": lambda row: count(row.n_shared),
            "same vote": lambda row: percent(row.agreement),
            "label sets differ": lambda row: count(row.n_set_disagreements),
            "mean Jaccard distance": lambda row: number(row.mean_jaccard_distance, 3),
        },
        caption="Every pair of annotators, those who agree least first.",
        n_rows=50,
    )
    chance = _chance_agreement(pairs, analysis.disagreement.summary.alpha)
    return figure(
        lambda: plots.agreement_heat_map(agreement_matrix(named), chance),
        f"Share of equal votes for every pair of annotators, on classes that both were shown ({_pairs(len(pairs))}). "
        + ("" if chance is None else f"Colours begin at {chance:.1%}, the agreement that chance would give."),
        behind,
        _compared(analysis),
    )


def _compared(analysis: ProjectAnalysis) -> str:
    per_image = analysis.disagreement.per_image
    return images_behind(per_image.loc[per_image["n_annotators"] > 1, "image"], "images=compared")


def _disputed(analysis: ProjectAnalysis) -> str:
    disputed = select_disputed(analysis.disagreement.per_image)["image"]
    return images_behind(disputed, "images=disputed&sort=worst")


def _decided(analysis: ProjectAnalysis) -> str:
    return images_behind(analysis.votes.sittings["image"])


def _pairs(n: int) -> str:
    return f"{n:,} {'pair' if n == 1 else 'pairs'}"


def _chance_agreement(pairs: pd.DataFrame, alpha: float | None) -> float | None:
    """Return the share of equal votes by chance: alpha is one minus observed over expected disagreement."""
    n_shared = int(pairs["n_shared"].sum())
    if alpha is None or alpha >= 1 or n_shared == 0:
        return None
    observed = float((pairs["agreement"] * pairs["n_shared"]).sum()) / n_shared
    return 1 - (1 - observed) / (1 - alpha)


def disputed_classes(analysis: ProjectAnalysis) -> Html:
    """Return the classes on which votes differ most often."""
    behind = frame_table(
        analysis.classes,
        {
            "class": lambda row: text(row.class_name),
            "votes differ": lambda row: count(row.n_split),
            "of images compared": lambda row: count(row.n_compared),
            "share (95% interval)": lambda row: percent(row.split_share, row.split_low, row.split_high),
            "yes": lambda row: count(row.n_yes),
            "unsure": lambda row: count(row.n_unsure),
            "no": lambda row: count(row.n_no),
        },
        caption="Classes by the number of images on which votes differ.",
        n_rows=30,
    )
    named = analysis.classes.assign(**{"class": _short(analysis.classes["class_name"], 40)})
    return figure(
        lambda: plots.disputed_classes(named[named["n_split"] > 0]),
        "The classes that are disputed on most images: share of the images compared on which votes differ, with 95% "
        "intervals.",
        behind,
        _compared(analysis),
    )


def confused_classes(analysis: ProjectAnalysis) -> Html:
    """Return the pairs of classes that annotators tick in place of each other."""
    pairs = analysis.confused_pairs
    behind = frame_table(
        pairs,
        {
            "one": lambda row: text(row.class_a_name),
            "other": lambda row: text(row.class_b_name),
            "confusions": lambda row: count(row.n_confusions),
        },
        caption="Pairs of classes by the number of confusions.",
        text_columns={1},
        n_rows=30,
    )
    named = pairs.assign(class_a=_short(pairs["class_a_name"], 28), class_b=_short(pairs["class_b_name"], 28))
    return figure(
        lambda: plots.confused_class_pairs(named),
        f"One annotator ticked the one class where another, who was shown both, ticked the other ({_pairs(len(pairs))} "
        "of classes in all).",
        behind,
        _disputed(analysis),
    )


def annotators(analysis: ProjectAnalysis) -> Html:
    """Return what annotators are like: a figure, a table, drift, and known answers where there are any."""
    simulated = analysis.votes.simulated
    profiles = analysis.profiles.profiles
    shown = {
        "annotator": lambda row: text(person(row.annotator, simulated)),
        "images": lambda row: count(row.n_images),
        "labels per image": lambda row: number(row.labels_per_image),
        "unsure": lambda row: percent(row.unsure_share),
        "same as others": lambda row: f"{percent(row.agreement)} of {count(row.n_compared)}",
        "sensitivity": lambda row: percent(row.sensitivity, row.sensitivity_low, row.sensitivity_high),
        "specificity": lambda row: percent(row.specificity, row.specificity_low, row.specificity_high),
        "median time": lambda row: seconds(row.median_active_ms),
    }
    behind = frame_table(profiles, shown, caption="Annotators, compared with the majority of the others.", n_rows=100)
    named = profiles.assign(annotator=[person(name, simulated) for name in profiles["annotator"]])
    parts = [
        figure(
            lambda: plots.annotator_profiles(named),
            "Each annotator against the majority of the other annotators of the same image and class (ties left "
            "aside), with 95% intervals. With two annotators per image, the other is the yardstick: this shows who is "
            "more generous, not who is right.",
            behind,
            _compared(analysis),
        ),
        _drift(analysis),
        _gold(analysis),
    ]
    return Html("".join(part.text for part in parts))


def model_against_people(analysis: ProjectAnalysis) -> Html:
    """Return how people judged the model's proposals, by rank."""
    found = analysis.model_against_people
    if found is None:
        return Html("<p>The project has no proposals to compare with what people said.</p>")
    behind = frame_table(
        found,
        {
            "rank": lambda row: "not proposed, added by people" if pd.isna(row.rank) else count(row.rank),
            "judged": lambda row: count(row.n_judged),
            "ticked by all": lambda row: count(row.n_all_yes),
            "ticked by someone": lambda row: count(row.n_any_yes),
            "share (95% interval)": lambda row: percent(row.any_yes_share, row.low, row.high),
            "ticked by nobody": lambda row: count(row.n_none_yes),
            "somebody unsure": lambda row: count(row.n_unsure),
        },
        caption="Proposals by rank.",
        n_rows=60,
    )
    first = found[found["rank"] == 1]
    denied = int(first["n_none_yes"].sum()), int(first["n_judged"].sum())
    added = int(found.loc[found["rank"].isna(), "n_any_yes"].sum())
    caption = (
        f"How often someone ticks the proposal at each rank, with 95% intervals. On {denied[0]:,} of {denied[1]:,} "
        f"images nobody ticked the model's first choice; people added {so_many(added, 'label')} that it had not "
        "proposed."
    )
    return figure(lambda: plots.model_against_people(found), caption, behind, _decided(analysis))


def worth_of_refining(analysis: ProjectAnalysis) -> Html:
    """Return the yield curve."""
    ranking = analysis.ranking
    return figure(
        lambda: plots.yield_curve(ranking),
        f"Wrong labels expected to remain, by time spent on refinement, over {so_many(len(ranking), 'image')}. "
        "Expected by a Dawid-Skene model of the votes: an estimate, as good as that model. Mistakes that annotators "
        "make alike are not in it; an audit shows them in stage 4.",
        yield_points(ranking),
        images_behind(ranking["image"]),
    )


def yield_points(ranking: pd.DataFrame) -> Html:
    """Return the table behind a yield curve."""
    return frame_table(
        ranking.iloc[np.unique(np.linspace(0, max(len(ranking) - 1, 0), 12).astype(int))] if len(ranking) else ranking,
        {
            "images refined": lambda row: count(row.Index + 1),
            "minutes": lambda row: number(row.cumulative_minutes, 0),
            "labels fixed": lambda row: number(row.cumulative_fixed, 1),
            "wrong labels left": lambda row: number(row.remaining_errors, 1),
            "fixed per minute by the last": lambda row: number(row.fixed_per_minute),
        },
        caption="The yield curve at some points, the most worthwhile images first.",
    )


def most_disputed(project: Project, analysis: ProjectAnalysis) -> Html:
    """Return the images whose label sets are furthest apart, and who ticked what."""
    disputed = select_disputed(analysis.disagreement.per_image)
    simulated = analysis.votes.simulated

    def words(image: int) -> str:
        lines = (
            f"<br><b>{text(person(name, simulated))}</b>: {class_list(project, classes)}"
            for name, classes in ticked_by(analysis.votes.annotation, image).items()
        )
        return "".join(lines)

    return gallery(
        project,
        disputed["image"].head(_N_IMAGES).to_list(),
        words,
        f"The most disputed of {so_many(len(disputed), 'disputed image')}: label sets with the greatest Jaccard "
        "distance.",
        _disputed(analysis),
    )


def comments(analysis: ProjectAnalysis, project: Project) -> Html:
    """Return what annotators wrote."""
    votes = analysis.votes
    if not votes.comments:
        return Html("<p>Nobody left a comment.</p>")
    indices = [comment.image_index for comment in votes.comments]
    ids = image_columns(project, ["image_id"]).column(0).take(indices).to_pylist()
    rows = [
        (text(image_id), text(person(comment.annotator, votes.simulated)), comment.round.value, text(comment.text))
        for image_id, comment in zip(ids, votes.comments, strict=True)
    ]
    caption = f"{len(rows):,} of {so_many(votes.n_comments, 'comment')}, by image."
    return table(("image", "who", "round", "comment"), rows, caption=caption, text_columns={1, 2, 3})


def ticked_by(votes: VoteArrays, image: int) -> dict[str, list[int]]:
    """Return each annotator's label set on an image."""
    edges = np.array([image, image + 1], dtype=votes.item_image.dtype)
    low, high = np.searchsorted(votes.item_image, edges)
    start = int(votes.n_each[:low].sum())
    here = slice(start, start + int(votes.n_each[low:high].sum()))
    item_class = np.repeat(votes.item_class[low:high], votes.n_each[low:high])
    sets: dict[str, list[int]] = {str(votes.annotators[code]): [] for code in np.unique(votes.annotator[here])}
    for class_index, code, vote in zip(item_class, votes.annotator[here], votes.vote[here], strict=True):
        if vote == YES:
            sets[str(votes.annotators[code])].append(int(class_index))
    return sets


def _share(n_hits: int, n: int) -> str:
    return percent(n_hits / n if n else None)


def _drift(analysis: ProjectAnalysis) -> Html:
    simulated = analysis.votes.simulated
    shown = frame_table(
        analysis.profiles.drift,
        {
            "annotator": lambda row: text(person(row.annotator, simulated)),
            "quarter of their images": lambda row: count(row.part),
            "images": lambda row: count(row.n_images),
            "labels per image": lambda row: number(row.labels_per_image),
            "median time": lambda row: seconds(row.median_active_ms),
            "as the majority of the others": lambda row: f"{percent(row.right_share, row.low, row.high)}",
        },
        caption="Drift: the same over time, in quarters of each annotator's images in the order decided.",
        n_rows=80,
    )
    return Html(f"<details><summary>Drift: does anyone change over time?</summary>{shown.text}</details>")


def _gold(analysis: ProjectAnalysis) -> Html:
    if len(analysis.gold_profiles) == 0:
        return Html("")
    simulated = analysis.votes.simulated
    return frame_table(
        analysis.gold_profiles,
        {
            "annotator": lambda row: text(person(row.annotator, simulated)),
            "gold images": lambda row: count(row.n_images),
            "sensitivity": lambda row: percent(row.sensitivity, row.sensitivity_low, row.sensitivity_high),
            "of labels that apply": lambda row: count(row.n_applies),
            "specificity": lambda row: percent(row.specificity, row.specificity_low, row.specificity_high),
            "of labels that do not": lambda row: count(row.n_absent),
        },
        caption="Annotators compared with known answers, on hidden gold images.",
        n_rows=100,
    )


def _short(names: pd.Series, n_characters: int) -> list[str]:
    return [shortened(str(name), n_characters) for name in names]
