"""What every notebook in git must be: parameterized, without outputs, small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.name)
def notebook(request: pytest.FixtureRequest) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(request.param.read_text(encoding="utf-8"))
    nbformat.validate(content)
    return content


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_is_a_notebook_for_every_stage() -> None:
    assert {path.name for path in NOTEBOOKS} >= {
        "1_propose.ipynb",
        "2_annotate.ipynb",
        "3_analyze.ipynb",
        "4_refine.ipynb",
        "4_settle.ipynb",
        "5_evaluate.ipynb",
    }


def test_it_holds_no_outputs_no_counts_and_no_widget_state(notebook: dict[str, Any]) -> None:
    assert [cell["outputs"] for cell in code_cells(notebook) if cell["outputs"]] == []
    assert {cell["execution_count"] for cell in code_cells(notebook)} == {None}
    assert "widgets" not in notebook["metadata"]


def test_it_has_exactly_one_parameters_cell(notebook: dict[str, Any]) -> None:
    tagged = [cell for cell in code_cells(notebook) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1


def test_it_opens_with_prose_and_runs_on_any_python_kernel(notebook: dict[str, Any]) -> None:
    assert notebook["cells"][0]["cell_type"] == "markdown"
    assert "".join(notebook["cells"][0]["source"]).startswith("# ")
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_it_is_small(notebook: dict[str, Any]) -> None:
    assert len(json.dumps(notebook)) < 50_000
