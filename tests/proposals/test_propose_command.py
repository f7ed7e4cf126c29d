"""`mlf propose`, as a person types it; the function that the notebook calls stands in for the notebook."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from pipeline.commands.propose import propose as command
from pipeline.errors import DatasetError, ProjectError
from pipeline.project.folder import Project

app = Typer()
app.command()(command)


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


def test_models_that_ran_here_and_elsewhere_are_taken_at_once(
    make_project: Callable[..., Project], checkpoint: Path, tmp_path: Path, stage_parameters: list[dict[str, Any]]
) -> None:
    project = make_project(n_images=10)
    np.savez(tmp_path / "p.npz", elsewhere=np.tile(np.arange(5), (10, 1)))
    lists = tmp_path / "lists.tsv"
    lists.write_text("".join(f"{number}.png\t{number}\t{number},29\t0.9,0.2\n" for number in range(10)))
    arguments = [str(project.root), "--checkpoint", str(checkpoint), "--device", "cpu", "--n-workers", "0"]
    arguments += ["--from-predictions", str(tmp_path / "p.npz"), "--from-predictions", str(lists)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "proposals for 10 of 10 images, from small, elsewhere, lists" in done.output
    assert json.loads(json.dumps(stage_parameters)) == stage_parameters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--merge", "best"], "--merge best: methods are merged by score, by rank, or as learned"),
        (["--learn-from", "labels"], "give it with --from-examples"),
        (["--order", "natural"], "leave it out"),
        (["--engine", "spark"], "--engine spark: there are local and ray"),
        (["--ray-address", "10.0.0.1:6379"], "give it with --engine ray"),
        (["--checkpoint", "CHECKPOINT", "--prompt", "a {name}"], "--prompt words the classes for --zero-shot"),
        (["--method", "zero-shot"], "zero-shot needs a model"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: list[str],
    message: str,
    make_project: Callable[..., Project],
    checkpoint: Path,
    stage_parameters: list[dict[str, Any]],
) -> None:
    given = [str(checkpoint) if option == "CHECKPOINT" else option for option in options]
    done = CliRunner().invoke(app, [str(make_project(n_images=2).root), *given])
    assert isinstance(done.exception, ProjectError)
    assert message in str(done.exception)


def test_without_a_model_classes_that_no_model_at_hand_knows_get_a_list_of_what_else_there_is(
    make_project: Callable[..., Project], stage_parameters: list[dict[str, Any]]
) -> None:
    done = CliRunner().invoke(app, [str(make_project(n_images=2).root)])
    assert isinstance(done.exception, DatasetError)
    assert re.search(r"class_00.*--model NAME.*--checkpoint FILE.*--from-predictions", str(done.exception))
    assert stage_parameters == []
