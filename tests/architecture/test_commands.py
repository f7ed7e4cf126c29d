"""A command without help is not finished: each explains itself, and is listed in the README or the page it leads to."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from pipeline.cli import COMMANDS, GROUPS, app, command_name


def _leaves(command: Any, name: str = "") -> dict[str, Any]:
    """Return every command that does something, by its full name: ``init``, ``store rebuild``."""
    if not hasattr(command, "commands"):
        return {name: command}
    return {
        path: leaf
        for word, child in command.commands.items()
        if not child.hidden
        for path, leaf in _leaves(child, f"{name} {word}".strip()).items()
    }


LEAVES = _leaves(typer.main.get_command(app))
NAMES = sorted(LEAVES)
ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))))


def test_every_command_that_is_promised_is_there() -> None:
    stages = {"init", "propose", "assign", "annotate", "analyze", "refine", "settle", "evaluate", "report"}
    assert set(NAMES) >= stages | {"demo", "status", "hub", "serve", "backup", "restore"}
    groups = {name for _, name, _ in GROUPS}
    functions = {command_name(function) for _, function, _ in COMMANDS}
    assert {name.split()[0] for name in NAMES} == functions | groups
    assert all((" " in name) == (name.split()[0] in groups) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_it_does_with_an_example_that_parses(name: str) -> None:
    command = LEAVES[name]
    shown = CliRunner().invoke(app, [*name.split(), "--help"])
    assert shown.exit_code == 0
    examples = re.findall(rf"mlf {name}\b[^\n&]*", command.help or "")
    assert examples, f"the help of `mlf {name}` shows no example"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for example in examples:
        used = set(re.findall(r"(?<!\S)--[a-z][\w-]*", example))
        assert used <= known | {"--help"}, f"the example `{example}` uses options that do not exist"


@pytest.mark.parametrize("name", NAMES)
def test_every_option_and_argument_has_words(name: str) -> None:
    command = LEAVES[name]
    silent = [p.name for p in command.params if p.name != "help" and not getattr(p, "help", None)]
    assert silent == []


@pytest.mark.parametrize("name", NAMES)
def test_help_has_one_style(name: str) -> None:
    """A sentence first, full stops, options in lower case with words for each: one style over all commands."""
    command = LEAVES[name]
    first = (command.help or "").strip().split("\n\n")[0]
    assert re.match(r"[A-Z][^\n]", first)
    assert first.endswith(".")
    for parameter in command.params:
        words = getattr(parameter, "help", None) or ""
        assert re.match(r"[A-Z0-9.`]", words), f"mlf {name} {parameter.opts}: {words}"
        assert words.rstrip().endswith((".", ")")), f"mlf {name} {parameter.opts}: {words}"
        for option in (*parameter.opts, *parameter.secondary_opts):
            assert re.fullmatch(r"-[a-z]|--[a-z][a-z0-9-]*|[a-z_]+", option), f"mlf {name}: {option}"


@pytest.mark.parametrize("name", NAMES)
def test_the_documents_tell_of_it(name: str, root: Path) -> None:
    assert re.search(rf"\bmlf {name}\b", "\n".join((root / path).read_text(encoding="utf-8") for path in DOCUMENTS))


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_use_no_command_option_or_target_that_does_not_exist(path: str, root: Path) -> None:
    text = (root / path).read_text(encoding="utf-8").replace("\\\n", " ")
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:^    +|`)make ([a-z-]+)(?:`|$| +#| +[A-Z]+=)", text, re.MULTILINE)) <= targets
    groups = {name for _, name, _ in GROUPS}
    root_options = {option for parameter in typer.main.get_command(app).params for option in parameter.opts}
    root_options |= {"--help"}
    verbs = {name.partition(" ")[2] for name in NAMES} - {""}
    text = re.sub(
        rf"\bmlf classes (\S+) ({'|'.join(verbs)})\b", r"mlf classes \2 \1", text
    )  # the project may come first
    for name, line in re.findall(rf"\bmlf ((?:(?:{'|'.join(groups)}) )?[a-z-]+)([^\n`#|&]*)", text):
        if name.startswith("-"):
            assert name in root_options
            continue
        assert name in NAMES, f"{path} tells of `mlf {name}`, which does not exist"
        command = LEAVES[name]
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert set(re.findall(r"(?<!\S)--[a-z][\w-]*", line)) <= known | {"--help"}, f"mlf {name}{line}"


def test_commands_are_thin_and_import_nothing_heavy_at_the_top() -> None:
    for module, name, _ in (*COMMANDS, *GROUPS):
        source = inspect.getsource(__import__(f"pipeline.commands.{module}", fromlist=[name]))
        at_the_top = re.findall(r"^(?:from|import) (\S+)", source, re.MULTILINE)
        light = {
            "typer",
            "pipeline.commands.computing",
            "pipeline.errors",
            "pipeline.project.wording",
            "pipeline.formats.votes_in",
            "pipeline.votes.words",
        }
        heavy = {found for found in at_the_top if found.split(".")[0] not in sys.stdlib_module_names} - light
        assert heavy == set(), f"pipeline.commands.{module}"
        function = getattr(__import__(f"pipeline.commands.{module}", fromlist=[name]), name)
        assert isinstance(function, typer.Typer if (module, name) in {group[:2] for group in GROUPS} else FunctionType)
