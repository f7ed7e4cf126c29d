"""Annotators whose votes do not count: each report says who, and what their votes would change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_projects import Toys
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import ProjectError
from pipeline.project.folder import Project, open_project
from pipeline.project.settings import write_settings
from pipeline.reports.headlines import disagreement_headline, settle_headline
from pipeline.stages.analyze import analyze_project
from pipeline.stages.settle import settle_project


@pytest.fixture
def without_cleo(fresh: Toys) -> Project:
    """Return the annotated project, set to leave cleo out."""
    settings = fresh.project.settings.with_changes("consensus", annotators_left_out=["cleo"])
    return replace(fresh.project, settings=settings)


def test_the_report_on_disagreement_says_who_is_left_out_and_what_their_votes_would_change(
    fresh: Toys, without_cleo: Project
) -> None:
    whole = analyze_project(fresh.project, n_resamples=0).summary
    found = analyze_project(without_cleo, n_resamples=0).summary
    assert "cleo" in whole.annotators
    assert "cleo" not in found.annotators
    assert found.n_set_disagreements < whole.n_set_disagreements
    (line,) = [line for line in disagreement_headline(found) if "cleo" in line]
    assert f"{whole.n_set_disagreements:,} of {whole.n_images_compared:,} images" in line
    assert f"alpha would be {whole.alpha:.3f}" in line
    assert not any("Left out: the votes" in line for line in disagreement_headline(whole))


def test_the_report_on_settled_labels_says_how_many_labels_would_be_others(fresh: Toys, without_cleo: Project) -> None:
    whole, found = settle_project(fresh.project), settle_project(without_cleo)
    changed = np.setxor1d(whole.keys[1], found.keys[1])
    assert len(changed) > 0
    n_images = len(np.unique(changed // len(fresh.project.label_space)))
    (line,) = [line for line in settle_headline(found.summary) if "cleo" in line]
    assert f"with them {len(changed):,} labels on {n_images:,} images would be others" in line
    assert "cleo" not in found.summary.annotators
    assert not any("Left out: the votes" in line for line in settle_headline(whole.summary))


def test_where_everybody_is_left_out_each_stage_says_so_and_what_to_do(fresh: Toys) -> None:
    everybody = ["ada", "ben", "cleo"]
    settings = fresh.project.settings.with_changes("consensus", annotators_left_out=everybody)
    project = replace(fresh.project, settings=settings)
    for stage in (analyze_project, settle_project):
        with pytest.raises(ProjectError, match=r"nobody but those who are left out \(ada, ben, cleo\).*--leave-out"):
            stage(project)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('aim = "f2"', r"\[consensus\] aim: the aim 'f2' is not known; say f1"),
        ('aim = "precision 2"', "2 is no number between 0 and 1"),
        ('annotators_left_out = ["ada", "ada"]', "annotators_left_out has 'ada'; name each once"),
        ('models_left_out = [""]', "models_left_out has ''"),
    ],
)
def test_a_wrong_setting_of_the_consensus_is_named_by_whatever_opens_the_project(
    tmp_path: Path, line: str, problem: str
) -> None:
    (tmp_path / "mlf.toml").write_text(f"[consensus]\n{line}\n")
    with pytest.raises(ProjectError, match=problem):
        open_project(tmp_path)


def test_status_names_whom_the_settings_leave_out_and_nobody_knows(fresh: Toys) -> None:
    names = {"annotators_left_out": ["cloe"], "models_left_out": ["resnet"]}
    write_settings(fresh.project.settings.with_changes("consensus", **names), fresh.project.root / "mlf.toml")
    done = CliRunner().invoke(app, ["status", str(fresh.project.root)])
    assert done.exit_code == 0, done.output
    assert (
        "'cloe' is to be left out (annotators_left_out, or --leave-out) and is not known; there are ada, ben, cleo"
        in done.output
    )
    assert "'resnet' is to be left out (models_left_out, or --leave-out-model) and is not known" in done.output
