"""A newcomer finds any room from the outside: files are named after their subject and say what they are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CATCH_ALL = {"base", "common", "core", "helper", "helpers", "lib", "misc", "shared", "stuff", "util", "utils"}
SOURCE_SUFFIXES = {".py", ".ts", ".tsx", ".mjs"}


def test_no_file_of_the_source_has_a_catch_all_name(tracked_files: tuple[Path, ...]) -> None:
    sources = [path for path in tracked_files if path.suffix in SOURCE_SUFFIXES]
    assert len(sources) > 100
    assert [str(path) for path in sources if path.stem.strip("_") in CATCH_ALL] == []


def test_every_module_says_what_it_is_for(modules: dict[str, Any]) -> None:
    assert [module.name for module in modules.values() if not module.docstring] == []


def test_every_test_file_and_benchmark_says_what_it_is_about(root: Path) -> None:
    files = [*(root / "tests").rglob("*.py"), *(root / "benchmarks").glob("*.py")]
    first = {path: path.read_text(encoding="utf-8").lstrip()[:3] for path in files}
    assert [str(path.relative_to(root)) for path, opening in first.items() if opening != '"""'] == []


def test_tests_mirror_the_packages_by_subject(root: Path) -> None:
    stray = [path.name for path in (root / "tests").glob("*.py") if path.name != "conftest.py"]
    assert stray == []
