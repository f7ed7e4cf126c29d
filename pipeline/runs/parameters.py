"""The parameters of a notebook: the names that its only `parameters` cell assigns, and nothing else."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.errors import ProjectError
from pipeline.project.names import did_you_mean

if TYPE_CHECKING:
    from nbformat import NotebookNode

#: The types that a parameter may have: plain ones, since its value is written into the executed notebook as text.
Parameter = str | int | float | bool | list[str] | None


def declared_parameters(notebook: NotebookNode, name: str) -> tuple[str, ...]:
    """Return the names that a notebook's `parameters` cell assigns, in order.

    Parameters
    ----------
    notebook
        The notebook, as `nbformat` reads it.
    name
        Its file name, for messages.

    Raises
    ------
    ProjectError
        If it has no cell tagged `parameters`, has several, or its `parameters` cell is not valid Python.
    """
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    if len(cells) != 1:
        found = "no cell" if not cells else f"{len(cells)} cells"
        raise ProjectError(
            f"{name} has {found} tagged `parameters`; it needs exactly one (in JupyterLab: Property Inspector)"
        )
    try:
        statements = ast.parse(cells[0].source).body
    except SyntaxError as error:
        raise ProjectError(f"{name}: its `parameters` cell is not Python: {error}") from error
    return tuple(target.id for statement in statements for target in _targets(statement))


def check_parameters(given: Mapping[str, object], declared: tuple[str, ...], name: str) -> dict[str, Parameter]:
    """Return the parameters if the notebook declares all of them and each has a plain type.

    Raise `ProjectError` if a name is unknown (the message suggests the nearest known one), or a value is not None,
    text, a list of texts, a number or a truth value.
    """
    checked: dict[str, Parameter] = {}
    for parameter, value in given.items():
        if parameter not in declared:
            hint = did_you_mean(parameter, declared, f"it takes {', '.join(declared) or 'none'}")
            raise ProjectError(f"{name} has no parameter {parameter!r}; {hint}")
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            checked[parameter] = [str(item) for item in value]
            continue
        if not (value is None or isinstance(value, str | int | float)):
            raise ProjectError(
                f"{name}: parameter {parameter} = {value!r}; give text, a list of texts, a number, True, False or None"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise ProjectError(f"{name}: parameter {parameter} = {value}; give a finite number")
        checked[parameter] = value
    return checked


def _targets(statement: ast.stmt) -> list[ast.Name]:
    if isinstance(statement, ast.Assign):
        return [target for target in statement.targets if isinstance(target, ast.Name)]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return [statement.target]
    return []
