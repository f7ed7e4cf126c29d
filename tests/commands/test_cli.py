"""The root of the command line: help, version, and how errors are reported."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run_mlf
from typer.testing import CliRunner

import pipeline.commands
from pipeline import __version__
from pipeline.cli import COMMANDS, GROUPS, app, command_name


def test_every_module_of_commands_is_registered_and_every_command_there_is() -> None:
    modules = {module.name for module in pkgutil.iter_modules(pipeline.commands.__path__)}
    # What every command that reports does with `--json`, and the options of those that run models.
    shared = {"json_output", "computing"}
    assert {module for module, _, _ in (*COMMANDS, *GROUPS)} == modules - shared
    shown = CliRunner().invoke(app, ["--help"], terminal_width=200).output
    for module, function, _ in COMMANDS:
        assert hasattr(importlib.import_module(f"pipeline.commands.{module}"), function)
        assert f" {command_name(function)} " in shown


def test_the_help_names_the_stages_in_their_order() -> None:
    shown = CliRunner().invoke(app, ["--help"], terminal_width=200).output
    panel = shown[shown.index("The stages, in order") :]
    stages = ("init", "propose", "assign", "annotate", "analyze", "refine", "settle", "evaluate", "report")
    places = [panel.index(f"│ {stage} ") for stage in stages]
    assert places == sorted(places)


def test_help_and_version_load_nothing_heavy() -> None:
    code = (
        "import sys\nfrom pipeline.cli import app\ntry:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', sorted({'torch', 'pandas', 'numpy', 'pyarrow', 'papermill', 'sqlalchemy', 'jupyter_client'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    assert run_mlf("--version").strip() == f"multilabelfy {__version__}"


@pytest.mark.parametrize(
    "arguments", [["status", "nowhere"], ["--debug", "status", "nowhere"], ["status", "nowhere", "--debug"]]
)
def test_a_foreseen_error_is_one_line_and_two_with_a_traceback_only_in_debug(
    tmp_path: Path, arguments: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    if "--debug" in arguments:
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "ProjectError" in done.stderr
        return
    assert done.returncode == 2
    assert done.stderr == ("Error: nowhere: no such folder; make a project there with `mlf init nowhere --images …`\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["restore", "nowhere", "birds"], "nowhere: no such folder of a backup; name one that `mlf backup` made"),
        (["refine", "birds", "--refiners", ","], "--refiners ',' names nobody"),
    ],
)
def test_an_error_names_a_next_step_of_its_own_command(arguments: list[str], message: str) -> None:
    assert message in run_mlf(*arguments, code=2)


def test_a_mistyped_command_is_answered_with_the_near_one() -> None:
    assert "propose" in run_mlf("propos", code=2)
