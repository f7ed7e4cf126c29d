"""What the proposals miss, from images on which annotators search: against the truth of a simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson

from pipeline.disagreement.search_probes import findings_of_probes, mean_rate


def test_intervals_hold_the_truth_of_a_simulation_as_often_as_they_say() -> None:
    """Images differ in how many labels they have and in how many of these are proposed; searchers find all."""
    n_runs, n_images, hits = 200, 60, []
    for run in range(n_runs):
        generator = np.random.default_rng(run)
        hard = generator.beta(1, 6, n_images)  # share of an image's labels that is not proposed: mean 1/7
        n_labels = generator.poisson(2, n_images) + 1  # mean 3
        n_unproposed = generator.binomial(n_labels, hard)
        found = findings_of_probes(
            n_asked=n_images,
            n_searchers=np.ones(n_images, dtype=int),
            n_proposed=n_labels - n_unproposed,
            finders=[np.ones(n, dtype=int) for n in n_unproposed],
            ordinary_unproposed=np.zeros(10, dtype=int),
        )
        assert found.recall is not None
        assert found.recall_low is not None
        assert found.recall_high is not None
        hits.append(
            [found.recall_low <= 6 / 7 <= found.recall_high, found.unproposed.low <= 3 / 7 <= found.unproposed.high]
        )
    coverage = np.mean(hits, axis=0)
    assert (coverage >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / n_runs)).all(), coverage


def test_counts_are_plain_ones() -> None:
    found = findings_of_probes(
        n_asked=7,
        n_searchers=np.array([2, 1, 2]),
        n_proposed=np.array([3, 0, 1]),
        finders=[np.array([2, 1]), np.array([1]), np.array([], dtype=int)],
        ordinary_unproposed=np.array([0, 1, 0, 1]),
    )
    assert (found.n_asked, found.n_searched, found.n_images) == (7, 5, 3)
    assert (found.n_proposed, found.n_unproposed, found.recall) == (4, 3, pytest.approx(4 / 7))
    assert (found.n_images_missed, found.n_by_one, found.n_by_more) == (2, 1, 1)  # one searcher alone proves neither
    assert found.unproposed.value == pytest.approx(1)
    assert found.missing_in(300).value == pytest.approx(300)
    assert found.found_anyway is not None
    assert found.found_anyway.value == pytest.approx(0.5)


def test_where_no_label_is_found_nothing_is_claimed() -> None:
    found = findings_of_probes(
        n_asked=2,
        n_searchers=np.array([1, 1]),
        n_proposed=np.zeros(2, dtype=int),
        finders=[np.array([], dtype=int)] * 2,
        ordinary_unproposed=np.array([], dtype=int),
    )
    assert (found.recall, found.recall_low, found.found_anyway) == (None, None, None)
    assert found.unproposed.low == 0
    assert found.unproposed.high == pytest.approx(3.689 / 2, abs=1e-3)  # the exact upper limit of no event


def test_probes_that_are_all_alike_have_an_interval_too() -> None:
    found = findings_of_probes(
        n_asked=2,
        n_searchers=np.array([1, 1]),
        n_proposed=np.array([1, 1]),
        finders=[np.array([1]), np.array([1])],
        ordinary_unproposed=np.array([0]),
    )
    assert found.recall == 0.5
    assert (found.recall_low, found.recall_high) == pytest.approx((0.15, 0.85), abs=0.001)  # Wilson's of 2 of 4


@pytest.mark.parametrize("total", [0, 1, 7, 40])
def test_the_interval_of_a_mean_is_the_exact_one_of_poisson_where_counts_vary_no_more(total: int) -> None:
    counts = np.zeros(100, dtype=int)
    counts[:total] = 1
    rate = mean_rate(counts)
    assert poisson.sf(total - 1, 100 * rate.low) == pytest.approx(0.025) if total else rate.low == 0
    assert poisson.cdf(total, 100 * rate.high) == pytest.approx(0.025)
