"""Summaries are plain JSON in `results/`, with the keys that people's scripts read, and read back unchanged."""

from __future__ import annotations

import json

import pytest
from toy_projects import Toys

from pipeline.errors import DatasetError
from pipeline.project.result_paths import summary_path
from pipeline.project.results import read_summary
from pipeline.stages.analyze import AnalyzeSummary, analyze_project
from pipeline.stages.evaluate import EvaluateSummary, evaluate_project
from pipeline.stages.settle import SettleSummary, settle_project


def test_the_summary_of_each_stage_reads_back_as_it_was(fresh: Toys):
    project = fresh.project
    analysis = analyze_project(project, n_resamples=50)
    settlement = settle_project(project)
    evaluation = evaluate_project(project)
    assert read_summary(project, "analyze", AnalyzeSummary) == analysis.summary
    assert read_summary(project, "settle", SettleSummary) == settlement.summary
    assert read_summary(project, "evaluate", EvaluateSummary) == evaluation.summary
    assert evaluation.summary.simulated_annotators == analysis.summary.simulated_annotators == ("ada", "ben")

    settled = json.loads(summary_path(project, "settle").read_text("utf-8"))
    assert settled["advice"]["text"] == str(settlement.advice)
    assert set(settled["before_after"]) == {"original", "annotation", "refinement"}
    evaluated = json.loads(summary_path(project, "evaluate").read_text("utf-8"))
    assert set(evaluated["fit"]) == {"slope", "intercept", "r2", "n_models"}
    shares = [evaluated["original_label_kept"], evaluated["proposal_recall"]]
    for model in evaluated["models"]:
        shares_of_images, means = {"top1", "top5", "real", "real_at_5"}, {"class_real", "coverage", "map_at_5"}
        assert set(model) == {"model"} | shares_of_images | means
        shares += [model[name] for name in shares_of_images]
        for name in means:
            assert model[name]["interval_95"][0] <= model[name]["value"] <= model[name]["interval_95"][1]
    for share in shares:
        assert set(share) == {"n_hits", "n", "value", "interval_95"}
        assert share["value"] == share["n_hits"] / share["n"]
        assert share["interval_95"][0] < share["value"] <= share["interval_95"][1]


def test_a_summary_that_lacks_a_figure_is_refused_by_name_with_the_command_that_makes_it(fresh: Toys):
    settle_project(fresh.project)
    path = summary_path(fresh.project, "settle")
    content = json.loads(path.read_text("utf-8"))
    del content["n_labels"]
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(DatasetError, match=r"settle\.json: n_labels: .*run `mlf settle "):
        read_summary(fresh.project, "settle", SettleSummary)
    path.write_text("{", "utf-8")
    with pytest.raises(DatasetError, match=r"settle\.json: .*run `mlf settle "):
        read_summary(fresh.project, "settle", SettleSummary)
