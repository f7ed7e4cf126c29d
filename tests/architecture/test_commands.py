"""A command without words is not finished: each teaches itself, and stands in the README."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import FunctionType

import pytest
import typer.main
from typer.testing import CliRunner

from pipeline.cli import COMMANDS, app

GROUP = typer.main.get_command(app)
NAMES = sorted(name for name, command in getattr(GROUP, "commands", {}).items() if not command.hidden)


def test_every_command_that_is_promised_is_there() -> None:
    stages = {"init", "propose", "assign", "annotate", "analyze", "refine", "settle", "evaluate", "report"}
    assert set(NAMES) >= stages | {"demo", "status", "hub", "serve", "backup", "restore"}
    assert set(NAMES) == {function for _, function, _ in COMMANDS}


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_it_does_with_an_example_that_parses(name: str) -> None:
    command = GROUP.commands[name]  # type: ignore[attr-defined]
    shown = CliRunner().invoke(app, [name, "--help"])
    assert shown.exit_code == 0
    examples = re.findall(rf"mlf {name}\b[^\n&]*", command.help or "")
    assert examples, f"the help of `mlf {name}` shows no example"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for example in examples:
        used = set(re.findall(r"(?<!\S)--[a-z][\w-]*", example))
        assert used <= known | {"--help"}, f"the example `{example}` uses options that do not exist"


@pytest.mark.parametrize("name", NAMES)
def test_every_option_and_argument_has_words(name: str) -> None:
    command = GROUP.commands[name]  # type: ignore[attr-defined]
    silent = [p.name for p in command.params if p.name != "help" and not getattr(p, "help", None)]
    assert silent == []


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_tells_of_it(name: str, root: Path) -> None:
    assert re.search(rf"\bmlf {name}\b", (root / "README.md").read_text(encoding="utf-8"))


def test_the_readme_uses_no_command_option_or_target_that_does_not_exist(root: Path) -> None:
    readme = (root / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^ *|`)make ([a-z-]+)", readme, re.MULTILINE)) <= targets
    for name, line in re.findall(r"\bmlf ([a-z]+)([^\n`#|&]*)", readme):
        assert name in NAMES, f"the README tells of `mlf {name}`, which does not exist"
        command = GROUP.commands[name]  # type: ignore[attr-defined]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert set(re.findall(r"(?<!\S)--[a-z][\w-]*", line)) <= known | {"--help"}, f"mlf {name}{line}"


def test_commands_are_thin_and_import_nothing_heavy_at_the_top() -> None:
    for module, name, _ in COMMANDS:
        source = inspect.getsource(__import__(f"pipeline.commands.{module}", fromlist=[name]))
        at_the_top = re.findall(r"^(?:from|import) (\S+)", source, re.MULTILINE)
        light = {"typer", "pipeline.errors", "pipeline.votes.words"}
        heavy = {found for found in at_the_top if found.split(".")[0] not in sys.stdlib_module_names} - light
        assert heavy == set(), f"pipeline.commands.{module}"
        function = getattr(__import__(f"pipeline.commands.{module}", fromlist=[name]), name)
        assert isinstance(function, FunctionType)
