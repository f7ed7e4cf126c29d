"""What a person wants to know first about each stage, line by line, from its summary; undefined figures say so."""

from __future__ import annotations

from pipeline.evaluation.metrics import METRICS
from pipeline.evaluation.shares import Share
from pipeline.stages.analyze import AnalyzeSummary
from pipeline.stages.evaluate import EvaluateSummary
from pipeline.stages.quality import remaining_line
from pipeline.stages.settle import LeftOut, SettleSummary

#: Put after the name of a model that gave evidence for the labels under which it is scored.
EVIDENCE_MARK = "*"


def disagreement_headline(summary: AnalyzeSummary) -> list[str]:
    """Return what a person wants to know first about disagreement, line by line; undefined figures say so."""
    lines = [f"{summary.n_votes:,} votes of {summary.n_annotators:,} annotators on {summary.n_images:,} images"]
    if summary.simulated_annotators:
        lines.append(f"Simulated annotators: {', '.join(summary.simulated_annotators)}")
    share = "undefined: no image has two annotators yet"
    if summary.set_disagreement_share is not None:
        share = (
            f"{summary.set_disagreement_share:.1%} "
            f"(95% interval {summary.set_disagreement_low:.1%} to {summary.set_disagreement_high:.1%})"
        )
    lines.append(
        f"Label sets differ on {summary.n_set_disagreements:,} of {summary.n_images_compared:,} images that two "
        f"or more annotators decided: {share}"
    )
    lines.append(
        f"Votes differ on {summary.n_items_split:,} of {summary.n_items_compared:,} (image, class) pairs that "
        f"two or more were shown; {summary.n_items_unsure:,} have an unsure vote"
    )
    alpha = "undefined" if summary.alpha is None else f"{summary.alpha:.3f}"
    if summary.alpha_low is not None and summary.alpha_high is not None:
        alpha += f" (95% interval {summary.alpha_low:.3f} to {summary.alpha_high:.3f})"
    lines.append(f"Krippendorff's alpha: {alpha}")
    if summary.n_gold_images_left_out:
        lines.append(f"Left out: {summary.n_gold_images_left_out:,} hidden gold images, which measure people")
    return lines


def settle_headline(summary: SettleSummary) -> list[str]:
    """Return what a person wants to know first about settled labels, line by line."""
    low, high = summary.multi_label_interval_95
    sources = ", ".join(f"{n:,} {source}" for source, n in summary.labels_by_source.items() if n)
    lines = [
        (
            f"{summary.n_labels:,} refined labels on {summary.n_labelled_images:,} of {summary.n_images:,} "
            f"images: {sources or 'none at all'}"
        ),
        (
            f"Multi-label: {summary.multi_label_share:.2%} of {summary.n_labelled_images:,} images "
            f"(95% interval {low:.2%} to {high:.2%}); none of the classes applies to {summary.n_without_label:,}"
        ),
        (
            f"Refinement changed {summary.n_changed_by_refinement:,} images: "
            f"{summary.n_labels_added:,} labels added, {summary.n_labels_removed:,} removed"
        ),
    ]
    if summary.simulated_annotators:
        lines.append(f"Simulated annotators and refiners: {', '.join(summary.simulated_annotators)}")
    consensus = summary.consensus
    lines.append(
        f"Labels that no agreement and no refiner settles are kept above a posterior of {consensus['cut']:.3g}; the "
        f"aim is {consensus['aim']}"
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
    changed = f"{left_out.n_labels_changed:,} labels on {left_out.n_images_changed:,} images"
    return [f"Left out: the votes of {', '.join(left_out.names)}; with them {changed} would be others"]


def evaluation_headline(summary: EvaluateSummary) -> list[str]:
    """Return what a person wants to know first about a project's evaluation, line by line."""
    multi_label = Share(summary.n_multi_label, summary.n_images)
    assert multi_label.interval is not None, "no image is no evaluation"
    low, high = multi_label.interval
    lines = [
        f"Multi-label: {multi_label} images (95% interval {low:.2%} to {high:.2%}); labels from {summary.labels_from}"
    ]
    if summary.simulated_annotators:
        lines.append(f"Labels by simulated annotators: {', '.join(summary.simulated_annotators)}")
    if summary.n_undecided:
        lines.append(f"Left out: {summary.n_undecided:,} images that nobody has decided")
    if summary.proposal_recall:
        lines.append(f"The proposals contain {share_text(summary.proposal_recall)} refined labels")
    if summary.evidence_models:
        lines.append(
            "Not independent of the labels, since they gave evidence for them: "
            f"{', '.join(summary.evidence_models)} (marked {EVIDENCE_MARK})"
        )
    if summary.annotators_left_out:
        lines.append(f"Labels without the votes of {', '.join(summary.annotators_left_out)}")
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
    fit = summary.fit
    if fit.slope is not None and fit.intercept is not None:
        r2 = "undefined" if fit.r2 is None else f"{fit.r2:.4f}"
        lines.append(f"ReaL = {fit.slope:.4f} × Top-1 {fit.intercept:+.4f} (R² {r2}, {fit.n_models} models)")
    return lines


def share_text(share: Share | None) -> str:
    """Return a share with its denominator, or say that it is undefined."""
    return "undefined" if share is None or share.value is None else f"{share.value:.2%} of {share.n:,}"
