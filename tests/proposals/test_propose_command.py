"""`mlf propose`, as a person types it; the function that the notebook calls stands in for the notebook."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from pipeline.commands.propose import propose as command
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project
from pipeline.stages.propose import propose

app = Typer()
app.command()(command)


@pytest.fixture
def stage_parameters(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Put in place a stage runner that records its parameters and proposes without a notebook."""
    noted: list[dict[str, Any]] = []

    def run_stage(project: Project, stage: str, parameters: dict[str, Any]) -> None:
        assert stage == "propose"
        noted.append(parameters)
        options = {name: value for name, value in parameters.items() if name != "from_predictions"}
        propose(project, **options)

    module = ModuleType("pipeline.runs")
    module.run_stage = run_stage  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pipeline.runs", module)
    return noted


def test_propose_runs_the_stage_with_plain_parameters_and_says_what_it_came_to(
    make_project: Callable[..., Project], checkpoint: Path, stage_parameters: list[dict[str, Any]]
) -> None:
    project = make_project(n_images=10)
    Path(project.images_root, "class_03/3.png").write_bytes(b"broken")
    arguments = [str(project.root), "--checkpoint", str(checkpoint), "--device", "cpu", "--n-workers", "0"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "proposals for 9 of 10 images, from small" in done.output
    assert "class_03/3.png: " in done.output
    assert json.loads(json.dumps(stage_parameters)) == stage_parameters
    assert stage_parameters[0]["checkpoint"] == [str(checkpoint)]


def test_models_that_ran_here_and_elsewhere_are_not_taken_at_once(
    tmp_path: Path, stage_parameters: list[dict[str, Any]]
) -> None:
    done = CliRunner().invoke(app, [str(tmp_path), "--model", "resnet18", "--from-predictions", "p.npz"])
    assert isinstance(done.exception, ProjectError)
    assert stage_parameters == []


def test_without_a_model_classes_that_no_model_at_hand_knows_get_a_list_of_what_else_there_is(
    make_project: Callable[..., Project], stage_parameters: list[dict[str, Any]]
) -> None:
    done = CliRunner().invoke(app, [str(make_project(n_images=2).root)])
    assert isinstance(done.exception, DatasetError)
    assert re.search(r"class_00.*--model NAME.*--checkpoint FILE.*--from-predictions", str(done.exception))
    assert stage_parameters == []
