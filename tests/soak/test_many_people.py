"""Hundreds of simulated annotators against the service, fifteen real sessions in a real hub."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from service import measure

from pipeline.hub.accounts import Role

Report = Callable[[str, str], None]
N_SESSIONS, N_BROWSERS, N_IMAGES = 15, 3, 40


@pytest.mark.parametrize("n_annotators", [200, 1_000])
@pytest.mark.parametrize("store", ["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.postgres)])
def test_annotators_at_a_save_a_second_lose_and_double_nothing(store: str, n_annotators: int, report: Report) -> None:
    figures = measure(n_annotators, 60, postgres=store == "PostgreSQL")
    report(
        f"{n_annotators} simulated annotators, a save a second each for 60 s ({store})",
        f"p50/p95/p99 {figures['p50_ms']}/{figures['p95_ms']}/{figures['p99_ms']} ms, errors {figures['errors']}, "
        f"lost {figures['lost']}, doubled {figures['doubled']}",
    )
    assert (figures["lost"], figures["doubled"]) == (0, 0)
    if n_annotators == 200:
        assert figures["errors"] == 0
        assert figures["acknowledged"] == figures["kept"]


@pytest.mark.hub
@pytest.mark.browser
def test_fifteen_sessions_at_once_lose_and_double_nothing(
    annotation_page: None, hub_benchmark: ModuleType, hub_folder: Path, proxy: str, report: Report
) -> None:
    folder = hub_folder / "fifteen"
    folder.mkdir(mode=0o711)
    names = [f"annotator-{i:02d}" for i in range(N_SESSIONS)]
    project = hub_benchmark.make_project(folder, N_SESSIONS * N_IMAGES // 2, names)
    people = {name: [Role.ANNOTATORS] for name in names}
    with hub_benchmark.running_hub(project, people, folder / "hub", proxy) as hub:
        reports = asyncio.run(hub_benchmark.run_sessions(hub, names[N_BROWSERS:], names[:N_BROWSERS], N_IMAGES))
    saves = [ms for one in reports for ms in one.latencies_ms]
    started, memory = [one.started_s for one in reports], [one.memory_mib for one in reports]
    n_wrong = len(hub_benchmark.check_store(project, reports))
    n_told = sum(len(one.acknowledged) for one in reports)
    report(
        f"{N_SESSIONS} hub sessions at once ({N_BROWSERS} browsers), {N_IMAGES} images each",
        f"{n_told} acknowledged, {n_wrong} wrong in the store",
    )
    report("log-in to kernel or first image, s", f"median {statistics.median(started):.1f}, longest {max(started):.1f}")
    report("memory a session, MiB (PSS)", f"median {statistics.median(memory):.0f}, most {max(memory):.0f}")
    report("save in a hub session, ms", f"p50 {np.percentile(saves, 50):.0f}, p95 {np.percentile(saves, 95):.0f}")
    assert n_wrong == 0
    assert all(len(one.acknowledged) == N_IMAGES for one in reports)
