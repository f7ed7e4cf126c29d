"""What a message tells people to type is there: every option it names, and every command with its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from typer.main import get_command

from pipeline.cli import app
from pipeline.project.settings import Settings

PIPELINE = Path(__file__).parents[2] / "pipeline"
#: Rooms whose messages speak of other programs.
ELSEWHERE = {"hub", "runs"}
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![a-z-])")
_COMMAND = re.compile(r"mlf (?P<words>[a-z][a-z-]*(?: [a-z][a-z-]*)?)(?P<rest>[^`()]*)")
_SETTING = re.compile(r"(?P<name>[a-z_]+) in \[(?P<section>[a-z]+)\]")


def _options() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}

    def walk(command: object, name: str) -> None:
        for below, each in getattr(command, "commands", {}).items():
            walk(each, f"{name} {below}".strip())
        options = [*getattr(command, "params", ())]
        found[name] = {text for option in options for text in (*option.opts, *option.secondary_opts)} | {"--help"}

    walk(get_command(app), "")
    return found


OPTIONS = _options()


def _text(node: ast.expr) -> str:
    """Return a message as it stands in the source, with … for what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) if isinstance(value, ast.Constant) else "…" for value in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return ""


def _messages() -> Iterator[tuple[str, str]]:
    """Yield where each text of the program stands, docstrings aside, and the text."""
    for path in sorted(PIPELINE.rglob("*.py")):
        room = path.relative_to(PIPELINE).parts[0]
        if room in ELSEWHERE:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in parts and (text := _text(node)):
                yield f"{path.relative_to(PIPELINE)}:{node.lineno}", text


MESSAGES = tuple(_messages())


def test_every_option_that_a_message_names_is_an_option_of_a_command() -> None:
    known = set().union(*OPTIONS.values())
    named = [(where, option) for where, text in MESSAGES for option in _OPTION.findall(text)]
    assert len(named) > 100
    assert [(where, option) for where, option in named if option not in known] == []


def test_every_command_that_a_message_names_is_there_with_the_options_it_names() -> None:
    wrong, n_found = [], 0
    for where, text in MESSAGES:
        for found in _COMMAND.finditer(text):
            words = found["words"].split()
            name = next((name for name in (" ".join(words), words[0]) if name in OPTIONS), None)
            if name is None:
                wrong.append((where, found[0]))
                continue
            n_found += 1
            wrong += [(where, found[0]) for option in _OPTION.findall(found["rest"]) if option not in OPTIONS[name]]
    assert n_found > 50
    assert wrong == []


def test_every_setting_that_a_message_names_is_there() -> None:
    named = [(where, found) for where, text in MESSAGES for found in _SETTING.finditer(text)]
    assert named
    assert [where for where, found in named if not hasattr(getattr(Settings(), found["section"]), found["name"])] == []
