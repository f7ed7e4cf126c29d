"""Kills of every part of a real hub while people work in it, two parts at a time; `make soak` runs two hundred."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from hub_killing import TARGETS, kill_parts_of_a_hub
from postgres_server import PostgresServer

pytestmark = [
    pytest.mark.hub,
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.xdist_group("hub"),
]


def test_every_part_is_killed_once_and_everyone_resumes_by_themselves(
    annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, proxy: str, postgres: PostgresServer
) -> None:
    figures = kill_parts_of_a_hub(
        hub_benchmark, hub_folder / "kills", proxy, postgres, len(TARGETS), seed=11, n_at_once=2
    )
    print(figures)
    assert set(figures.kills) == set(TARGETS)
    assert figures.n_acknowledged > 30
    assert (figures.n_lost, figures.n_doubled) == (0, 0)
