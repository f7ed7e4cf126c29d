"""The pages of the reference, read from the program when the site is built: Markdown, one function a page."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import json
import os
import re
import tempfile
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer.main

from pipeline.annotation import events as event_module
from pipeline.cli import COMMANDS, GROUPS, app, command_name
from pipeline.doctor.machine import EXTRAS
from pipeline.evaluation.metrics import METRICS
from pipeline.project import folder, settings, tables
from pipeline.project.settings import Settings
from pipeline.stages.result_columns import RESULT_TABLES

_DOCS = Path(__file__).parent
#: Pages that are documents beside `docs/`.
_BESIDE = {
    "security": "SECURITY.md",
    "deploy": "deploy/README.md",
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
}


def commands() -> str:
    """Return every command with its help, arguments and options, in the order of `mlf --help`."""
    root = typer.main.get_command(app)
    names = [command_name(function) for _, function, _ in COMMANDS]
    leaves = [(f"mlf {name}", root.commands[name]) for name in names]
    for _, group, _ in GROUPS:
        leaves += [(f"mlf {group} {verb}", command) for verb, command in root.commands[group].commands.items()]
    return "\n\n".join(_command(path, command) for path, command in leaves)


def _command(path: str, command: Any) -> str:
    ours = [each for each in command.params if each.name != "help"]
    arguments = " ".join(_metavar(each) for each in ours if each.param_type_name == "argument")
    rows = [_parameter(each) for each in ours]
    table = ["| | what it is | if left out |", "| --- | --- | --- |", *rows] if rows else []
    usage = " ".join(filter(None, ["   ", path, arguments, "[OPTIONS]"]))
    said = re.sub(r"^(?:Example: )?(mlf .*)$", r"    \1", inspect.cleandoc(command.help or ""), flags=re.MULTILINE)
    return "\n\n".join([f"## {path}", usage, said, "\n".join(table)])


def _metavar(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).upper()
    return name if parameter.required else f"[{name}]"


def _parameter(parameter: Any) -> str:
    is_argument = parameter.param_type_name == "argument"
    names = [_metavar(parameter)] if is_argument else [*parameter.opts, *parameter.secondary_opts]
    default = parameter.default() if callable(parameter.default) else parameter.default
    is_nothing = default is False or default in (None, "", [], ())
    shown = "needed" if parameter.required else "" if is_nothing else f"`{_plain(default)}`"
    shown = f"`{parameter.opts[0]}`" if default is True else shown
    return f"| {', '.join(f'`{_cell(name)}`' for name in names)} | {_cell(parameter.help or '')} | {shown} |"


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def project_settings() -> str:
    """Return every section of `mlf.toml`, and every setting with its kind, its default and what it is for."""
    whys = _comments_above(settings)
    parts = []
    for name, kind in get_type_hints(Settings).items():
        hints = get_type_hints(kind)
        rows = [
            f"| `{each.name}` | {_kind(hints[each.name])} | `{_in_toml(_default(each))}` | "
            f"{_cell(whys.get((kind.__name__, each.name), ''))} |"
            for each in dataclasses.fields(kind)
        ]
        head = ["| setting | kind | default | what it is for |", "| --- | --- | --- | --- |"]
        parts.append("\n".join([f"## `[{name}]`", "", inspect.cleandoc(kind.__doc__ or ""), "", *head, *rows]))
    return "\n\n".join(parts)


def _kind(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(hint))
    words = {str: "text", int: "number", float: "number", bool: "true or false", list: "list", dict: "table"}
    return words[get_origin(hint) or hint]


def _default(field: Any) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory()


def _in_toml(value: Any) -> str:
    """Return a setting's value as it is written in `mlf.toml`, on one line; those of tables are empty."""
    return json.dumps(value, ensure_ascii=False)


def _comments_above(module: ModuleType) -> dict[tuple[str, str], str]:
    """Return the `#:` comments above the fields of a module's classes, by (class, field)."""
    source = inspect.getsource(module)
    comments = {
        token.start[0]: token.string.removeprefix("#:").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and token.string.startswith("#:")
    }
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    found[node.name, statement.target.id] = _block_above(comments, statement.lineno)
    return found


def _block_above(comments: dict[int, str], line: int) -> str:
    lines: list[str] = []
    while (line := line - 1) in comments:
        lines.insert(0, comments[line])
    return " ".join(lines)


def files_and_tables() -> str:
    """Return the files of a project's folder, and the columns of its Parquet tables."""
    rows = [f"| `{path}` | {said} |" for path, said in _files()]
    parts = ["## Files of a project\n\n| file | what it holds |\n| --- | --- |\n" + "\n".join(rows)]
    source = inspect.getsource(tables).splitlines()
    comments = {
        number: line.strip()[2:].strip() for number, line in enumerate(source, 1) if line.strip().startswith("#:")
    }
    for name, schema in vars(tables).items():
        if not hasattr(schema, "names") or name.endswith("GROUP"):
            continue
        start = next(number for number, line in enumerate(source, 1) if line.startswith(f"{name} ="))
        cells = []
        for field in schema:
            at = _line_of(source, start, f'"{field.name}"')
            kind = f"{field.type}{' or null' if field.nullable else ''}"
            cells.append(f"| `{field.name}` | {kind} | {_cell(_block_above(comments, at))} |")
        head = "| column | type | |\n| --- | --- | --- |"
        title = name.replace("_", " ").capitalize()
        parts.append(f"## Table: {title}\n\n{_block_above(comments, start)}\n\n{head}\n" + "\n".join(cells))
    return "\n\n".join([*parts, *_result_tables()])


def _result_tables() -> Iterator[str]:
    """Yield the tables that stages write, with a sentence a column."""
    for path, table in RESULT_TABLES.items():
        rows = [f"| `{name}` | {_cell(said)} |" for name, said in table.columns.items()]
        yield "\n".join(
            [f"## `results/{path}`", "", f"One row: {_cell(table.row)}", "", "| column | |", "| --- | --- |", *rows]
        )


def _line_of(source: list[str], start: int, text: str) -> int:
    return next((number for number, line in enumerate(source, 1) if number >= start and text in line), 0)


def _files() -> Iterator[tuple[str, str]]:
    root = Path("/project")
    made = folder.Project(root, Settings())
    for name, member in vars(folder.Project).items():
        if isinstance(member, property) and name.endswith(("_path", "_dir")):
            path = Path(getattr(made, name)).relative_to(root).as_posix()
            said = inspect.cleandoc(member.__doc__ or "").split("\n")[0]
            yield path + ("/" if name.endswith("_dir") else ""), _cell(re.sub(r"^Return (the path of )?", "", said))


def extras() -> str:
    """Return what each extra of the installation is for."""
    return "| extra | for |\n| --- | --- |\n" + "\n".join(f"| `{name}` | {what} |" for name, what in EXTRAS.items())


def metrics() -> str:
    """Return every metric that models are scored by."""
    rows = [
        f"| {each.title} | `{each.name}` | {each.labels} | {each.mean_over} | {_cell(each.meaning)} |"
        for each in METRICS
    ]
    return "| metric | column | images that have labels | mean over | |\n| --- | --- | --- | --- | --- |\n" + "\n".join(
        rows
    )


def events() -> str:
    """Return every kind of event with its payload, and the fields of an event."""
    source = inspect.getsource(event_module.EventKind)
    payloads = dict(re.findall(r'= "(\w+)"  # (.*)', source))
    rows = [f"| `{kind.value}` | {_cell(payloads[kind.value])} |" for kind in event_module.EventKind]
    document = inspect.getdoc(event_module.Event) or ""
    fields = [
        f"| {', '.join(f'`{name.strip()}`' for name in names.split(','))} | {_cell(_markdown(said))} |"
        for names, said in re.findall(
            r"^(\w[\w, ]*)\n((?:    .*\n?)+)", document.partition("Parameters\n")[2], re.MULTILINE
        )
    ]
    head = ["## Kinds", "", "| kind | what it holds |", "| --- | --- |", *rows, ""]
    return "\n".join([*head, "## Fields of an event", "", "| field | |", "| --- | --- |", *fields])


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def service() -> str:
    """Return every address of the service, with who may ask and what it answers."""
    rows = []
    for path, methods in sorted(_service_document()["paths"].items()):
        for method, operation in methods.items():
            said = _cell(_markdown(operation.get("description") or operation.get("summary") or ""))
            answers = ", ".join(sorted(operation.get("responses", {})))
            rows.append(f"| `{method.upper()}` | `{path.removeprefix('/services/mlf')}` | {said} | {answers} |")
    head = "| | address, below `/services/mlf` | what it does | answers |\n| --- | --- | --- | --- |"
    return head + "\n" + "\n".join(rows)


def _service_document() -> dict[str, Any]:
    """Return what the service says of itself (OpenAPI), on a project of two drawn images."""
    import numpy as np

    from pipeline.datasets.create import init_project
    from pipeline.service.app import create_app
    from pipeline.stages.propose import propose_from_predictions
    from pipeline.toybox import write_toybox

    with tempfile.TemporaryDirectory() as made:
        box = write_toybox(Path(made) / "box", n_scenes=2, n_reference=1)
        project = init_project(Path(made) / "project", box.scenes_csv, box.classes)
        np.savez(Path(made) / "model.npz", model=np.array([[0, 1], [1, 0]]))
        propose_from_predictions(project, Path(made) / "model.npz")
        application = create_app(project, _Nobody())
        document: dict[str, Any] = application.openapi()
        application.state.service.close()
    return document


class _Nobody:
    async def caller(self, _token: str) -> None:
        return None


def with_links_within(text: str, page: str) -> str:
    """Return a document with links to other documents as links to their pages, and those to other files as names.

    Parameters
    ----------
    text
        Markdown, whose links are relative to its own file.
    page
        The page that it becomes, from `docs/`, without its ending.
    """
    source = _BESIDE.get(page, f"docs/{page}.md")
    pages = {path: name for name, path in _BESIDE.items()}

    def relinked(link: re.Match[str]) -> str:
        words, target, anchor = (part or "" for part in link.groups())
        if "://" in target or not target:
            return link[0]
        path = os.path.normpath(Path(source).parent / target)
        name = pages.get(path, path.removeprefix("docs/").removesuffix(".md"))
        if not (_DOCS / f"{name}.md").exists():
            return f"{words} (`{path}`)" if words.strip("`") != path else words
        return f"[{words}]({os.path.relpath(name, Path(page).parent)}.md{anchor})"

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)#\s]*)(#[^)\s]*)?\)", relinked, text)


def _beside(name: str) -> Callable[[], str]:
    return lambda: with_links_within((_DOCS.parent / _BESIDE[name]).read_text(encoding="utf-8"), name)


#: Name of the directive's argument, and what makes the page.
PAGES: dict[str, Callable[[], str]] = {
    "commands": commands,
    "settings": project_settings,
    "files": files_and_tables,
    "events": events,
    "extras": extras,
    "metrics": metrics,
    "service": service,
    **{name: _beside(name) for name in _BESIDE},
}
