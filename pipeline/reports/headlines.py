"""What a person wants to know first about each stage, line by line, from its summary; undefined figures say so."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.disagreement.search_probes import ProbeFindings
from pipeline.evaluation.differences import Lead, OrderChange
from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.shares import Mean, Share
from pipeline.project.wording import so_many
from pipeline.reports.formats import INTERVAL, number, p_value, percent
from pipeline.stages.analyze import AnalyzeSummary
from pipeline.stages.evaluate import EvaluateSummary
from pipeline.stages.improve import RATES, ImproveSummary
from pipeline.stages.quality import remaining_line
from pipeline.stages.settle import LeftOut, SettleSummary

#: Put after the name of a model that gave evidence for the labels under which it is scored.
EVIDENCE_MARK = "*"


def disagreement_headline(summary: AnalyzeSummary) -> list[str]:
    """Return what a person wants to know first about disagreement, line by line; undefined figures say so."""
    lines = [
        (
            f"{so_many(summary.n_votes, 'vote')} of {so_many(summary.n_annotators, 'annotator')} on "
            f"{so_many(summary.n_images, 'image')}"
        )
    ]
    if summary.simulated_annotators:
        lines.append(f"Simulated annotators: {', '.join(summary.simulated_annotators)}")
    share = "undefined: no image has two annotators yet"
    if summary.set_disagreement_share is not None:
        interval = summary.set_disagreement_low, summary.set_disagreement_high
        share = percent(summary.set_disagreement_share, *interval, named=INTERVAL)
    lines.append(
        f"Label sets differ on {summary.n_set_disagreements:,} of {so_many(summary.n_images_compared, 'image')} that "
        f"two or more annotators decided: {share}"
    )
    lines.append(
        f"Votes differ on {summary.n_items_split:,} of {summary.n_items_compared:,} (image, class) pairs that "
        f"two or more were shown; {summary.n_items_unsure:,} have an unsure vote"
    )
    alpha = number(summary.alpha, 3, summary.alpha_low, summary.alpha_high, named=INTERVAL)
    lines.append(f"Krippendorff's alpha: {alpha}")
    left_out = summary.annotators_left_out
    if left_out.names:
        lines.append(
            f"Left out: the votes of {', '.join(left_out.names)}; with them label sets would differ on "
            f"{left_out.n_set_disagreements:,} of {so_many(left_out.n_images_compared, 'image')}, and alpha would "
            f"be {number(left_out.alpha, 3)}"
        )
    if summary.probes is not None and summary.probes.recall is not None:
        lines.append(f"Proposals miss labels: {recall_line(summary.probes)}")
    if summary.n_gold_images_left_out:
        lines.append(f"Left out: {summary.n_gold_images_left_out:,} hidden gold images, which measure people")
    return lines


#: What recall of labels that somebody found cannot say; every report of it says so.
BEYOND_RECALL = "labels that nobody found do not count, and only search probes (stage 3) bound them"


def recall_line(probes: ProbeFindings) -> str:
    """Return what the proposals contain, as searching shows it."""
    n_labels = probes.n_proposed + probes.n_unproposed
    return (
        f"they contain {percent(probes.recall, probes.recall_low, probes.recall_high, named=INTERVAL)} of the "
        f"{so_many(n_labels, 'label')} that somebody could find on {so_many(probes.n_images, 'image')} where "
        "annotators searched all classes"
    )


def settle_headline(summary: SettleSummary) -> list[str]:
    """Return what a person wants to know first about settled labels, line by line."""
    low, high = summary.multi_label_interval_95
    sources = ", ".join(f"{n:,} {source}" for source, n in summary.labels_by_source.items() if n)
    lines = [
        (
            f"{so_many(summary.n_labels, 'refined label')} on {summary.n_labelled_images:,} of {summary.n_images:,} "
            f"images: {sources or 'none at all'}"
        ),
        (
            f"Multi-label: {summary.multi_label_share:.2%} of {so_many(summary.n_labelled_images, 'image')} "
            f"(95% interval {low:.2%} to {high:.2%}); none of the classes applies to {summary.n_without_label:,}"
        ),
        (
            f"Refinement changed {so_many(summary.n_changed_by_refinement, 'image')}: "
            f"{so_many(summary.n_labels_added, 'label')} added, {summary.n_labels_removed:,} removed"
        ),
    ]
    if summary.simulated_annotators:
        lines.append(f"Simulated annotators and refiners: {', '.join(summary.simulated_annotators)}")
    consensus = summary.consensus
    lines.append(
        f"Labels that no agreement and no refiner settles are kept above a posterior of {consensus['cut']:.3g}; the "
        f"aim is {consensus['aim']}"
    )
    n_known = int(str(consensus.get("calibrated_on", 0)))
    lines.append(
        f"Posteriors are recalibrated on {so_many(n_known, 'label')} known from gold, refiners and audits"
        if n_known
        else "Nothing is known to check posteriors by: mistakes that annotators make alike are not in them"
    )
    evidence = consensus["evidence_models"]
    if isinstance(evidence, list) and evidence:
        lines.append(f"Models gave evidence: {', '.join(evidence)}; under these labels they look better than they are")
    lines += left_out_lines(summary.annotators_left_out)
    if summary.n_refinement_tasks_open:
        lines.append(
            f"{summary.n_refinement_tasks_open:,} refinement tasks are still open; meanwhile the consensus stands"
        )
    lines.append(remaining_line(summary.remaining_errors))
    lines.append(str(summary.advice))
    return lines


def left_out_lines(left_out: LeftOut) -> list[str]:
    """Return whose votes do not count, and what difference that makes; empty where all votes count."""
    if not left_out.names:
        return []
    changed = f"{so_many(left_out.n_labels_changed, 'label')} on {so_many(left_out.n_images_changed, 'image')}"
    return [f"Left out: the votes of {', '.join(left_out.names)}; with them {changed} would be others"]


def evaluation_headline(summary: EvaluateSummary) -> list[str]:
    """Return what a person wants to know first about a project's evaluation, line by line."""
    multi_label = Share(summary.n_multi_label, summary.n_images)
    lines = [f"Multi-label: {multi_label.with_interval('images')}; labels from {summary.labels_from}"]
    if summary.simulated_annotators:
        lines.append(f"Labels by simulated annotators: {', '.join(summary.simulated_annotators)}")
    if summary.n_undecided:
        lines.append(f"Left out: {so_many(summary.n_undecided, 'image')} that nobody has decided")
    if summary.proposal_recall:
        lines.append(f"The proposals contain {share_text(summary.proposal_recall)} refined labels that somebody found")
        lines.append(f"({BEYOND_RECALL})")
    if summary.evidence_models:
        lines.append(
            "Not independent of the labels, since they gave evidence for them: "
            f"{', '.join(summary.evidence_models)} (marked {EVIDENCE_MARK})"
        )
    if summary.models_not_run:
        lines.append(
            f"Not run: {so_many(len(summary.models_not_run), 'model')}. "
            + "; ".join(f"{failed.model}: {failed.reason}" for failed in summary.models_not_run)
        )
    if summary.annotators_left_out:
        lines.append(f"Labels without the votes of {', '.join(summary.annotators_left_out)}")
    if summary.precisions:
        lines.append(precision_line(summary.precisions))
    lines += [
        f"  {accuracy.model}{EVIDENCE_MARK if accuracy.model in summary.evidence_models else ''}: "
        + ", ".join(f"{metric.title} {share_text(accuracy.shares.get(metric.name))}" for metric in METRICS)
        for accuracy in sorted(summary.models, key=lambda accuracy: -(accuracy.top1.value or 0.0))
    ]
    if summary.worst_first_models:
        lines.append(
            f"Look at {', '.join(summary.worst_first_models)}: the ranking looks as if it were stored worst first; "
            "it is scored as given"
        )
    lines += [
        f"Level {figures.level + 1} of {len(summary.levels)}, {figures.n_classes:,} classes: two or more labels "
        f"{share_text(figures.multi_label)}; best model {figures.model}, Top-1 {share_text(figures.top1)}, "
        f"ReaL {share_text(figures.real)}"
        for figures in summary.levels
    ]
    lines += order_lines(summary.order)
    fit = summary.fit
    if fit.slope is not None and fit.intercept is not None:
        r2 = "undefined" if fit.r2 is None else f"{fit.r2:.4f}"
        lines.append(f"ReaL = {fit.slope:.4f} × Top-1 {fit.intercept:+.4f} (R² {r2}, {fit.n_models} models)")
    return lines


def precision_line(precisions: Mapping[str, str]) -> str:
    """Say in which precision models were computed; the most frequent one is not said of each."""
    named: dict[str, list[str]] = {}
    for model, precision in precisions.items():
        named.setdefault(precision, []).append(model)
    (usual, _), *others = sorted(named.items(), key=lambda item: -len(item[1]))
    line = f"Precision of the models: {usual}"
    return line + "".join(f"; of {', '.join(models)}: {precision}" for precision, models in others)


def order_lines(order: OrderChange | None) -> list[str]:
    """Say whether Top-1 and ReaL order the models alike; nothing where they were not compared."""
    if order is None or order.n_pairs == 0:
        return []
    if order.n_reversed == 0:
        return [f"Top-1 and ReaL order the models alike: all {so_many(order.n_pairs, 'pair')} that differ under both"]
    first, second = order.examples[0]
    line = (
        f"Top-1 and ReaL order {order.n_reversed:,} of {so_many(order.n_pairs, 'pair')} of models differently, "
        f"{order.n_surely_reversed:,} of them surely under both (McNemar, Holm, 5%); for example {first} is better "
        f"under Top-1 and {second} under ReaL"
    )
    return [line]


def lead_words(lead: Lead, n_models: int) -> tuple[str, str]:
    """Return how far the best model is ahead of the next, and how sure that is: the claim, and what it stands on."""
    claim = f"{lead.a} is {'surely' if lead.is_sure else 'not surely'} better than {lead.b}"
    reason = (
        f"the first two of {so_many(n_models, 'model')}: {100 * lead.difference:.1f} points of ReaL on the same "
        f"{lead.n_images:,} images (95% interval {100 * lead.low:.1f} to {100 * lead.high:.1f}; McNemar's p with "
        f"Holm's correction {p_value(lead.p_holm)}). Of {lead.n_pairs:,} pairs of models, {lead.n_surely_different:,} "
        "surely differ under ReaL"
    )
    return claim, reason


def improve_headline(summary: ImproveSummary) -> list[str]:
    """Return what a person wants to know first about proposals learnt from settled labels, line by line."""
    renewed = f"new proposals for {so_many(summary.n_renewed, 'image')} that nobody has worked on"
    lines = [f"Learnt from {summary.n_settled:,} settled images; {renewed}"]
    if summary.simulated_annotators:
        lines.append(f"Simulated: the votes of {', '.join(summary.simulated_annotators)} were made by programs")
    lines.append("Recall of labels that somebody could find, on settled images, each by what was learnt from others")
    lines.append(f"({BEYOND_RECALL}):")
    for change in summary.recall:
        if change.before.value is None:
            lines.append(f"  at {change.k}: undefined, no label is settled")
            continue
        parts = [] if change.of_looking is None else [f"{change.of_looking.value:+.1%} by looking closer"]
        parts.append(f"{change.of_learning} by learning")
        lines.append(
            f"  at {change.k}: {share_text(change.before)} before, {share_text(change.after)} now; gain {change.gain}, "
            f"of it {', '.join(parts)}; {change.ticks_before:.2f} ticks an image before, {change.ticks_after:.2f} now"
        )
    old, needed = summary.recall[-1].k, summary.needed
    if needed.interval is None:
        return lines
    low, high = ("more" if bound is None else str(bound) for bound in needed.interval)
    lines.append(
        f"Not even {old} new proposals an image find as many labels as {old} old ones did"
        if needed.n is None
        else f"{needed.n} new proposals an image (95%: {low} to {high}) find as many labels as {old} old ones did"
    )
    for rate, enough in zip(RATES, summary.enough, strict=True):
        many = "not promised by what is settled" if enough is None else f"{enough} proposals"
        lines.append(f"To miss at most {rate:.0%} of an image's labels, as expected over images like these: {many}")
    return lines


def share_text(share: Share | Mean | None) -> str:
    """Return a share with its denominator, or say that it is undefined."""
    return "undefined" if share is None or share.value is None else f"{share.value:.2%} of {share.n:,}"
