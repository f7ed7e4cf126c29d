"""A hundred simulated projects for each share of images judged alike: does the interval hold the truth?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from simulated_audits import run

N_SEEDS = 100


#: Plain projects; and projects whose people hardly ever search unasked, but do on a tenth of the images.
PROJECTS = {"": {}, ", search probes": {"probe_share": 0.1, "adds": 0.05}}


@pytest.mark.parametrize("probes", PROJECTS)
@pytest.mark.parametrize("alike", [0.0, 0.3, 0.6])
def test_the_interval_holds_the_truth_in_nine_of_ten_projects_and_refinement_harms_none(
    alike: float, probes: str, report: Callable[[str, str], None]
) -> None:
    outcomes = [run(seed, alike, **PROJECTS[probes]) for seed in range(5000, 5000 + N_SEEDS)]
    n_held = sum(o.remaining.low <= o.n_wrong_left <= o.remaining.high for o in outcomes)
    n_worse = sum(o.n_wrong_after > o.n_wrong_before for o in outcomes)
    rest = [(o.remaining, o) for o in outcomes]
    figures = [(r.expected, r.low, r.high, o.n_wrong_left, r.unproposed, o.n_missing) for r, o in rest]
    expected, low, high, true, unproposed, missing = np.mean(figures, axis=0)
    report(
        f"wrong labels left, {alike:.0%} of the images judged alike{probes}, {N_SEEDS} simulated projects",
        f"interval holds the truth in {n_held}; expected {expected:.1f} ({low:.0f} to {high:.0f}) where {true:.1f} are "
        f"wrong, on average, {unproposed:.1f} of them never proposed where {missing:.1f} are; refinement made "
        f"{n_worse} worse",
    )
    assert n_held >= 0.9 * N_SEEDS
    assert n_worse == 0
