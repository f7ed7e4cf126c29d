"""`--json`: what a command reports as one JSON object on standard output; all that it says goes to standard error.

A command that reports returns its figures, a dataclass or a mapping, and so gets the option. Standard output then holds
one object and nothing else::

    {"command": "status", "version": "0.1.0", "result": {...}, "notices": []}

or, where the command ends with an error (exit code 2)::

    {"command": "status", "version": "0.1.0", "error": {"kind": "ProjectError", "message": "..."}, "notices": []}

The names in `result` are those of the tables and of the Python API; what is undefined is null.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from enum import Enum
from typing import Annotated, Any

import typer

from pipeline import __version__

_OBJECT, NOTICES = "mlf.json", "mlf.notices"
_JSON = typer.Option("--json", help="Print the figures as JSON on standard output, everything else on standard error.")


def reports(function: Callable[..., Any]) -> bool:
    """Return whether a command reports: whether it returns something."""
    return inspect.signature(function).return_annotation not in (None, "None")


def with_json(function: Callable[..., Any]) -> Callable[..., None]:
    """Return a command that reports with the option `--json` added, which prints what the command returns."""

    def run(ctx: typer.Context, as_json: bool, **given: Any) -> None:
        if not as_json:
            function(**given)
            return
        begin_json(ctx)
        with redirect_stdout(sys.stderr):
            result = function(**given)
        print_json(ctx, result=result)

    own = list(inspect.signature(function, eval_str=True).parameters.values())
    kind = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter("ctx", kind, annotation=typer.Context),
        inspect.Parameter("as_json", kind, annotation=Annotated[bool, _JSON], default=False),
    ]
    signature = inspect.Signature([each.replace(kind=kind) for each in [*own, *added]])
    run.__dict__["__signature__"] = signature
    run.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


def begin_json(ctx: typer.Context) -> None:
    """Keep that this command's output is an object, for errors and notices."""
    ctx.meta[_OBJECT] = ctx.command_path.partition(" ")[2]


def is_json(ctx: typer.Context) -> bool:
    """Return whether the command that runs was given `--json`."""
    return _OBJECT in ctx.meta


def print_json(ctx: typer.Context, **outcome: Any) -> None:
    """Print the one object of this command: `result` or `error`, beside what every command gives."""
    whole = {"command": ctx.meta[_OBJECT], "version": __version__} | outcome | {"notices": ctx.meta.get(NOTICES, [])}
    # In ASCII: what standard output cannot write would be replaced by what is no escape of JSON's.
    typer.echo(json.dumps(plain(whole), indent=2, allow_nan=False))


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: dataclasses as objects, tables as lists of rows, what is not finite as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(plain(name)): plain(each) for name, each in value.items()}
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return plain(value.to_dict("records"))
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in (value if isinstance(value, (list, tuple)) else sorted(value))]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
