"""What the notebook that settles the labels (stage 4) shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.consensus.calibration import expected_calibration_error
from pipeline.consensus.recalibration import reliability_table
from pipeline.consensus.value_of_refining import RefinementCost
from pipeline.formats.refined_labels_out import explain_empty
from pipeline.project.folder import Project
from pipeline.project.wording import so_many
from pipeline.reports import vote_plots as plots
from pipeline.reports.disagreement_report import yield_points
from pipeline.reports.figures import figure
from pipeline.reports.formats import count, number, percent, person, seconds, text
from pipeline.reports.frames import frame_table, paragraph, sentences, simulation_notice
from pipeline.reports.gallery import class_list, gallery, sample
from pipeline.reports.headlines import settle_headline
from pipeline.reports.html import Html, table
from pipeline.reports.images_behind import images_behind
from pipeline.stages.settle import Settlement
from pipeline.votes.words import Source

_STAGES = {"original": "original labels", "annotation": "annotation alone", "refinement": "after refinement"}
_SOURCES = {
    Source.AGREED: "all annotators who were shown the class said the same",
    Source.REFINED: "settled in the refinement round",
    Source.CONSENSUS: "the consensus of all votes (Dawid-Skene)",
    Source.KNOWN: "known beforehand (gold)",
    Source.UNLABELLED: "nobody has decided the image yet",
}
_N_IMAGES = 12


def headline(settlement: Settlement) -> Html:
    """Return the most important figures, and whether programs took part."""
    people = {*settlement.votes.voters, *settlement.votes.refiners}
    notice = simulation_notice(settlement.votes.simulated & people, people)
    return Html(notice.text + sentences(settle_headline(replace(settlement.summary, simulated_annotators=()))).text)


def before_and_after(settlement: Settlement) -> Html:
    """Return the data set's figures under the original labels, after annotation, and after refinement."""
    return frame_table(
        settlement.before_after,
        {
            "labels": lambda row: _STAGES[row.stage],
            "images": lambda row: count(row.n_images),
            "labels in all": lambda row: count(row.n_labels),
            "an image": lambda row: number(row.labels_per_image),
            "no label": lambda row: count(row.n_without),
            "two or more": lambda row: f"{count(row.n_multi)}: {percent(row.multi_share, row.low, row.high)}",
            "original label kept": lambda row: f"{count(row.n_original_kept)} of {count(row.n_with_original)}",
        },
        caption="Before and after, over the images that are labelled now; shares with 95% intervals.",
    )


def sources(settlement: Settlement) -> Html:
    """Return how many labels and how many empty label sets come from each source."""
    return frame_table(
        settlement.by_source,
        {
            "source": lambda row: text(row.source),
            "which means": lambda row: _SOURCES[row.source],
            "labels": lambda row: count(row.n_labels),
            "images without a label": lambda row: count(row.n_empty_sets),
        },
        caption="Where the refined labels come from. An image without a label: none applies, or nobody has decided it.",
        text_columns={1},
    )


def empty_sets(project: Project, settlement: Settlement) -> Html:
    """Return images to which no class applies, each with the reason."""
    labels = settlement.labels
    is_empty = labels.column("class_index").is_null().to_numpy(zero_copy_only=False)
    source = labels.column("source").to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(is_empty & (source != Source.UNLABELLED))
    images = labels.column("image_index").to_numpy()[rows].astype(np.int64)
    reason = dict(zip(images.tolist(), source[rows].tolist(), strict=True))
    return gallery(
        project,
        sample(images, _N_IMAGES, 0).tolist(),
        lambda image: f"<br>{text(explain_empty(reason[image]))}",
        f"Images to which none of the classes applies: {len(images):,} in all; up to {_N_IMAGES} are shown, drawn at "
        "random (seed 0).",
        images_behind(images, "labels=0"),
    )


def changed_images(project: Project, settlement: Settlement) -> Html:
    """Return images whose labels were changed by refinement, with the labels before and after."""

    def words(image: int) -> str:
        before, after = (_classes_of(keys, image, project) for keys in settlement.keys)
        return f"<br>before: {class_list(project, before)}<br>after: {class_list(project, after)}"

    return gallery(
        project,
        sample(settlement.changed, _N_IMAGES, 0).tolist(),
        words,
        f"Refinement changed the labels of {so_many(len(settlement.changed), 'image')}; up to {_N_IMAGES} are shown, "
        "drawn at random (seed 0). Before: what annotation alone would have given.",
        images_behind(settlement.changed),
    )


def suspicious_originals(project: Project, settlement: Settlement) -> Html:
    """Return images whose original label people and models reject, the surest first, with the labels they have now."""
    listed = settlement.suspicious
    found = listed[listed["p_wrong"] > 0.5]
    rows = {int(row["image_index"]): row for row in found.head(_N_IMAGES).to_dict("records")}

    def words(image: int) -> str:
        row = rows[image]
        original = int(row["original"])
        asked = "nobody was asked about it" if np.isnan(row["p_people"]) else f"{row['p_people']:.1%} by the votes"
        models = f", {row['p_models']:.1%} by models"
        return (
            f"<br>original: {class_list(project, [original], original)}: {asked}{models}"
            f"<br>now: {class_list(project, _classes_of(settlement.keys[1], image, project))}"
        )

    return gallery(
        project,
        list(rows),
        words,
        f"Original labels that are not settled, and that votes and models together hold to be rather wrong than right: "
        f"{len(found):,}; the surest {len(rows)} are shown, with the probability that the original label applies. "
        f"All {len(listed):,} that the models speak against are in results/settle/suspicious_originals.csv.",
        images_behind(found["image_index"]),
    )


_DOUBTFUL_OR_UNPROPOSED = "doubtful labels, and labels that nobody proposed"


def remaining_errors(settlement: Settlement) -> Html:
    """Return how many labels are expected to be wrong on images not refined, and what this number is made up of."""
    found = settlement.remaining
    searched = (
        [
            ("of these, labels missing because nobody was shown them", number(found.unproposed, 1)),
            ("images on which somebody searched all classes, which tells how many those are", count(found.n_probes)),
        ]
        if found.n_probes
        else []
    )
    rows = [
        ("images neither refined nor known beforehand", count(found.n_images)),
        (
            "wrong labels expected on them",
            f"{number(found.expected, 1)} ({found.range_in_words})",
        ),
        (
            f"of these, shown by the votes: {'doubtful labels' if found.n_probes else _DOUBTFUL_OR_UNPROPOSED}",
            number(found.from_doubt, 1),
        ),
        ("of these, mistakes that all annotators made alike, which no vote shows", number(found.hidden, 1)),
        *searched,
        ("images audited", count(found.n_audited)),
        ("wrong labels on the audited images, the refiners' own errors taken off", number(found.audit_wrong, 1)),
    ]
    known = (
        "The audit, a random slice of the images that were not chosen for refinement, tells how far the votes can be "
        "relied on."
        if found.is_audited
        else "Nobody has audited a random slice of these images (mlf refine --audit-share), so how many mistakes "
        "annotators made alike is a guess."
    )
    return table(None, rows, caption=f"One estimate of what is still wrong. {known}")


def whether_to_go_on(settlement: Settlement) -> Html:
    """Return the yield curve of the images not refined yet, and the advice."""
    drawn = figure(
        lambda: plots.yield_curve(settlement.ranking),
        f"Wrong labels expected to remain if the {so_many(len(settlement.ranking), 'image')} not refined yet were "
        "refined too, the most worthwhile first; the same estimate as above.",
        yield_points(settlement.ranking),
        images_behind(settlement.ranking["image"]),
    )
    cost, sittings = RefinementCost(), settlement.votes.refinement_sittings
    assumed = (
        f"The estimate assumes {cost.seconds_per_image:g} s for an image and {cost.seconds_per_label:g} s for each "
        f"doubtful label in it, and that refiners are right {cost.accuracy:.0%} of the time."
    )
    if len(sittings):
        median = seconds(float(sittings["active_ms"].median()))
        assumed += f" So far, {len(sittings):,} refinements (an image may have two) took a median of {median} each."
    return Html(f"<p><strong>{text(settlement.advice)}</strong></p>{drawn.text}{paragraph(assumed).text}")


def reliability(settlement: Settlement) -> Html:
    """Return how the posterior compares with what is known, before and after it was recalibrated."""
    found = settlement.recalibration
    if found is None:
        return paragraph(
            "Nothing is known to check the posteriors by: mistakes that annotators make alike are not in them, and "
            "labels may be less certain than they seem. Known answers (mlf assign --gold), refinement or an audit "
            "(mlf refine --audit-share) would tell."
        )
    before, after = (expected_calibration_error(part) for part in (found.reliability_before, found.reliability_after))
    behind = frame_table(
        reliability_table(found).rename(columns={"from": "start"}),
        {
            "recalibration": lambda row: text(row.posterior),
            "posterior": lambda row: f"{row.start:.1f} to {row.to:.1f}",
            "labels": lambda row: count(row.n_items),
            "claimed": lambda row: percent(row.claimed),
            "observed (95% interval)": lambda row: percent(row.observed, row.low, row.high),
        },
        caption="Claimed and observed, in bins of the posterior.",
        n_rows=20,
    )
    return figure(
        lambda: plots.reliability_plot(found.reliability_before, found.reliability_after),
        f"Posterior of annotators' votes against {so_many(found.n_known, 'label')} known from gold, refiners and "
        "the audit. "
        f"Expected calibration error {before:.3f} before and {after:.3f} after recalibration (learnt from other images "
        f"each time). A vote counts {found.after.vote_weight:.2f} of an independent one; by votes alone it would be "
        f"{found.before.vote_weight:.2f}. Refined images are mostly disputed ones, which are harder than the others.",
        behind,
        images_behind(found.images),
    )


def annotators(settlement: Settlement) -> Html:
    """Return every voter's confusion matrix as the consensus model estimates it."""
    simulated = settlement.votes.simulated
    table_ = settlement.annotators
    return frame_table(
        table_[table_["n_votes"] > 0],
        {
            "annotator": lambda row: text(person(row.annotator, simulated)),
            "votes": lambda row: count(row.n_votes),
            "borne out by the labels": lambda row: percent(row.agreement),
            "says yes where it applies": lambda row: percent(row.yes_if_applies),
            "unsure where it applies": lambda row: percent(row.unsure_if_applies),
            "says yes where it does not": lambda row: percent(row.yes_if_absent),
            "unsure where it does not": lambda row: percent(row.unsure_if_absent),
        },
        caption="Everyone who voted, in either round, as the consensus model sees them.",
        n_rows=100,
    )


def _classes_of(keys: NDArray[np.int64], image: int, project: Project) -> list[int]:
    n_classes = len(project.label_space)
    start, stop = np.searchsorted(keys, [image * n_classes, (image + 1) * n_classes])
    return [int(key) % n_classes for key in keys[start:stop]]
