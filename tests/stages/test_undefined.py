"""What cannot be known is called undefined, in tables, at the terminal and in every part of a report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from simulation import annotate, decide
from toy_projects import HOSTILE, Toys, copy_of

from pipeline.reports import disagreement_report, evaluation_report, settle_report
from pipeline.reports.headlines import disagreement_headline, evaluation_headline
from pipeline.reports.reader_answers import best_model
from pipeline.stages.analyze import ProjectAnalysis, analyze_project
from pipeline.stages.assign import assign_project
from pipeline.stages.evaluate import evaluate_project
from pipeline.stages.settle import settle_project


@pytest.fixture
def toys(proposed: Toys, tmp_path: Path) -> Toys:
    return copy_of(proposed, tmp_path / "project")


def stage_3(toys: Toys, analysis: ProjectAnalysis) -> str:
    """Return every part of the report of stage 3."""
    report = disagreement_report
    parts = [
        part(analysis)
        for part in (
            report.headline,
            report.how_far_sets_differ,
            report.agreement,
            report.annotators,
            report.disputed_classes,
            report.confused_classes,
            report.model_against_people,
            report.worth_of_refining,
        )
    ]
    parts += [report.most_disputed(toys.project, analysis), report.comments(analysis, toys.project)]
    return "".join(part.text for part in parts)


def settled_page(toys: Toys) -> str:
    """Settle, and return every part of the report of stage 4."""
    report, settlement = settle_report, settle_project(toys.project)
    parts = [
        part(settlement)
        for part in (
            report.headline,
            report.before_and_after,
            report.sources,
            report.remaining_errors,
            report.whether_to_go_on,
            report.reliability,
            report.annotators,
        )
    ]
    parts += [report.changed_images(toys.project, settlement), report.empty_sets(toys.project, settlement)]
    return "".join(part.text for part in parts)


def shows_nan(text: str) -> bool:
    """Tell whether a reader sees a bare NaN; pictures are left out."""
    return re.search(r"\bnan\b", re.sub(r'src="data:[^"]*"', "", text), re.IGNORECASE) is not None


def stage_5(toys: Toys) -> str:
    """Evaluate, and return every part of the report of stage 5."""
    report, found = evaluation_report, evaluate_project(toys.project)
    parts = [
        part(found)
        for part in (
            report.headline,
            report.data_set,
            report.models,
            report.order,
            report.ranks,
            report.differences,
            report.label_doubt,
            report.top1_against_real,
            report.label_counts,
            report.accuracy_by_label_count,
        )
    ]
    parts.append(report.multi_label_images(toys.project, found))
    return "".join(part.text for part in parts) + "".join(evaluation_headline(found.summary))


def test_one_annotator_an_image_leaves_agreement_undefined(toys: Toys):
    assign_project(toys.project, ["ada", "ben"], 1)
    annotate(toys.project, "ada", toys.truth)
    annotate(toys.project, "ben", toys.truth)
    analysis = analyze_project(toys.project)
    assert analysis.summary.alpha is None
    assert analysis.summary.set_disagreement_share is None
    lines = disagreement_headline(analysis.summary)
    assert "Krippendorff's alpha: undefined" in lines
    assert any("undefined: no image has two annotators" in line for line in lines)
    text = stage_3(toys, analysis)
    assert "Not drawn: no two annotators voted" in text
    assert not shows_nan(text)


def test_annotators_who_always_agree_leave_alpha_undefined_not_one(toys: Toys):
    assign_project(toys.project, ["ada", "ben"], 2)
    for name in ("ada", "ben"):
        decide(toys.project, name, lambda _: {})
    analysis = analyze_project(toys.project)
    assert analysis.summary.alpha is None
    assert analysis.summary.set_disagreement_share == 0
    assert "Not drawn: no two classes were confused" in stage_3(toys, analysis)
    assert "none of the classes applies to 48" in settled_page(toys)
    text = stage_5(toys)
    assert "ReaL undefined" in text
    assert "no model has both Top-1 and ReaL" in text
    assert not shows_nan(text)


def test_models_are_not_compared_by_labels_that_no_image_has(toys: Toys):
    assign_project(toys.project, ["ada", "ben"], 2)
    for name in ("ada", "ben"):
        decide(toys.project, name, lambda _: {})
    settle_project(toys.project)
    found = evaluate_project(toys.project)
    assert len(found.evaluation.models) > 1
    assert set(found.evaluation.comparison.pairs["metric"]) == {"top1"}
    assert "Top-1" in evaluation_report.differences(found).text
    assert "ReaL" not in evaluation_report.differences(found).text
    assert best_model(toys.project, found.summary) == []


def test_a_hostile_name_of_an_annotator_is_text_in_every_report(toys: Toys):
    who = f"eve {HOSTILE}".replace("/", "|")  # no name may hold a slash, which separates the parts of an address
    assign_project(toys.project, ["ada", who], 2, kind="simulated")
    annotate(toys.project, "ada", toys.truth)
    annotate(toys.project, who, toys.truth, comments={0: HOSTILE}, miss=0.4)
    for text in (stage_3(toys, analyze_project(toys.project)), settled_page(toys)):
        assert "<script" not in text
        assert "eve &lt;script&gt;" in text
