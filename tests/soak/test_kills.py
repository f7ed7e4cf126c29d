"""Two hundred kills; runs with MLF_SOAK=1 alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))

from killing import KillRun
from serving import StubHub, assign_small, make_project, start_postgres, with_store

N_KILLS = int(os.environ.get("MLF_SOAK_KILLS", "200"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("MLF_SOAK"), reason="long; set MLF_SOAK=1 (make soak)"),
]


@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_no_acknowledged_vote_is_lost_in_two_hundred_kills(tmp_path: Path, store: str) -> None:
    project = make_project(tmp_path)
    server = start_postgres() if store == "postgres" else None
    if server:
        project = with_store(project, server.new_database())
        assign_small(project)
    try:
        with StubHub() as hub:
            figures = KillRun(project, hub, N_KILLS, seed=2026, postgres=server).run()
    finally:
        if server:
            server.stop()
    print(figures)
    assert figures.n_kills == N_KILLS
    assert (figures.n_lost, figures.n_doubled, figures.n_given_up) == (0, 0, 0)
