"""Arrows point one way: notebooks to widgets to pipeline; inside the pipeline, commands down to pure functions."""

from __future__ import annotations

import json
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

#: Where each heavy or outside-facing package may be imported; everything else asks these modules.
MAY_IMPORT = {
    "torch": ("pipeline.inference", "pipeline.toybox.scoring", "pipeline.toybox.training"),
    "timm": ("pipeline.inference", "pipeline.toybox.scoring", "pipeline.toybox.training", "pipeline.labelspace"),
    "torchvision": ("pipeline.inference",),
    "papermill": ("pipeline.stages",),
    "matplotlib": ("pipeline.plots", "pipeline.reports"),
    "fastapi": ("pipeline.service",),
    "jupyterhub": ("pipeline.hub", "pipeline.service.identity", "pipeline.commands.serve"),
    "httpx": ("pipeline.remote_session", "pipeline.service", "pipeline.hub", "mlf_widgets.board"),
    "anywidget": ("mlf_widgets",),
    "ipywidgets": ("mlf_widgets",),
    "typer": ("pipeline.cli", "pipeline.commands"),
}
#: Pure logic: arrays, frames and values in, the same out. No file, no database, no network, no model, no widget.
PURE = (
    "pipeline.agreement",
    "pipeline.assignment.changes",
    "pipeline.assignment.design",
    "pipeline.assignment.refinement",
    "pipeline.consensus",
    "pipeline.disagreement",
    "pipeline.evaluation",
    "pipeline.events",
    "pipeline.metrics",
    "pipeline.proposals.fusion",
    "pipeline.selection",
    "pipeline.votes",
)
TOUCHES_THE_WORLD = (
    "fsspec",
    "httpx",
    "matplotlib",
    "os",
    "papermill",
    "pathlib",
    "PIL",
    "pipeline.commands",
    "pipeline.inference",
    "pipeline.project",
    "pipeline.reports",
    "pipeline.service",
    "pipeline.stages",
    "pipeline.store",
    "pyarrow",
    "shutil",
    "sqlalchemy",
    "sqlite3",
    "subprocess",
    "tempfile",
    "torch",
    "typer",
)


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_the_pipeline_imports_no_widget_and_no_test(modules: dict[str, Any]) -> None:
    wrong = {
        module.name: sorted(upwards)
        for module in modules.values()
        if is_within(module.name, "pipeline")
        and (upwards := {i for i in module.imports if is_within(i, "mlf_widgets", "tests", "benchmarks", "notebooks")})
    }
    assert wrong == {}


def test_widgets_use_the_pipeline_but_no_command_of_it(modules: dict[str, Any]) -> None:
    widgets = [module for module in modules.values() if is_within(module.name, "mlf_widgets")]
    above = ("pipeline.cli", "pipeline.commands", "pipeline.hub", "pipeline.service", "pipeline.stages", "tests")
    assert any(is_within(name, "pipeline") for module in widgets for name in module.imports)
    assert {m.name: [i for i in m.imports if is_within(i, *above)] for m in widgets} == {m.name: [] for m in widgets}


def test_only_the_command_line_imports_commands(modules: dict[str, Any]) -> None:
    importers = {
        module.name
        for module in modules.values()
        if any(is_within(name, "pipeline.commands", "pipeline.cli") for name in module.imports)
        and not is_within(module.name, "pipeline.commands", "pipeline.cli")
    }
    assert importers == set()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_heavy_package_is_imported_where_it_belongs_alone(package: str, modules: dict[str, Any]) -> None:
    importers = {m.name for m in modules.values() if any(is_within(name, package) for name in m.imports)}
    assert {name for name in importers if not is_within(name, *MAY_IMPORT[package])} == set()


def test_pure_modules_touch_no_file_database_network_or_model(modules: dict[str, Any]) -> None:
    pure = [module for module in modules.values() if is_within(module.name, *PURE)]
    assert len(pure) >= len(PURE)
    found = {m.name: hits for m in pure if (hits := {i for i in m.imports if is_within(i, *TOUCHES_THE_WORLD)})}
    assert found == {}


def test_no_module_imports_itself_by_a_detour(modules: dict[str, Any]) -> None:
    graph = {
        module.name: {name for name in module.imports if name in modules and not is_within(module.name, name)}
        for module in modules.values()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")
    assert set(order) >= set(modules)


def test_notebooks_call_the_packages_and_define_nothing_of_their_own(root: Path) -> None:
    defined = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert re.search(r"^(from|import) (pipeline|mlf_widgets)", code, re.MULTILINE), path.name
        defined += [(path.name, line) for line in re.findall(r"^\s*(?:def|class) .*", code, re.MULTILINE)]
    assert defined == []
