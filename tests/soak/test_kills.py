"""Two hundred kills on a seeded schedule: of service, client and database, and of every part of a real hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from killing import KillRun
from postgres_server import PostgresServer
from serving import StubHub, add_flooder, assign_small, make_project, with_processes, with_store

N_KILLS = int(os.environ.get("MLF_SOAK_KILLS", "200"))
SEED = int(os.environ.get("MLF_SOAK_SEED", "2026"))
Report = Callable[[str, str], None]


@pytest.mark.parametrize(
    ("store", "n_processes"),
    [
        ("SQLite", 1),
        pytest.param("PostgreSQL", 1, marks=pytest.mark.postgres),
        pytest.param("PostgreSQL", 3, marks=pytest.mark.postgres),
    ],
)
def test_no_acknowledged_vote_is_lost_in_two_hundred_kills(
    tmp_path: Path, store: str, n_processes: int, request: pytest.FixtureRequest, report: Report
) -> None:
    project = make_project(tmp_path)
    server: PostgresServer | None = None
    if store == "PostgreSQL":
        server = request.getfixturevalue("postgres")
        project = with_processes(with_store(project, server.new_database()), n_processes)
        assign_small(project)
    with StubHub() as hub:
        hub.add(add_flooder(project), ["annotators", "researchers"])
        figures = KillRun(project, hub, N_KILLS, seed=SEED, postgres=server, flooder="flooder").run()
    report(
        f"{figures.n_kills} kills of service ({n_processes} processes), clients{', database' if server else ''} "
        f"beside a flood ({store})",
        f"{figures.n_acknowledged} acknowledged, lost {figures.n_lost}, doubled {figures.n_doubled}",
    )
    report("what the flooder was answered", figures.flood)
    assert figures.n_kills == N_KILLS
    assert (figures.n_lost, figures.n_doubled, figures.n_given_up) == (0, 0, 0)


@pytest.mark.hub
@pytest.mark.browser
@pytest.mark.postgres
def test_no_acknowledged_vote_is_lost_in_two_hundred_kills_of_a_real_hub(
    annotation_page: None,
    hub_benchmark: ModuleType,
    hub_folder: Path,
    proxy: str,
    postgres: PostgresServer,
    report: Report,
) -> None:
    from hub_killing import kill_parts_of_a_hub

    figures = kill_parts_of_a_hub(hub_benchmark, hub_folder / "soak", proxy, postgres, N_KILLS, seed=SEED)
    kinds = ", ".join(f"{n} {target}" for target, n in sorted(figures.kills.items()))
    waits = ", ".join(f"{t} {median:g}/{longest:g}" for t, (median, longest) in sorted(figures.recovery_s.items()))
    report(
        f"{figures.n_kills} kills in a real hub beside a flood ({kinds})",
        f"{figures.n_acknowledged} acknowledged, lost {figures.n_lost}, doubled {figures.n_doubled}",
    )
    report("until an acknowledgement after a kill, s (median/longest)", waits)
    assert figures.n_kills == N_KILLS
    assert (figures.n_lost, figures.n_doubled) == (0, 0)
