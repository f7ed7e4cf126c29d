"""Arrows point one way: notebooks to widgets to pipeline; inside the pipeline, commands down to pure functions."""

from __future__ import annotations

import json
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

#: The house: the rooms of `pipeline/`, floor by floor from the top. A room may import rooms on floors below its own,
#: and `pipeline.errors`. A new room gets a place here, in the picture of the README, and a sentence in its `__init__`.
FLOORS = (
    ("commands",),
    ("demo", "doctor"),
    ("reports", "service"),
    ("hub", "stages"),
    ("runs", "sessions"),
    ("assignment", "proposals"),
    ("examples",),
    ("formats", "inference", "store"),
    ("annotation", "consensus", "datasets", "disagreement", "toybox"),
    ("evaluation", "images"),
    ("project", "votes"),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
#: Where each heavy or outside-facing package may be imported; all other rooms must go through these.
MAY_IMPORT = {
    "torch": ("pipeline.inference", "pipeline.toybox"),
    "timm": ("pipeline.inference", "pipeline.toybox", "pipeline.project"),
    "torchvision": ("pipeline.inference",),
    "ray": ("pipeline.inference",),
    "papermill": ("pipeline.runs",),
    "matplotlib": ("pipeline.reports",),
    "fastapi": ("pipeline.service",),
    "jupyterhub": ("pipeline.hub", "pipeline.service", "pipeline.commands"),
    "httpx": ("pipeline.service", "pipeline.hub"),
    "anywidget": ("mlf_widgets",),
    "ipywidgets": ("mlf_widgets",),
    "typer": ("pipeline.cli", "pipeline.commands"),
}
#: What widgets may use: sessions, what these are made of, the clients that speak to the service, a project's votes,
#: what the columns of its tables say.
WIDGETS_MAY_IMPORT = (
    "pipeline.annotation",
    "pipeline.errors",
    "pipeline.project",
    "pipeline.proposals.reader",
    "pipeline.service.board_client",
    "pipeline.service.client",
    "pipeline.service.explorer_client",
    "pipeline.service.runs_client",
    "pipeline.sessions",
    "pipeline.stages.result_columns",
    "pipeline.stages.votes_of_project",
    "pipeline.store",
    "pipeline.votes.arrays",
    "pipeline.votes.words",
)
#: Pure rooms: arrays, frames and values in, the same out. No file, no database, no network, no model, no widget.
PURE = ("annotation", "consensus", "disagreement", "evaluation", "votes")
TOUCHES_THE_WORLD = (
    "fsspec",
    "httpx",
    "matplotlib",
    "os",
    "papermill",
    "pathlib",
    "PIL",
    "pipeline.project.files",
    "pipeline.project.folder",
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


def room_of(name: str) -> str | None:
    """Return the folder of `pipeline/` that a module is in; None for modules at its top level or outside it."""
    parts = name.split(".")
    return parts[1] if parts[0] == "pipeline" and len(parts) > 1 and parts[1] in FLOOR_OF else None


def test_the_pipeline_imports_no_widget_and_no_test(modules: dict[str, Any]) -> None:
    wrong = {
        module.name: sorted(upwards)
        for module in modules.values()
        if is_within(module.name, "pipeline")
        and (upwards := {i for i in module.imports if is_within(i, "mlf_widgets", "tests", "benchmarks", "notebooks")})
    }
    assert wrong == {}


def test_widgets_use_sessions_what_these_are_made_of_and_the_clients(modules: dict[str, Any]) -> None:
    widgets = [module for module in modules.values() if is_within(module.name, "mlf_widgets")]
    used = {name for module in widgets for name in module.imports if is_within(name, "pipeline", "tests")}
    assert used
    assert {name for name in used if not is_within(name, *WIDGETS_MAY_IMPORT)} == set()


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


def test_pure_rooms_touch_no_file_database_network_or_model(modules: dict[str, Any]) -> None:
    pure = [module for module in modules.values() if room_of(module.name) in PURE]
    assert {room_of(module.name) for module in pure} == set(PURE)
    found = {m.name: hits for m in pure if (hits := {i for i in m.imports if is_within(i, *TOUCHES_THE_WORLD)})}
    assert found == {}


def arrows_between_rooms(modules: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """Return (importing room, imported room) and which modules do it; any room may import `pipeline.errors`."""
    found: dict[tuple[str, str], set[str]] = {}
    for module in modules.values():
        for name in module.imports:
            here, there = room_of(module.name), room_of(name)
            if here in FLOOR_OF and there in FLOOR_OF and here != there:
                found.setdefault((here, there), set()).add(module.name)
    return found


def test_every_room_has_its_floor_and_no_arrow_goes_back_up(modules: dict[str, Any]) -> None:
    rooms = {room_of(name) for name in modules if name.count(".") > 1}
    assert rooms - {None} == set(FLOOR_OF)
    back_up = {f"{a} -> {b}": by for (a, b), by in arrows_between_rooms(modules).items() if FLOOR_OF[a] >= FLOOR_OF[b]}
    assert back_up == {}, "a room imports one that is not below it"


def test_the_house_stays_small(modules: dict[str, Any], root: Path) -> None:
    loose = {path.stem for path in (root / "pipeline").glob("*.py")} - {"__init__"}
    assert loose <= {"cli", "errors"}
    assert len(FLOOR_OF) <= 26
    assert len(arrows_between_rooms(modules)) <= 134


def test_every_room_says_in_its_first_sentence_what_lives_there(modules: dict[str, Any]) -> None:
    silent = [room for room in FLOOR_OF if not (modules[f"pipeline.{room}"].docstring or "").strip()]
    assert silent == []


def test_the_picture_in_the_readme_shows_every_room_on_its_floor(root: Path) -> None:
    [picture] = re.findall(r"```mermaid\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    shown = [tuple(re.findall(r"[a-z]+", rooms)) for rooms in re.findall(r"floor\d+\[\"([a-z, ]+)\"\]", picture)]
    assert tuple(shown) == FLOORS


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
