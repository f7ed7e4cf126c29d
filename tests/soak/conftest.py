"""Long runs, only with MLF_SOAK=1 (`make soak`); their figures are printed as one table at the end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hub_fixtures import annotation_page, hub_benchmark, hub_folder, proxy
from postgres_server import postgres

__all__ = ["annotation_page", "hub_benchmark", "hub_folder", "postgres", "proxy"]

Row = tuple[str, str]
_ROWS = pytest.StashKey[list[Row]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skipped = pytest.mark.skip(reason="long; set MLF_SOAK=1 (make soak)")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(7200))
            if not os.environ.get("MLF_SOAK"):
                item.add_marker(skipped)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Return a function that adds a line to the table: what was measured, and the figure in words."""
    rows = request.config.stash.setdefault(_ROWS, [])
    return lambda what, figure: rows.append((what, figure))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(_ROWS, [])
    if rows:
        load = f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        terminalreporter.write_line(f"\nFigures (load average at the end: {load})\n\n| what | figure |\n| --- | --- |")
        for what, figure in rows:
            terminalreporter.write_line(f"| {what} | {figure} |")
