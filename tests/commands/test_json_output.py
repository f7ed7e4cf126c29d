"""`--json`: one object on standard output, everything else on standard error, on every command that reports."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from pipeline.cli import COMMANDS, app, command_name
from pipeline.commands.json_output import plain, reports
from pipeline.datasets.create import init_project
from pipeline.project.folder import Project
from pipeline.stages.assign import assign_project
from pipeline.toybox import write_toybox

#: Commands that only do something, or that run until they are stopped: they have no figures.
WITHOUT_FIGURES = {"demo", "annotate", "report", "toybox", "hub", "serve"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("json")
    box = write_toybox(root / "box", seed=1, n_scenes=6, n_reference=1)
    made = init_project(root / "birds", box.scenes_csv, box.classes, box.reference)
    assign_project(made, ["ada", "ben"], 2)
    return made


def run_json(*arguments: object, code: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*(str(argument) for argument in arguments), "--json"])
    assert done.exit_code == code, done.output
    whole: dict[str, Any] = json.loads(done.stdout)
    assert set(whole) >= {"command", "version", "notices"}
    return whole


def test_every_command_that_reports_has_the_option() -> None:
    root = typer.main.get_command(app)
    for module, name, _ in COMMANDS:
        function = getattr(import_module(f"pipeline.commands.{module}"), name)
        has_it = any("--json" in option.opts for option in root.commands[command_name(name)].params)
        assert has_it == reports(function) == (name not in WITHOUT_FIGURES), name
        assert inspect.signature(function).return_annotation in ("None", "object"), name


def test_a_terminal_that_knows_no_umlauts_gets_json_too(tmp_path: Path) -> None:
    votes = tmp_path / "votes.csv"
    votes.write_text("image,class,annotator,vote\na.jpg,Bär 🐻,Zoë,yes\na.jpg,Bär 🐻,Ida,no\n", encoding="utf-8")
    command = [sys.executable, "-m", "pipeline.cli", "aggregate", str(votes), "--out", str(tmp_path / "out"), "--json"]
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=plain, capture_output=True, check=True)
    assert json.loads(done.stdout.decode("ascii"))["command"] == "aggregate"


def test_status_gives_what_it_says(project: Project) -> None:
    said = CliRunner().invoke(app, ["status", str(project.root)])
    whole = run_json("status", project.root)
    assert whole["command"] == "status"
    result = whole["result"]
    assert [stage["name"] for stage in result["stages"]][:2] == ["images", "proposals"]
    assert result["next"] in said.stdout
    rows = result["rounds"][0]["rows"]
    assert [row["annotator"] for row in rows] == ["ada", "ben"]
    assert sum(row["n_left"] for row in rows) == 12


def test_other_reports_are_objects_too(project: Project) -> None:
    assert [each["name"] for each in run_json("models", project.root)["result"]["models"]] == []
    keys = [each["key"] for each in run_json("classes", "list", project.root)["result"]]
    assert keys == list(project.label_space.keys)
    assert run_json("classes", project.root, "list")["command"] == "classes list"
    assert run_json("store", "verify", project.root)["result"]["n_events"] == 0
    assert run_json("project", "history", project.root)["result"]["changes"] == []
    assert run_json("why", project.root, "0")["result"]["image_index"] == 0


def test_a_file_of_votes(tmp_path: Path) -> None:
    votes = tmp_path / "votes.csv"
    rows = [f"{image}.png,ant,{who},{vote}" for image in (1, 2) for who, vote in (("ada", "yes"), ("ben", "no"))]
    votes.write_text("image,class,annotator,vote\n" + "\n".join(rows) + "\n")
    found = run_json("analyze", votes, "--out", tmp_path / "tables", "--resamples", 0)["result"]
    assert (found["figures"]["n_set_disagreements"], found["figures"]["n_images_compared"]) == (2, 2)
    assert found["figures"]["alpha_low"] is None
    labels = run_json("aggregate", votes, "--out", tmp_path / "labels")["result"]
    assert (labels["n_votes"], labels["n_pairs"]) == (4, 2)


def test_an_error_is_an_object_and_a_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["status", str(tmp_path / "nowhere"), "--json"])
    assert done.exit_code == 2
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == "ProjectError"
    assert done.stderr == f"Error: {error['message']}\n"


def test_a_check_that_fails_gives_what_it_found(project: Project, tmp_path: Path) -> None:
    kept = tmp_path / "heads.json"
    kept.write_text(json.dumps([{"round": "annotation", "annotator": "ada", "n_events": 5, "digest": "ab"}]))
    whole = run_json("store", "verify", project.root, "--against", kept, code=2)
    assert whole["error"]["kind"] == "StoreError"
    assert ["ada" in line for line in whole["result"]["lost"]] == [True]


def test_notices_are_in_the_object_and_on_standard_error(monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
    import pipeline.stages.status
    from pipeline.project.notices import tell

    def telling(*_: object, **__: object) -> str:
        tell("read in one of two ways")
        return "mlf propose"

    monkeypatch.setattr(pipeline.stages.status, "next_step", telling)
    done = CliRunner().invoke(app, ["status", str(project.root), "--json"])
    assert json.loads(done.stdout)["notices"] == ["read in one of two ways"]
    assert "Note: read in one of two ways\n" in done.stderr


def test_what_json_does_not_know_is_made_plain() -> None:
    import numpy as np
    import pandas as pd

    assert plain({"a": np.float64("nan"), "b": np.array([1, 2]), "c": {3, 1}, "d": Path("x")}) == {
        "a": None,
        "b": [1, 2],
        "c": [1, 3],
        "d": "x",
    }
    assert plain(pd.DataFrame({"x": [1], "y": [np.inf]})) == [{"x": 1, "y": None}]
